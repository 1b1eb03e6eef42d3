// The dataflow plan: what sql/ makes of a SELECT, and what dataflow/ runs. Plain data; nothing here acts.
//
// A plan is a list of nodes in topological order: a node's inputs are nodes before it. Expressions refer to columns of
// the node's input by index. Rules that all nodes keep:
//  * keys, arguments and sort keys of stateful nodes are plain columns: the binder puts a Project below that computes
//  them;
//  * hidden columns ride at the end of a node's output where something above needs them: `order_column` (a HUGEINT that
//    orders rows as the log does: append time, partition, offset) and `watermark_column` (the partition's watermark
//    before the row, TIMESTAMP); -1 where absent;
//  * a row's `diff` is not a column: it travels beside the batch.
// Serialized form: docs/formats/plan.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "batch/expression.h"
#include "batch/fragment.h"
#include "batch/type.h"

namespace millrace::plan {

/// What a Source column holds.
enum class SourceColumnKind : uint8_t {
  kField,       ///< a declared column of the relation; `field` is its index
  kAppendTime,  ///< TIMESTAMP
  kPartition,   ///< INTEGER
  kOffset,      ///< BIGINT
  kMessageId,   ///< VARCHAR
  kOrder,       ///< HUGEINT: (append time µs << 64) | (partition << 48) | offset
  kWatermark,   ///< TIMESTAMP: the largest watermark of the partition's rows before this one; NULL before the first
  kDeleted,     ///< BOOLEAN, of a table's raw rows: this one takes away its key's row
};

struct SourceColumn {
  SourceColumnKind kind = SourceColumnKind::kField;
  uint32_t field = 0;
};

/// Reads a stream, a table or another materialized view, by catalog name.
struct Source {
  std::string relation;
  std::vector<SourceColumn> columns;
};

/// Keeps the rows on which all predicates are true.
struct Filter {
  std::vector<batch::Expression> predicates;
};

struct Project {
  std::vector<batch::Expression> expressions;
};

/// One output row an element: keeps `kept_columns`, then one column a list. Shorter lists are padded with NULL; a row
/// whose lists are all empty or NULL yields nothing.
struct Unnest {
  std::vector<uint32_t> kept_columns;
  std::vector<uint32_t> list_columns;
};

/// UNION ALL of all inputs (same types).
struct UnionAll {};

enum class AggregateKind : uint8_t {
  kCountStar,
  kCount,
  kSum,
  kMin,
  kMax,
  kAvg,
  kGeneral,
  // Of each different value once:
  kCountDistinct,
  kSumDistinct,
  kAvgDistinct,
  kBoolAnd,
  kBoolOr,
  // Variances, and their roots, of numbers of any kind:
  kVarSamp,
  kVarPop,
  kStddevSamp,
  kStddevPop,
  // The argument in the first or last row by (sort_key, order column):
  kFirst,
  kLast,
  kApproxCountDistinct,  // its argument is the hash of the value
  // The arguments of all rows by (sort_key, order column):
  kList,
  kStringAgg,  // of VARCHAR, with `separator` between
};

struct AggregateCall {
  AggregateKind kind = AggregateKind::kGeneral;
  int32_t argument = -1;  ///< column; -1 for count(*) and for kGeneral
  int32_t filter = -1;    ///< BOOLEAN column of FILTER (WHERE …), or -1
  batch::Type result;
  std::string text;       ///< as the user wrote it, for EXPLAIN
  int32_t sort_key = -1;  ///< kFirst and on: a BLOB column whose bytes compare as an ORDER BY says, or -1
  std::string separator = ",";  ///< kStringAgg
};

/// How the groups of a window of time come to their end.
enum class WindowClose : uint8_t {
  kRows,       ///< the aggregate judges: a row may be late for its window
  kInput,      ///< the same time, but its input has judged already (plan::Session): no row is late
  kWholeStep,  ///< all rows of a group come in one step: it is given then, and forgotten
  kRowsBeside  ///< as kRows, but another aggregate, over the same windows of the same rows, reports those that are late
};

/// Which group column bounds a window of time: its end (exclusive) is the column's value plus `end_offset`.
struct WindowBound {
  uint32_t group_index = 0;  ///< into group_columns
  Duration end_offset;
  Duration allowed_lateness;
  bool emit_on_close = false;
  WindowClose close = WindowClose::kRows;
  /// The call, a maximum, whose result is the window's end instead; -1: none.
  int32_t end_call = -1;
};

/// GROUP BY. Output: the group columns, one column a call.
struct Aggregate {
  std::vector<uint32_t> group_columns;
  std::vector<AggregateCall> calls;
  /// Computes the calls that are kGeneral (in older plans all). Its input is the group number, then `general_columns`.
  batch::Fragment general;
  std::vector<uint32_t> general_columns;
  std::optional<WindowBound> window;
};

/// One row a key: the first by (sort_key, order_column). Output: the input's columns.
struct DistinctOn {
  std::vector<uint32_t> key_columns;
  int32_t sort_key = -1;  ///< a BLOB column whose bytes compare as the ORDER BY says, or -1
};

enum class WindowKind : uint8_t {
  kRowNumber,
  kRank,
  kDenseRank,
  kLead,
  kLag,
  kFirstValue,
  kGeneral,
  // Over the rows from the partition's first one on:
  kLastValue,
  kCountStar,
  kCount,
  kSum,
  kAvg,
  kMin,
  kMax,
  kFirstNotNull,  ///< FramedWindow only
  kLastNotNull    ///< FramedWindow only
};

struct WindowCall {
  WindowKind kind = WindowKind::kGeneral;
  int32_t argument = -1;
  int64_t offset = 1;           ///< kLead, kLag
  int32_t default_column = -1;  ///< kLead, kLag
  bool to_peers = false;        ///< kinds behind kGeneral: up to the last peer of the row, not up to the row itself
  batch::Type result;
  std::string text;
  bool ends_before = false;  ///< running calls of FramedWindow: up to what comes before that row, or before its first peer
};

/// OVER (PARTITION BY … ORDER BY …). All calls share one specification. Output: the input's columns, one column a call,
/// and the hidden columns last.
struct Window {
  std::vector<uint32_t> partition_columns;
  int32_t sort_key = -1;
  std::vector<WindowCall> calls;
  /// Set when some call has no kernel: computes all calls. Its input is the group number, then all input columns.
  batch::Fragment general;
};

/// Which rows of an ordered partition a result depends on, from its own row. What a change can reach follows from it.
struct FrameReach {
  int64_t rows_before = 0;
  int64_t rows_after = 0;
  int64_t peers_before = -1;  ///< so many groups of peers before its own, and its own one; -1: none
  int64_t peers_after = -1;
  /// The rows whose sort key lies between those of two BLOB columns, which grow with the sort key; -1: its own one.
  struct Range {
    int32_t first_key = -1;
    int32_t last_key = -1;
  };
  std::vector<Range> ranges;
  /// The rows up to so many in which a column of the output is not NULL.
  struct Values {
    uint32_t column = 0;
    int64_t before = 0;
    int64_t after = 0;
  };
  std::vector<Values> values;
};

/// A Window whose results are kept with its rows, so that a change is computed from the rows that it reaches alone.
/// Either `window.general` computes all calls of a row from the rows within `reach`; or all calls are running ones
/// (kinds from kCountStar on). Output: the input's columns but those of the ranges, one column a call, the hidden ones.
struct FramedWindow {
  Window window;
  FrameReach reach;
};

/// kMark gives every left row and whether it has partners (BOOLEAN, never NULL), behind left_output.
enum class JoinType : uint8_t { kInner, kLeft, kRight, kFull, kSemi, kAnti, kMark };

/// Output: left_output columns of the left input, then right_output columns of the right. Without keys all rows are
/// brought to one place, and every row meets every row.
struct Join {
  JoinType type = JoinType::kInner;
  std::vector<uint32_t> left_keys;
  std::vector<uint32_t> right_keys;
  std::vector<bool> null_equals_null;       ///< a key: IS NOT DISTINCT FROM instead of =
  std::vector<batch::Expression> residual;  ///< over all left columns, then all right columns
  std::vector<uint32_t> left_output;
  std::vector<uint32_t> right_output;
};

/// A Join of two append-only inputs whose partners lie within a stretch of time of one another, so that the watermark
/// bounds what is kept (docs/adr/0016). The time of a row is its column (TIMESTAMP) plus the side's offset.
struct TimeJoin {
  Join join;  ///< its conditions imply lower <= right time - left time <= upper
  uint32_t left_time = 0;
  uint32_t right_time = 0;
  Duration left_offset, right_offset;
  Duration lower, upper;
  Duration allowed_lateness;
  bool emit_on_close = false;  ///< rows without partner are given when they are final only

  /// How far behind the watermark of its own stream a row may be without being late.
  Duration grace(size_t port) const;
  /// How far behind its inputs' watermark the left times of its output may be.
  Duration delay() const;
};

/// The first rows of each partition: ORDER BY … LIMIT … OFFSET (no partition columns), or rows whose rank is at most a
/// number. Output: the input's columns; with `gives_rank` the rank, BIGINT, behind the visible ones.
struct TopN {
  std::vector<uint32_t> partition_columns;
  int32_t sort_key = -1;
  WindowKind rank = WindowKind::kRowNumber;  ///< what `limit` is about: kRowNumber, kRank or kDenseRank
  int64_t limit = 0;                         ///< the highest rank, `offset` included
  int64_t offset = 0;                        ///< row numbers up to this one are left out; 0 for other ranks
  bool gives_rank = false;
};

enum class SessionBound : uint8_t { kStart, kEnd, kRowEnd /* the row's own time plus the gap */ };

/// Session windows: rows of a partition are in one session while less than `gap` lies between them. Output: the input's
/// visible columns, one TIMESTAMP for each of `bounds`, and the hidden columns last. What is late and when a session is
/// final: docs/adr/0013-session-windows.md.
struct Session {
  std::vector<uint32_t> partition_columns;
  uint32_t time_column = 0;  ///< TIMESTAMP
  Duration gap;
  Duration allowed_lateness;
  bool emit_on_close = false;
  std::vector<SessionBound> bounds;

  /// How far behind a session's end the watermark must be for it to be final.
  Duration grace() const { return Duration{allowed_lateness.micros + (emit_on_close ? 0 : gap.micros)}; }
};

enum class SetKind : uint8_t { kIntersect, kIntersectAll, kExcept, kExceptAll };

/// INTERSECT and EXCEPT of two inputs with the same columns, none of them hidden.
struct SetOperation {
  SetKind kind = SetKind::kIntersect;
};

/// Rows that are there from the view's first step on: VALUES, SELECT without FROM. No inputs; the expressions read no
/// columns.
struct Constant {
  std::vector<batch::Expression> expressions;  ///< row after row, as many a row as the output has columns
  uint32_t rows = 0;
};

/// Each left row with the right row of its key whose sort key is the last that is not greater (strict: that is less);
/// of right rows with the same sort key the one that is last in the log. Sort keys are BLOB columns whose bytes
/// compare; NULL meets nothing. Types: inner, left, semi, anti. Output as Join's.
struct AsofJoin {
  JoinType type = JoinType::kInner;
  std::vector<uint32_t> left_keys;
  std::vector<uint32_t> right_keys;
  std::vector<bool> null_equals_null;
  uint32_t left_sort_key = 0;
  uint32_t right_sort_key = 0;
  bool strict = false;
  std::vector<uint32_t> left_output;
  std::vector<uint32_t> right_output;
};

/// FOR SYSTEM_TIME AS OF the left row's time (docs/adr/0018): each left row with the version of its key that was valid
/// then, the last right row whose time is not later; of those with the same time the one that is last in the log. Given
/// once the watermark has passed the left row's time, and never taken back. Inputs are append-only. Types: inner, left.
/// Output as Join's.
struct TemporalJoin {
  JoinType type = JoinType::kInner;
  std::vector<uint32_t> left_keys;
  std::vector<uint32_t> right_keys;
  std::vector<bool> null_equals_null;
  uint32_t left_time = 0;  ///< TIMESTAMP, as is right_time
  uint32_t right_time = 0;
  int32_t right_deleted = -1;  ///< BOOLEAN: from this version on the key has none; -1: no version says so
  Duration allowed_lateness;
  std::vector<uint32_t> left_output;
  std::vector<uint32_t> right_output;
};

/// FOR SYSTEM_TIME AS OF now(): each left row with the right rows as they are at the end of the step that brings it.
/// What was given is never taken back. The left input is append-only. Types: inner, left.
struct LookupJoin {
  Join join;
};

using Operation = std::variant<Source, Filter, Project, Unnest, UnionAll, Aggregate, DistinctOn, Window, Join, TopN,
                               Session, SetOperation, Constant, AsofJoin, TimeJoin, TemporalJoin, LookupJoin,
                               FramedWindow>;

struct Node {
  OperatorId id;
  Operation operation;
  std::vector<uint32_t> inputs;  ///< indices of nodes before this one
  batch::Schema output;
  int32_t order_column = -1;
  int32_t watermark_column = -1;
  bool append_only = true;  ///< never emits a negative diff
  /// Output columns that identify a row (at most one row a value), or empty when none is known.
  std::vector<uint32_t> key;

  std::string_view kind() const;  ///< "Source", "Filter", …
  bool stateful() const;
};

/// One materialized view. The last node is its result; the view's columns are its first `columns` columns.
struct Plan {
  std::vector<Node> nodes;
  uint32_t columns = 0;
  bool emit_on_window_close = false;

  const Node& root() const { return nodes.back(); }
  batch::Schema schema() const;
  std::vector<std::string> relations() const;  ///< of its sources, each once
  /// All operators are Source, Filter, Project, Unnest and UnionAll.
  bool stateless() const;
};

/// Fails when an expression cannot be written down (batch/expression.h).
Result<std::string> serialize(const Plan& plan);
Result<Plan> deserialize(std::string_view bytes, batch::Session& session);

/// The relation whose positions the order column of a node's rows holds; nothing when there are several, or none.
std::optional<std::string> positions_from(const Plan& plan, uint32_t node);

/// The columns by which rows must be brought together before input `port` of a stateful node; empty = all to one place.
std::vector<uint32_t> exchange_columns(const Node& node, size_t port);

}  // namespace millrace::plan
