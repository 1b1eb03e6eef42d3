// EXPLAIN: a plan as an indented tree, result first.
#include <fmt/format.h>

#include "sql/bind.h"

namespace millrace::sql {
namespace {

std::string column_names(const batch::Schema& schema, const std::vector<uint32_t>& columns) {
  std::string text;
  for (uint32_t column : columns) text += (text.empty() ? "" : ", ") + schema[column].name;
  return text;
}

std::string expression_list(const std::vector<batch::Expression>& expressions) {
  std::string text;
  for (const auto& expression : expressions) text += (text.empty() ? "" : ", ") + expression.text();
  return text;
}

/// One line for each kind of operation; `input` is of the first input.
struct Describe {
  const plan::Node& node;
  const batch::Schema& input;
  bool input_append_only;

  std::string operator()(const plan::Source& source) const { return "Source " + source.relation; }
  std::string operator()(const plan::Filter& filter) const { return "Filter " + expression_list(filter.predicates); }
  std::string operator()(const plan::Project& project) const {
    return "Project " + expression_list(project.expressions);
  }
  /// Which calls have no running result, so that their groups are computed anew.
  static std::string general_form(const plan::Aggregate& aggregate) {
    std::string general;
    for (const auto& call : aggregate.calls) {
      if (call.kind == plan::AggregateKind::kGeneral) general += (general.empty() ? "" : ", ") + call.text;
    }
    return " [general: a touched group is computed anew from its rows, for " + general + "]";
  }
  std::string operator()(const plan::Unnest& unnest) const {
    return "Unnest " + column_names(input, unnest.list_columns);
  }
  std::string operator()(const plan::UnionAll&) const { return "UnionAll"; }
  std::string operator()(const plan::Aggregate& aggregate) const {
    std::string calls;
    for (const auto& call : aggregate.calls) calls += (calls.empty() ? "" : ", ") + call.text;
    std::string text = "Aggregate " + calls;
    text +=
        aggregate.group_columns.empty() ? " (one global group)" : " by " + column_names(input, aggregate.group_columns);
    text += aggregate.general ? general_form(aggregate) : " [fast: a running result]";
    if (aggregate.window) text += aggregate.window->emit_on_close ? " [window of time, on close]" : " [window of time]";
    return text;
  }
  std::string operator()(const plan::DistinctOn& distinct) const {
    return "DistinctOn " + column_names(input, distinct.key_columns) + (node.append_only ? " [fast]" : "");
  }
  std::string window_text(const plan::Window& window) const {
    std::string calls;
    for (const auto& call : window.calls) calls += (calls.empty() ? "" : ", ") + call.text;
    return "Window " + calls +
           (window.partition_columns.empty() ? " (one global partition)"
                                             : " by " + column_names(input, window.partition_columns));
  }
  std::string operator()(const plan::Window& window) const {
    return window_text(window) +
           (window.general ? " [general: a touched partition is computed anew]" : " [kernel: touched partitions only]");
  }
  std::string operator()(const plan::FramedWindow& framed) const {
    return window_text(framed.window) + (framed.window.general
                                             ? " [frame: a change reads the rows whose frames hold it]"
                                             : " [running: a change reads the rows whose results it changes]");
  }
  std::string operator()(const plan::Join& join) const {
    static constexpr const char* kNames[] = {"inner", "left", "right", "full", "semi", "anti", "mark"};
    std::string text =
        fmt::format("Join {} on {}", kNames[static_cast<size_t>(join.type)], column_names(input, join.left_keys));
    if (join.left_keys.empty()) text += "(no equality) [general: a changed row meets every row of the other side]";
    if (!join.residual.empty()) text += " where " + expression_list(join.residual);
    return text;
  }
  std::string operator()(const plan::AsofJoin& join) const {
    static constexpr const char* kNames[] = {"inner", "left", "right", "full", "semi", "anti", "mark"};
    return fmt::format("AsofJoin {} on {}{} [fast: rows are kept in order]", kNames[static_cast<size_t>(join.type)],
                       column_names(input, join.left_keys), join.left_keys.empty() ? "(one global group)" : "");
  }
  std::string operator()(const plan::SetOperation& set) const {
    static constexpr const char* kNames[] = {"Intersect", "Intersect all", "Except", "Except all"};
    return std::string(kNames[static_cast<size_t>(set.kind)]) + " [fast: a count of each row]";
  }
  std::string operator()(const plan::Constant& constant) const {
    return fmt::format("Constant {} row{}", constant.rows, constant.rows == 1 ? "" : "s");
  }
  std::string operator()(const plan::TimeJoin& join) const {
    const auto seconds = [](Duration length) {
      return fmt::format("{:g} s", static_cast<double>(length.micros) / 1e6);
    };
    return (*this)(join.join) + fmt::format(" [time: right - left from {} to {}, state goes with the watermark{}]",
                                            seconds(join.lower), seconds(join.upper),
                                            join.emit_on_close ? ", on close" : "");
  }
  std::string operator()(const plan::TemporalJoin& join) const {
    return fmt::format("TemporalJoin {} on {} as of {} [on close: a row waits for the watermark; one version a key stays]",
                       join.type == plan::JoinType::kLeft ? "left" : "inner", column_names(input, join.left_keys),
                       input[join.left_time].name);
  }
  std::string operator()(const plan::LookupJoin& lookup) const {
    return "Lookup" + (*this)(lookup.join) + " [as of now: never taken back; the right side is kept]";
  }
  std::string operator()(const plan::TopN& top) const {
    static constexpr const char* kRanks[] = {"row_number", "rank", "dense_rank"};
    const std::string rows =
        top.offset > 0 ? fmt::format("{} to {}", top.offset + 1, top.limit) : fmt::format("up to {}", top.limit);
    return fmt::format(
        "TopN {} {}{}{}", kRanks[static_cast<size_t>(top.rank)], rows,
        top.partition_columns.empty() ? " (one global group)" : " by " + column_names(input, top.partition_columns),
        input_append_only ? " [fast: only these rows are kept]" : " [fast: rows are kept in order]");
  }
  std::string operator()(const plan::Session& session) const {
    const std::string by =
        session.partition_columns.empty() ? "" : " by " + column_names(input, session.partition_columns);
    return fmt::format("Session of {}, gap {} ms{}{}", input[session.time_column].name, session.gap.micros / 1000, by,
                       session.emit_on_close ? " [on close]" : " [fast: what a row moves is given again]");
  }
};

void describe(const plan::Plan& plan, uint32_t index, size_t depth, std::string& out) {
  const plan::Node& node = plan.nodes[index];
  const batch::Schema& input = node.inputs.empty() ? node.output : plan.nodes[node.inputs[0]].output;
  const bool input_append_only = !node.inputs.empty() && plan.nodes[node.inputs[0]].append_only;
  out += std::string(depth * 2, ' ') + std::visit(Describe{node, input, input_append_only}, node.operation);
  if (!node.append_only) out += " [changes]";
  out += fmt::format(" #{}\n", node.id.value);
  for (uint32_t below : node.inputs) describe(plan, below, depth + 1, out);
}

}  // namespace

std::string explain(const plan::Plan& plan) {
  std::string out;
  describe(plan, static_cast<uint32_t>(plan.nodes.size() - 1), 0, out);
  return out;
}

}  // namespace millrace::sql
