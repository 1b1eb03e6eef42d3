// The Translator's session windows: the call millrace_session_start/_end(ts, gap) OVER (PARTITION BY …) that session()
// binds to, and GROUP BY over its bounds.
#include "sql/session_groups.h"

#include <algorithm>

#include "duckdb/catalog/catalog.hpp"
#include "duckdb/catalog/catalog_entry/aggregate_function_catalog_entry.hpp"
#include "duckdb/function/function_binder.hpp"
#include "duckdb/planner/expression/bound_aggregate_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/expression/bound_window_expression.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/time_windows.h"
#include "sql/translate.h"

namespace millrace::sql {
namespace {

/// Whether one of the expressions reads one of the columns.
bool reads(const duckdb::Expression& expression, const std::set<uint64_t>& columns) {
  auto copy = expression.Copy();
  bool found = false;
  for_each_reference(*copy, [&](duckdb::BoundReferenceExpression& column) { found |= columns.contains(column.index); });
  return found;
}

const duckdb::BoundReferenceExpression* as_reference(const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_REF) return nullptr;
  return &expression.Cast<duckdb::BoundReferenceExpression>();
}

/// The columns of an operator that are bounds of sessions or what these are partitioned by, as they came up unchanged.
struct SessionColumns {
  const duckdb::LogicalWindow* window = nullptr;
  std::set<uint64_t> starts, ends;
  std::map<uint64_t, size_t> keys;  // column → which of PARTITION BY
  bool end_is_read = false;         // by an expression on the way

  void note_reads(const std::vector<duckdb::unique_ptr<duckdb::Expression>>& expressions, bool also_plain) {
    for (const auto& expression : expressions)
      end_is_read |= (also_plain || !as_reference(*expression)) && reads(*expression, ends);
  }
  /// Column `from` is column `to` above.
  void rename(const SessionColumns& below, uint64_t from, uint64_t to) {
    if (below.starts.contains(from)) starts.insert(to);
    if (below.ends.contains(from)) ends.insert(to);
    if (auto key = below.keys.find(from); key != below.keys.end()) keys[to] = key->second;
  }
};

std::optional<SessionColumns> columns_of_window(const duckdb::LogicalWindow& op) {
  SessionColumns found;
  found.window = &op;
  const uint64_t below = op.children[0]->types.size();
  for (size_t i = 0; i < op.expressions.size(); ++i) {
    auto& call = op.expressions[i]->Cast<duckdb::BoundWindowExpression>();
    const SessionCall kind = session_call(call);
    if (kind == SessionCall::kNone) return std::nullopt;
    (kind == SessionCall::kStart ? found.starts : found.ends).insert(below + i);
    for (size_t key = 0; key < call.partitions.size(); ++key) {
      if (const auto* column = as_reference(*call.partitions[key])) found.keys[column->index] = key;
    }
  }
  return found;
}

std::optional<SessionColumns> columns_of(const duckdb::LogicalOperator& op) {
  using Kind = duckdb::LogicalOperatorType;
  if (op.type == Kind::LOGICAL_WINDOW) return columns_of_window(op.Cast<duckdb::LogicalWindow>());
  if (op.type != Kind::LOGICAL_PROJECTION && op.type != Kind::LOGICAL_FILTER) return std::nullopt;
  std::optional<SessionColumns> below = columns_of(*op.children[0]);
  if (!below) return std::nullopt;
  below->note_reads(op.expressions, op.type == Kind::LOGICAL_FILTER);
  SessionColumns here;
  here.window = below->window;
  here.end_is_read = below->end_is_read;
  if (op.type == Kind::LOGICAL_PROJECTION) {
    for (size_t i = 0; i < op.expressions.size(); ++i) {
      if (const auto* column = as_reference(*op.expressions[i])) here.rename(*below, column->index, i);
    }
    return here;
  }
  const auto& map = op.Cast<duckdb::LogicalFilter>().projection_map;
  if (map.empty()) return below;
  for (size_t i = 0; i < map.size(); ++i) here.rename(*below, map[i], i);
  return here;
}

}  // namespace

SessionCall session_call(const duckdb::BoundWindowExpression& call) {
  if (!call.aggregate) return SessionCall::kNone;
  if (call.aggregate->name == kSessionStart) return SessionCall::kStart;
  return call.aggregate->name == kSessionEnd ? SessionCall::kEnd : SessionCall::kNone;
}

std::optional<SessionGroups> session_groups(const duckdb::LogicalAggregate& op) {
  std::optional<SessionColumns> below = columns_of(*op.children[0]);
  if (!below) return std::nullopt;
  SessionGroups found;
  found.window = below->window;
  std::set<size_t> keys;
  bool end_is_read = below->end_is_read;
  for (uint32_t i = 0; i < op.groups.size(); ++i) {
    const auto* column = as_reference(*op.groups[i]);
    if (!column) {
      end_is_read |= reads(*op.groups[i], below->ends);
      continue;
    }
    if (below->starts.contains(column->index)) found.starts.push_back(i);
    if (below->ends.contains(column->index)) found.ends.push_back(i);
    if (auto key = below->keys.find(column->index); key != below->keys.end()) keys.insert(key->second);
  }
  for (const auto& call : op.expressions) end_is_read |= reads(*call, below->ends);
  for (const auto& call : op.expressions) {
    auto& aggregate = call->Cast<duckdb::BoundAggregateExpression>();
    if (aggregate.filter) end_is_read |= reads(*aggregate.filter, below->ends);
    if (!aggregate.order_bys) continue;
    for (const auto& order : aggregate.order_bys->orders) end_is_read |= reads(*order.expression, below->ends);
  }
  const auto& first = below->window->expressions[0]->Cast<duckdb::BoundWindowExpression>();
  found.whole_session = keys.size() == first.partitions.size();
  found.end_is_read = end_is_read;
  return found;
}

uint32_t Translator::session_of_one_spec(const std::vector<const duckdb::BoundWindowExpression*>& calls, uint32_t input,
                                         size_t visible_columns, bool ends_by_row) {
  PreProjection columns(*this, input);
  plan::Session session;
  const duckdb::BoundWindowExpression& first = *calls[0];
  for (const auto& partition : first.partitions) session.partition_columns.push_back(columns.column(*partition));
  session.time_column = columns.column(*first.children[0]);
  const auto gap = first.children[1]->Cast<duckdb::BoundConstantExpression>().value.GetValue<duckdb::interval_t>();
  session.gap = Duration{gap.micros + gap.days * 86400000000};
  session.allowed_lateness = options_.allowed_lateness;
  session.emit_on_close = options_.emit_on_window_close;
  for (const auto* call : calls) {
    session.bounds.push_back(session_call(*call) == SessionCall::kStart ? plan::SessionBound::kStart
                             : ends_by_row                              ? plan::SessionBound::kRowEnd
                                                                        : plan::SessionBound::kEnd);
  }
  const uint32_t ready = columns.finish();
  const plan::Node& from = nodes_[ready];
  if (session.emit_on_close && (from.watermark_column < 0 || !from.append_only)) {
    refuse("EMIT ON WINDOW CLOSE over a window whose rows carry no watermark",
           "apply session() to a stream, not to a view", {"SESSION"});
  }
  has_window_bound_ = true;
  plan::Node made;
  made.inputs = {ready};
  made.append_only = session.emit_on_close;
  made.key = from.key;
  const size_t below = visible(ready);
  for (size_t i = 0; i < below; ++i) made.output.fields.push_back(from.output[i]);
  for (const auto* call : calls) {
    const bool start = session_call(*call) == SessionCall::kStart;
    made.output.fields.push_back({start ? "window_start" : "window_end", batch::Type(batch::TypeId::kTimestamp)});
  }
  const auto carry = [&](int32_t column) {
    if (column < 0) return -1;
    made.output.fields.push_back(from.output[static_cast<size_t>(column)]);
    return static_cast<int32_t>(made.output.size() - 1);
  };
  made.order_column = carry(from.order_column);
  made.watermark_column = carry(from.watermark_column);
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < visible_columns; ++i) kept.push_back(i);
  for (uint32_t i = 0; i < calls.size(); ++i) kept.push_back(static_cast<uint32_t>(below) + i);
  made.operation = std::move(session);
  last_session_ = add(std::move(made));
  return keep(last_session_, kept);
}

std::optional<plan::WindowBound> Translator::session_bound(const SessionGroups& groups) const {
  const plan::Node& node = nodes_[last_session_];
  const plan::Node& input = nodes_[node.inputs[0]];
  const bool closes = input.watermark_column >= 0 && input.append_only;
  if (!closes || !groups.one_end()) return std::nullopt;
  const auto& session = std::get<plan::Session>(node.operation);
  plan::WindowBound bound;
  bound.emit_on_close = session.emit_on_close;
  bound.close = session.emit_on_close ? plan::WindowClose::kWholeStep : plan::WindowClose::kInput;
  bound.allowed_lateness = session.grace();
  if (bound.emit_on_close) return bound;
  if (groups.ends.empty()) return std::nullopt;  // by the start alone: when it ends is not known
  bound.group_index = groups.ends[0];
  return bound;
}

std::vector<uint32_t> Translator::end_as_result(const SessionGroups& groups, plan::Aggregate& aggregate,
                                                const std::vector<uint32_t>& group_columns) {
  const uint32_t end = group_columns[groups.ends[0]];
  std::vector<uint32_t> places;
  for (uint32_t i = 0; i < group_columns.size(); ++i) {
    const bool is_end = std::find(groups.ends.begin(), groups.ends.end(), i) != groups.ends.end();
    places.push_back(is_end ? UINT32_MAX : static_cast<uint32_t>(aggregate.group_columns.size()));
    if (!is_end) aggregate.group_columns.push_back(group_columns[i]);
  }
  const auto keys = static_cast<uint32_t>(aggregate.group_columns.size());
  for (uint32_t i = 0; i < aggregate.calls.size(); ++i) places.push_back(keys + i);
  const auto end_place = keys + static_cast<uint32_t>(aggregate.calls.size());
  std::replace(places.begin(), places.end(), UINT32_MAX, end_place);

  plan::AggregateCall call;
  call.kind = plan::AggregateKind::kMax;
  call.argument = static_cast<int32_t>(end);
  call.result = batch::Type(batch::TypeId::kTimestamp);
  call.text = "window_end";
  if (aggregate.window) aggregate.window->end_call = static_cast<int32_t>(aggregate.calls.size());
  if (aggregate.window) aggregate.window->group_index = 0;
  aggregate.calls.push_back(call);
  return places;
}

}  // namespace millrace::sql
