// Translator: DuckDB's optimized logical plan → our dataflow plan. Private to sql/.
//
// It walks the tree once, children first. The node made for an operator has the operator's columns first, in order, and
// the hidden columns that somebody above asked for (plan/plan.h) behind them. Keys, arguments and sort keys of stateful
// nodes are computed by a Project below them, built by PreProjection.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "duckdb.hpp"
#include "duckdb/planner/bound_result_modifier.hpp"
#include "duckdb/planner/expression.hpp"
#include "duckdb/planner/logical_operator.hpp"
#include "plan/plan.h"
#include "sql/bind.h"

namespace duckdb {
class BoundAggregateExpression;
class BoundFunctionExpression;
class BoundReferenceExpression;
class BoundWindowExpression;
class LogicalAggregate;
class LogicalAnyJoin;
class LogicalComparisonJoin;
class LogicalDistinct;
class LogicalExpressionGet;
class LogicalFilter;
class LogicalGet;
class LogicalJoin;
class LogicalOrder;
class LogicalProjection;
class LogicalSetOperation;
class LogicalTopN;
class LogicalUnnest;
class LogicalWindow;
}  // namespace duckdb

namespace millrace::sql {

/// Hidden columns that operators above want.
struct Needs {
  bool order = false;
  bool watermark = false;
};

/// Throws BindFailure: "a materialized view cannot keep <what> up to date". `words`: BindFailure::words.
[[noreturn]] void refuse(const std::string& what, const std::string& hint, std::vector<std::string> words);
/// Why a LIMIT that is no top n cannot be kept.
[[noreturn]] void refuse_limit(const duckdb::LogicalLimit& op);
/// Of an operator that has no node.
[[noreturn]] void refuse_operator(const duckdb::LogicalOperator& op);
/// Calls `visit` on every column reference of the expression, itself included.
void for_each_reference(duckdb::Expression& expression,
                        const std::function<void(duckdb::BoundReferenceExpression&)>& visit);

batch::Expression copy_expression(const duckdb::Expression& expression);
duckdb::unique_ptr<duckdb::Expression> reference(uint32_t column, const duckdb::LogicalType& type);

/// At most one row of `right` has the same keys.
bool right_is_unique(const plan::Join& join, const plan::Node& right);

class PreProjection;
struct SessionGroups;
enum class WindowForm : uint8_t;

class Translator {
 public:
  Translator(duckdb::ClientContext& context, const ViewOptions& options) : context_(context), options_(options) {}

  /// Throws BindFailure on what cannot be maintained.
  uint32_t translate(duckdb::LogicalOperator& op, Needs needs);
  /// Fields of structs that have no name, as in row(a, b), are f1, f2 … in what the view shows.
  uint32_t with_named_fields(uint32_t root);
  /// Makes `root` the last node, as a plan wants it.
  void finish(uint32_t root);
  std::vector<plan::Node> take() { return std::move(nodes_); }
  bool has_window_bound() const { return has_window_bound_; }

 private:
  friend class PreProjection;

  uint32_t source(duckdb::LogicalGet& get, Needs needs);
  uint32_t filter(duckdb::LogicalFilter& op, Needs needs);
  uint32_t projection(duckdb::LogicalProjection& op, Needs needs);
  uint32_t unnest(duckdb::LogicalUnnest& op, Needs needs);
  // translate_sets.cpp
  uint32_t set_operation(duckdb::LogicalSetOperation& op, Needs needs);
  uint32_t union_of(std::vector<uint32_t> inputs);
  uint32_t intersect_or_except(duckdb::LogicalSetOperation& op);
  uint32_t values(duckdb::LogicalExpressionGet& op);
  std::optional<uint32_t> list_function(duckdb::LogicalGet& get, Needs needs);
  uint32_t unnested_beside(duckdb::LogicalGet& get, uint32_t input, const duckdb::Expression& list);
  /// The list 1, 2, … as long as `list`: WITH ORDINALITY.
  duckdb::unique_ptr<duckdb::Expression> ordinals_of(const duckdb::Expression& list);
  std::optional<uint32_t> exists(duckdb::LogicalAggregate& op);
  uint32_t constant(uint32_t rows, std::vector<batch::Expression> expressions,
                    const duckdb::vector<duckdb::LogicalType>& types);
  uint32_t aggregate(duckdb::LogicalAggregate& op);
  uint32_t distinct(duckdb::LogicalDistinct& op, Needs needs);
  uint32_t distinct_rows(uint32_t input, size_t columns);
  uint32_t window(duckdb::LogicalWindow& op);
  // translate_session.cpp
  uint32_t session_of_one_spec(const std::vector<const duckdb::BoundWindowExpression*>& calls, uint32_t input,
                               size_t visible_columns, bool ends_by_row);
  /// Of a GROUP BY over session windows whose node, translated last, is `session`.
  std::optional<plan::WindowBound> session_bound(const SessionGroups& groups) const;
  /// Makes the ends of sessions results; gives the places of all columns, in the order of GROUP BY and the calls.
  std::vector<uint32_t> end_as_result(const SessionGroups& groups, plan::Aggregate& aggregate,
                                      const std::vector<uint32_t>& group_columns);
  /// What DuckDB's kinds of joins have in common. `residual` reads the left columns, then the right ones.
  struct JoinParts {
    struct Condition {
      duckdb::unique_ptr<duckdb::Expression> left;
      duckdb::unique_ptr<duckdb::Expression> right;
      duckdb::ExpressionType comparison;
      uint32_t left_column = 0;  ///< where its sides stand once they are computed
      uint32_t right_column = 0;
      bool is_key() const;
      bool can_be_null() const;
    };
    plan::JoinType type = plan::JoinType::kInner;
    /// A left row may have at most one partner: the value of a scalar subquery.
    bool is_single = false;
    std::vector<Condition> conditions;
    std::vector<duckdb::unique_ptr<duckdb::Expression>> residual;
  };
  static JoinParts parts_of(duckdb::LogicalComparisonJoin& op);
  static JoinParts parts_of(duckdb::LogicalAnyJoin& op);
  /// What becomes of a join: a plan::TimeJoin, a plan::LookupJoin, else a plan::Join.
  struct JoinForm {
    std::optional<plan::TimeJoin> bound;
    bool lookup = false;
  };
  uint32_t join(duckdb::LogicalJoin& op, JoinParts parts, Needs needs);
  uint32_t add_join(plan::Join join, uint32_t left, uint32_t right) {
    return add_join(std::move(join), JoinForm{}, Needs{}, left, right);
  }
  // translate_asof.cpp
  uint32_t asof_join(duckdb::LogicalComparisonJoin& op, Needs needs);
  /// FOR SYSTEM_TIME AS OF the left row's time, over rows with versions.
  uint32_t temporal_join(duckdb::LogicalComparisonJoin& op);
  template <typename OnePartner>
  uint32_t add_one_partner_join(duckdb::LogicalComparisonJoin& op, OnePartner join, bool append_only, uint32_t left,
                                uint32_t right, std::pair<size_t, size_t> columns);
  /// Translates the right side of a join FOR SYSTEM_TIME AS OF, whose Source may stand nowhere else.
  uint32_t translate_as_of(duckdb::LogicalOperator& right, Needs needs);
  // translate_subquery.cpp
  /// The distinct values of the columns of `left` that a correlated subquery reads: its LOGICAL_DELIM_GETs.
  uint32_t domain_of(duckdb::LogicalComparisonJoin& op, uint32_t left);
  uint32_t mark_join(duckdb::LogicalJoin& op, plan::Join join, const JoinParts& parts, uint32_t left, uint32_t right,
                     size_t left_columns);
  uint32_t null_marks(const JoinParts& parts, uint32_t right);
  uint32_t single_join(plan::Join join, uint32_t left, uint32_t right);
  uint32_t pairs_with_domain(plan::Join& join, uint32_t left, uint32_t right);
  uint32_t one_row_each(uint32_t input, const std::vector<uint32_t>& groups, const std::vector<uint32_t>& values);
  /// A Project without hidden columns.
  uint32_t only(uint32_t input, std::vector<batch::Expression> expressions, std::vector<std::string> names);
  uint32_t add_join(plan::Join join, JoinForm form, Needs needs, uint32_t left, uint32_t right);
  /// translate_time_join.cpp: what the conditions say about the times of partners, when both sides carry a watermark.
  std::optional<plan::TimeJoin> time_bound(duckdb::LogicalJoin& op, const JoinParts& parts) const;
  /// Whether the expression over the operator's columns is the time that its rows' watermark is about.
  bool carries_watermark(duckdb::LogicalOperator& op, const duckdb::Expression& expression) const;
  uint32_t cross_product(duckdb::LogicalOperator& op, Needs needs);
  // translate_top_n.cpp
  uint32_t top_n(duckdb::LogicalTopN& op);
  /// A filter on a window whose predicates bound a rank: the rows up to it, without looking at the others.
  std::optional<uint32_t> top_n_of_ranks(duckdb::LogicalFilter& op);
  uint32_t ranked(duckdb::LogicalWindow& window, plan::TopN top);
  uint32_t first_rows(plan::DistinctOn distinct, uint32_t input);

  // translate_aggregate.cpp
  /// The groups and calls of a GROUP BY, as columns of a Project that is put below it.
  struct GroupedCalls {
    std::vector<uint32_t> group_columns;
    plan::Aggregate aggregate;  // its calls alone
    std::vector<duckdb::unique_ptr<duckdb::Expression>> general;  // those that have no fast form
  };
  GroupedCalls grouped_calls(duckdb::LogicalAggregate& op, PreProjection& columns, bool append_only);
  uint32_t add_aggregate(plan::Aggregate aggregate, uint32_t input);
  void check_watermark(const std::optional<plan::WindowBound>& bound, uint32_t input) const;
  uint32_t grouping_sets(duckdb::LogicalAggregate& op);
  /// Of each grouping set.
  std::vector<std::optional<plan::WindowBound>> window_bounds(duckdb::LogicalAggregate& op,
                                                              const std::vector<std::vector<uint32_t>>& sets);
  uint32_t as_one_of_sets(const duckdb::LogicalAggregate& op, const std::vector<uint32_t>& set, uint32_t aggregate);
  duckdb::unique_ptr<duckdb::Expression> hash_of(duckdb::unique_ptr<duckdb::Expression> value);
  plan::AggregateCall aggregate_call(const duckdb::BoundAggregateExpression& aggregate, PreProjection& columns,
                                     bool input_append_only);
  void make_general(plan::Aggregate& result, std::vector<duckdb::unique_ptr<duckdb::Expression>> calls, uint32_t input);
  /// `through_join`: the window was made below a join; when null, it is not looked for there.
  std::optional<plan::WindowBound> window_bound(duckdb::LogicalAggregate& op, const std::vector<uint32_t>& groups,
                                                bool* through_join = nullptr);
  /// The node's rows come no later than the watermark of its first Source says, joins that wait apart.
  bool comes_in_time(uint32_t index) const;
  // translate_window.cpp
  uint32_t window_of_one_spec(const std::vector<const duckdb::BoundWindowExpression*>& calls, WindowForm form,
                              uint32_t input, size_t visible);
  plan::WindowCall window_call(const duckdb::BoundWindowExpression& window, PreProjection& columns);
  duckdb::unique_ptr<duckdb::Expression> call_over_columns(const duckdb::BoundWindowExpression& call,
                                                           PreProjection& columns);
  plan::FrameReach frame_reach(const std::vector<const duckdb::BoundWindowExpression*>& calls, PreProjection& columns,
                               int32_t sort_key);

  /// Appends a node and gives it an id. `output` holds visible columns; hidden ones are added from the input by
  /// `carry`.
  uint32_t add(plan::Node node);
  /// Project of these expressions over `input`, hidden columns carried along.
  uint32_t project(uint32_t input, std::vector<batch::Expression> expressions, std::vector<std::string> names);
  /// Keeps the visible columns with these indices, and the hidden ones.
  uint32_t keep(uint32_t input, const std::vector<uint32_t>& columns);
  /// The visible columns alone.
  uint32_t without_hidden(uint32_t input);
  /// Moves hidden columns that stand in the middle, from `first_hidden` on, behind the others.
  uint32_t move_hidden_last(uint32_t input, size_t first_hidden, bool has_order, bool has_watermark);
  /// One BLOB (create_sort_key) whose bytes compare as `orders` say.
  duckdb::unique_ptr<duckdb::Expression> sort_key(const duckdb::vector<duckdb::BoundOrderByNode>& orders);
  /// Number of columns of the node that are not hidden.
  size_t visible(uint32_t node) const;
  plan::Node& node(uint32_t index) { return nodes_[index]; }

  duckdb::ClientContext& context_;
  const ViewOptions& options_;
  std::vector<plan::Node> nodes_;
  std::map<uint64_t, uint32_t> ctes_;  // by table index
  std::vector<uint32_t> domains_;      // of the correlated subqueries that are being translated, outermost first
  bool has_window_bound_ = false;
  /// The session windows whose end column holds each row's own end, because GROUP BY takes the greatest.
  const duckdb::LogicalWindow* ends_by_row_ = nullptr;
  bool in_as_of_ = false;      // the right side of a join FOR SYSTEM_TIME AS OF is being translated
  uint32_t last_session_ = 0;  // the node of the session windows that were translated last
};

/// The columns that a stateful node reads, as a Project to put below it. Starts with all visible columns of the input.
class PreProjection {
 public:
  PreProjection(Translator& translator, uint32_t input);
  /// The index of a column that holds the expression; an equal one is used again.
  uint32_t column(const duckdb::Expression& expression);
  /// The node to read from: the input itself when nothing was added.
  uint32_t finish();
  size_t size() const { return expressions_.size(); }

 private:
  Translator& translator_;
  uint32_t input_;
  size_t given_;
  std::vector<batch::Expression> expressions_;
  std::vector<std::string> names_;
};

}  // namespace millrace::sql
