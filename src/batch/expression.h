// Expression: a bound scalar expression over the columns of a batch. A value that plans hold; immutable, shared.
//
// Made by sql/ from DuckDB's binder, with columns referenced by index. ExpressionRunner evaluates a list of them.
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
class Expression;
}

namespace millrace::batch {

class Expression {
 public:
  Expression() = default;
  /// For sql/: all column references must be BoundReferenceExpressions.
  explicit Expression(std::shared_ptr<const duckdb::Expression> bound);
  /// The column itself.
  static Expression column(uint32_t index, const Type& type, std::string name = {});

  const Type& type() const { return type_; }
  std::string text() const;
  /// The column's index when the expression is just a column, else -1.
  int column_index() const;
  /// Indices of all columns that it reads, ascending, without repeats.
  std::vector<uint32_t> columns_read() const;
  /// True when evaluating it on some row can throw (casts, arithmetic overflow, error()).
  bool can_throw() const;

  /// The same expression over other columns: column i becomes column places[i].
  Expression with_columns(const std::vector<uint32_t>& places) const;

  /// Bytes for the stored plan. Fails for the few functions whose bound state DuckDB cannot write down.
  Result<std::string> serialize() const;
  static Result<Expression> deserialize(std::string_view bytes, Session& session);

  const duckdb::Expression& bound() const { return *bound_; }
  explicit operator bool() const { return bound_ != nullptr; }

 private:
  std::shared_ptr<const duckdb::Expression> bound_;
  Type type_;
};

/// A row whose expression threw, by its index in the input batch.
struct RowError {
  uint32_t row;
  std::string message;
};

/// Evaluates a fixed list of expressions. One thread, one runner.
class ExpressionRunner {
 public:
  ExpressionRunner(Session& session, std::vector<Expression> expressions);
  ~ExpressionRunner();
  ExpressionRunner(ExpressionRunner&&) noexcept;

  /// One output column an expression; diffs are taken over. Rows that throw are left out of the output and appended to
  /// `errors`, ascending (found by bisection, so the fast path costs nothing). The output may alias `input`, never the
  /// runner.
  Batch project(const Batch& input, std::vector<RowError>& errors);
  /// The rows on which all expressions (of type BOOLEAN) are true, evaluated in order: one that an earlier expression
  /// leaves out cannot throw in a later one. The output aliases `input`.
  Batch filter(const Batch& input, std::vector<RowError>& errors);
  /// The indices of those rows, ascending.
  std::vector<uint32_t> passing(const Batch& input, std::vector<RowError>& errors);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::batch
