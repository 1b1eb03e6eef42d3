#include "coverage.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::test {
namespace {

// In the order of their enumerations in plan/plan.h. A kind that is not named here is counted by its number.
constexpr std::array kJoins = {"inner", "left", "right", "full", "semi", "anti", "mark"};
constexpr std::array kSets = {"intersect", "intersect all", "except", "except all"};
constexpr std::array kAggregates = {
    "count(*)",     "count",        "sum",      "min",     "max",      "avg",     "general",     "count DISTINCT",
    "sum DISTINCT", "avg DISTINCT", "bool_and", "bool_or", "var_samp", "var_pop", "stddev_samp", "stddev_pop",
    "first",        "last",         "approx_count_distinct", "list", "string_agg"};
constexpr std::array kWindows = {"row_number", "rank",     "dense_rank", "lead", "lag", "first_value", "general",
                                 "last_value", "count(*)", "count",      "sum",  "avg", "min",         "max",
                                 "first that is not NULL", "last that is not NULL"};
// Their states are kept beside the rows.
constexpr std::array kFramedWindows = {"by DuckDB", "by numbers of values", "running", "without its own row", "min", "max"};

const std::string kRetracting = ", retracting input";

template <typename Names, typename Kind>
std::string name_of(const Names& names, Kind kind) {
  const auto number = static_cast<size_t>(kind);
  return number < names.size() ? names[number] : "kind " + std::to_string(number);
}

/// What the operator is beside its kind.
std::vector<std::string> forms(const plan::Node& node) {
  std::vector<std::string> found;
  if (const auto* aggregate = std::get_if<plan::Aggregate>(&node.operation)) {
    found.emplace_back(aggregate->general ? "recomputed" : "fast");
    const bool is_mixed = aggregate->general && aggregate->general.expressions().size() < aggregate->calls.size();
    if (is_mixed) found.emplace_back("with running results");
    if (aggregate->group_columns.empty()) found.emplace_back("of everything");
    for (const auto& call : aggregate->calls) {
      const bool is_fast = call.kind != plan::AggregateKind::kGeneral && (!aggregate->general || is_mixed);
      if (is_fast) found.push_back(name_of(kAggregates, call.kind));
    }
  }
  if (const auto* window = std::get_if<plan::Window>(&node.operation)) {
    found.emplace_back(window->general ? "recomputed" : "kernel");
    for (const auto& call : window->calls) found.push_back(name_of(kWindows, call.kind));
  }
  if (const auto* framed = std::get_if<plan::FramedWindow>(&node.operation)) {
    found.emplace_back(framed->window.general ? "by DuckDB" : "running");
    if (!framed->reach.values.empty()) found.emplace_back("by numbers of values");
    for (const auto& call : framed->window.calls) {
      found.push_back(name_of(kWindows, call.kind));
      if (call.ends_before) found.emplace_back("without its own row");
    }
  }
  if (const auto* top = std::get_if<plan::TopN>(&node.operation)) {
    found.push_back(name_of(kWindows, top->rank) + (top->partition_columns.empty() ? "" : " by"));
  }
  if (const auto* join = std::get_if<plan::Join>(&node.operation)) {
    found.push_back(name_of(kJoins, join->type));
    if (join->left_keys.empty()) found.emplace_back("without keys");
    if (!join->residual.empty()) found.emplace_back("with conditions beside its keys");
  }
  if (const auto* asof = std::get_if<plan::AsofJoin>(&node.operation)) found.push_back(name_of(kJoins, asof->type));
  if (const auto* set = std::get_if<plan::SetOperation>(&node.operation)) found.push_back(name_of(kSets, set->kind));
  return found;
}

template <size_t... kIndex>
std::vector<std::string> all_kinds(std::index_sequence<kIndex...>) {
  std::vector<std::string> kinds;
  const auto add = [&](plan::Operation operation) {
    plan::Node node;
    node.operation = std::move(operation);
    kinds.emplace_back(node.kind());
  };
  (add(std::variant_alternative_t<kIndex, plan::Operation>{}), ...);
  return kinds;
}

}  // namespace

void Coverage::count(const plan::Plan& plan) {
  for (const plan::Node& node : plan.nodes) {
    const bool retracting = std::any_of(node.inputs.begin(), node.inputs.end(),
                                        [&](uint32_t input) { return !plan.nodes[input].append_only; });
    std::vector<std::string> names = {std::string(node.kind())};
    for (const std::string& form : forms(node)) names.push_back(names[0] + " " + form);
    for (const std::string& name : names) {
      count(name);
      if (retracting) count(name + kRetracting);
    }
  }
}

uint64_t Coverage::times(const std::string& name) const {
  const auto found = times_.find(name);
  return found == times_.end() ? 0 : found->second;
}

void Coverage::expect_operators(const std::vector<std::string>& left_out) {
  const auto both = [&](const std::string& name) {
    expect(name);
    expect(name + kRetracting);
  };
  for (const std::string& kind : all_kinds(std::make_index_sequence<std::variant_size_v<plan::Operation>>())) {
    if (std::find(left_out.begin(), left_out.end(), kind) != left_out.end()) continue;
    expect(kind);
    if (kind != "Source" && kind != "Constant") expect(kind + kRetracting);
  }
  for (const char* form : {"recomputed", "with running results", "fast", "of everything"}) both(std::string("Aggregate ") + form);
  for (const char* kind : kAggregates) {
    if (kind == std::string("general")) continue;
    if (kind == std::string("approx_count_distinct")) {
      expect(std::string("Aggregate ") + kind);  // of rows that only come
    } else {
      both(std::string("Aggregate ") + kind);
    }
  }
  // From min on they are calls of a FramedWindow.
  for (size_t kind = 0; kind < static_cast<size_t>(plan::WindowKind::kMin); ++kind) both("Window " + std::string(kWindows[kind]));
  for (const char* form : kFramedWindows) both(std::string("FramedWindow ") + form);
  for (const char* kind : {"row_number", "row_number by", "rank by", "dense_rank by"}) {
    both(std::string("TopN ") + kind);
  }
  for (const char* type : kJoins) both(std::string("Join ") + type);
  for (const char* form : {"without keys", "with conditions beside its keys"}) both(std::string("Join ") + form);
  for (const char* type : {"inner", "left"}) both(std::string("AsofJoin ") + type);
  for (const char* kind : kSets) both(std::string("SetOperation ") + kind);
}

std::string Coverage::table() const {
  std::string text;
  for (const auto& [name, times] : times_) {
    const std::string number = std::to_string(times);
    text += std::string(10 - std::min<size_t>(9, number.size()), ' ') + number + "  " + name + "\n";
  }
  return text;
}

std::vector<std::string> Coverage::missing() const {
  std::vector<std::string> names;
  for (const auto& [name, times] : times_) {
    if (times == 0) names.push_back(name);
  }
  return names;
}

}  // namespace millrace::test
