#include "sql/explain_state.h"

#include <fmt/format.h>

#include "base/text.h"

namespace millrace::sql {
namespace {

constexpr const char* kForGood = "kept for good: it grows with the keys";
constexpr const char* kForGoodRows = "kept for good: it grows with the rows";

struct Notes {
  std::string key;
  std::string state;
  std::string watermark;
  std::string form;
};

std::string length(Duration time) { return format_duration(time); }

class Describer {
 public:
  Describer(const plan::Plan& plan, uint32_t index) : plan_(plan), node_(plan.nodes[index]) {}

  std::optional<Notes> operator()(const plan::Aggregate& aggregate) const {
    Notes notes{names(0, aggregate.group_columns), {}, {}, {}};
    std::vector<std::string> general;
    bool extremes = false;
    for (const plan::AggregateCall& call : aggregate.calls) {
      if (call.kind == plan::AggregateKind::kGeneral) general.push_back(call.text);
      extremes |= call.kind == plan::AggregateKind::kMin || call.kind == plan::AggregateKind::kMax;
    }
    const bool changes = !input(0).append_only;
    if (aggregate.general) {
      notes.state = "the rows of each group";
      notes.form = general.empty() ? "general" : "general, for there is no running form of " + join(general, ", ");
    } else {
      notes.state = extremes && changes ? "a running result of each group, and its values in order for min and max"
                                        : "a running result of each group";
      notes.form = "fast, for every call has a running form";
    }
    notes.state += bound(aggregate, notes);
    return notes;
  }
  std::optional<Notes> operator()(const plan::DistinctOn& distinct) const {
    const bool fast = input(0).append_only;
    return Notes{names(0, distinct.key_columns),
                 std::string(fast ? "one row of each key" : "the rows of each key in order") + "; " +
                     (fast ? kForGood : kForGoodRows),
                 {},
                 fast ? "fast, for its input takes no rows back" : "fast: the next row takes the place of one that goes"};
  }
  std::optional<Notes> operator()(const plan::Window& window) const {
    std::vector<std::string> general;
    for (const plan::WindowCall& call : window.calls) {
      if (call.kind == plan::WindowKind::kGeneral) general.push_back(call.text);
    }
    std::string form = "fast, for every call has a kernel";
    if (window.general) {
      form = general.empty() ? "general" : "general, for there is no kernel for " + join(general, ", ");
      form += ": a touched partition is computed anew";
    }
    return Notes{names(0, window.partition_columns), std::string("the rows of each partition in order; ") + kForGoodRows,
                 {}, form};
  }
  std::optional<Notes> operator()(const plan::Join& join) const {
    Notes notes{pairs(join), std::string("the rows of both sides by key; ") + kForGoodRows, {}, {}};
    notes.form = join.left_keys.empty() ? "general, for no condition is an equality: a changed row meets the whole other side"
                                        : "fast: a changed row meets the rows of its key";
    return notes;
  }
  std::optional<Notes> operator()(const plan::TimeJoin& join) const {
    std::string until = "the rows of both sides by key; a row goes when the watermark says that no partner can come";
    if (join.allowed_lateness.micros > 0) until += ", and " + length(join.allowed_lateness) + " of lateness have passed";
    return Notes{pairs(join.join), until, fmt::format("left {}, right {}", column(0, join.left_time), column(1, join.right_time)),
                 "fast, for the conditions bound the time between partners"};
  }
  std::optional<Notes> operator()(const plan::AsofJoin& join) const {
    return Notes{names(0, join.left_keys), std::string("the rows of both sides by key in order; ") + kForGoodRows, {},
                 "fast: a changed row meets its neighbours"};
  }
  std::optional<Notes> operator()(const plan::SetOperation&) const {
    return Notes{"all columns", std::string("how often each side has each row; ") + kForGood, {}, "fast: a count of each row"};
  }
  std::optional<Notes> operator()(const plan::TopN& top) const {
    const bool fast = input(0).append_only;
    return Notes{names(0, top.partition_columns),
                 fast ? fmt::format("the first {} rows of each group", top.limit)
                      : std::string("the rows of each group in order; ") + kForGoodRows,
                 {},
                 fast ? "fast, for its input takes no rows back: others can never come in"
                      : "fast: the next row takes the place of one that goes"};
  }
  std::optional<Notes> operator()(const plan::Session& session) const {
    return Notes{names(0, session.partition_columns),
                 "the rows of sessions; one goes when the watermark is " + length(session.grace()) + " behind its end",
                 column(0, session.time_column), "fast: what a row moves is given again"};
  }
  template <typename Stateless>
  std::optional<Notes> operator()(const Stateless&) const {
    return std::nullopt;
  }

 private:
  const plan::Node& input(size_t port) const { return plan_.nodes[node_.inputs[port]]; }
  const std::string& column(size_t port, uint32_t index) const { return input(port).output[index].name; }
  std::string names(size_t port, const std::vector<uint32_t>& columns) const {
    std::vector<std::string> names;
    for (uint32_t index : columns) names.push_back(column(port, index));
    return names.empty() ? "none: all rows are in one place" : sql_list(names);
  }
  std::string pairs(const plan::Join& join) const {
    std::vector<std::string> pairs;
    for (size_t i = 0; i < join.left_keys.size(); ++i) {
      pairs.push_back(column(0, join.left_keys[i]) + " = " + column(1, join.right_keys[i]));
    }
    return pairs.empty() ? "none: all rows are in one place" : sql_list(pairs);
  }
  static std::string sql_list(const std::vector<std::string>& parts) { return millrace::join(parts, ", "); }

  /// What bounds the groups; sets the watermark.
  std::string bound(const plan::Aggregate& aggregate, Notes& notes) const {
    if (!aggregate.window) return std::string("; ") + (aggregate.general ? kForGoodRows : kForGood);
    const plan::WindowBound& window = *aggregate.window;
    notes.watermark = column(0, aggregate.group_columns[window.group_index]);
    if (window.close == plan::WindowClose::kWholeStep) return "; a group goes with the step that gave it";
    std::string until = "; a group goes when the watermark passes " + notes.watermark;
    if (window.end_offset.micros > 0) until += " + " + length(window.end_offset);
    if (window.allowed_lateness.micros > 0) until += " + " + length(window.allowed_lateness) + " of lateness";
    return until;
  }

  const plan::Plan& plan_;
  const plan::Node& node_;
};

}  // namespace

std::vector<std::string> state_notes(const plan::Plan& plan, uint32_t index) {
  const std::optional<Notes> notes = std::visit(Describer(plan, index), plan.nodes[index].operation);
  if (!notes) return {};
  std::vector<std::string> lines{"key: " + notes->key, "state: " + notes->state};
  if (!notes->watermark.empty()) lines.push_back("watermark: " + notes->watermark);
  lines.push_back("form: " + notes->form);
  return lines;
}

}  // namespace millrace::sql
