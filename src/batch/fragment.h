// Fragment: one relational operator (GROUP BY, OVER …) as DuckDB bound it, to be run over rows that we hold. This is
// the general form of an operator: the rows of the touched groups go in, DuckDB computes, the new results come out.
//
// Column 0 of a fragment's input is always the group number (BIGINT): the caller numbers the groups that it touches,
// and the fragment groups or partitions by that number alone. Its output has the group number in column 0 too.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/batch.h"
#include "batch/instance.h"

namespace duckdb {
class LogicalOperator;
class Expression;
}  // namespace duckdb

namespace millrace::batch {

enum class FragmentKind : uint8_t {
  kAggregate,  ///< out: group number, one column an expression
  kWindow,     ///< out: all input columns, one column an expression
};

class Fragment {
 public:
  Fragment() = default;
  /// For sql/: `expressions` are BoundAggregateExpressions (kAggregate) or BoundWindowExpressions with no PARTITION BY
  /// (kWindow), whose columns are BoundReferenceExpressions into `input_types` (column 0 = group number).
  Fragment(FragmentKind kind, std::vector<Type> input_types,
           std::vector<std::shared_ptr<const duckdb::Expression>> expressions);

  FragmentKind kind() const { return kind_; }
  std::span<const Type> input_types() const { return input_types_; }
  std::span<const Type> output_types() const { return output_types_; }
  std::string text() const;

  Result<std::string> serialize() const;
  static Result<Fragment> deserialize(std::string_view bytes, Session& session);

  std::span<const std::shared_ptr<const duckdb::Expression>> expressions() const { return expressions_; }
  explicit operator bool() const { return !expressions_.empty(); }

 private:
  FragmentKind kind_ = FragmentKind::kAggregate;
  std::vector<Type> input_types_;
  std::vector<Type> output_types_;
  std::vector<std::shared_ptr<const duckdb::Expression>> expressions_;
};

/// Runs fragments: one query for all groups together (0.15 to 0.45 ms before the first row: once a step, never once a
/// group). An aggregate over no rows at all gives one row: group number 0 and what the calls give over nothing. Fails
/// with the message DuckDB gives, e.g. an overflow in sum(); the caller then halves its groups to find the one.
Result<std::vector<Batch>> run_fragment(Session& session, const Fragment& fragment, std::span<const Batch> input);

}  // namespace millrace::batch
