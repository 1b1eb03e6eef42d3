#include <numeric>

#include <duckdb/common/types/data_chunk.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/planner/expression.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>

#include "batch/duckdb_error.h"
#include "batch/expression.h"

namespace millrace::batch {

namespace {

std::unique_ptr<duckdb::DataChunk> bare_chunk(const std::vector<Type>& types, size_t rows) {
  auto chunk = std::make_unique<duckdb::DataChunk>();
  chunk->data.reserve(types.size());
  for (const Type& type : types) chunk->data.emplace_back(type.duckdb_type(), nullptr);
  chunk->SetCapacity(kBatchRows);
  chunk->SetCardinality(rows);
  return chunk;
}

bool is_column_of(const duckdb::Vector& vector, const duckdb::DataChunk& chunk) {
  for (const duckdb::Vector& column : chunk.data) {
    if (column.GetData() == vector.GetData()) return true;
  }
  return false;
}

/// An expression's result can point into the executor's intermediate buffers (a cast that changes nothing, a struct of
/// computed fields), which the next run overwrites: such a result is copied. `own` is where a result of its own lies.
void detach(duckdb::Vector& result, duckdb::data_ptr_t own, const duckdb::DataChunk& input, bool nested) {
  const bool constant = result.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
  const bool flat = result.GetVectorType() == duckdb::VectorType::FLAT_VECTOR;
  if (!nested && (flat || constant) && (result.GetData() == own || is_column_of(result, input))) return;
  const size_t rows = constant ? 1 : input.size();
  duckdb::Vector copy(result.GetType(), duckdb::idx_t(kBatchRows));
  duckdb::VectorOperations::Copy(result, copy, rows, 0, 0);
  if (constant) copy.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  result.Reference(copy);
}

/// TRY writes NULL for a row that fails into its argument's result, whose validity DuckDB lets be that of an input
/// column. So each reference below a TRY gets a copy of its column, behind the others.
class OwnInputs {
 public:
  /// Points the references at copies; `columns`: of the input.
  void give(duckdb::Expression& expression, size_t columns, bool below_try = false) {
    below_try = below_try || expression.GetExpressionType() == duckdb::ExpressionType::OPERATOR_TRY;
    if (below_try && expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF) {
      auto& reference = expression.Cast<duckdb::BoundReferenceExpression>();
      copied_.push_back(reference.index);
      reference.index = columns + copied_.size() - 1;
    }
    duckdb::ExpressionIterator::EnumerateChildren(expression, [&](duckdb::unique_ptr<duckdb::Expression>& child) {
      give(*child, columns, below_try);
    });
  }

  /// The input with the copies: itself when there are none.
  duckdb::DataChunk& extend(duckdb::DataChunk& input) {
    if (copied_.empty()) return input;
    extended_ = std::make_unique<duckdb::DataChunk>();
    for (duckdb::Vector& column : input.data) {
      extended_->data.emplace_back(column.GetType(), nullptr);
      extended_->data.back().Reference(column);
    }
    for (duckdb::idx_t index : copied_) {
      duckdb::Vector copy(input.data[index].GetType(), duckdb::idx_t(kBatchRows));
      duckdb::VectorOperations::Copy(input.data[index], copy, input.size(), 0, 0);
      extended_->data.emplace_back(copy.GetType(), nullptr);
      extended_->data.back().Reference(copy);
    }
    extended_->SetCapacity(kBatchRows);
    extended_->SetCardinality(input.size());
    return *extended_;
  }

 private:
  std::vector<duckdb::idx_t> copied_;
  std::unique_ptr<duckdb::DataChunk> extended_;
};

bool has_try(const duckdb::Expression& expression) {
  bool found = expression.GetExpressionType() == duckdb::ExpressionType::OPERATOR_TRY;
  duckdb::ExpressionIterator::EnumerateChildren(
      expression, [&](const duckdb::Expression& child) { found = found || has_try(child); });
  return found;
}

}  // namespace

struct ExpressionRunner::State {
  State(duckdb::ClientContext& context, std::vector<Expression> list);

  duckdb::ClientContext& context;
  duckdb::DataChunk& source_of(const Batch& input);
  /// Evaluates all expressions; throws what DuckDB throws.
  Batch project(const Batch& input);
  /// Indices of the rows that pass; throws what DuckDB throws.
  std::vector<uint32_t> passing(const Batch& input);
  /// Calls `attempt` on ever smaller parts of `rows` until it does not throw, or a part is one row: that row's error is
  /// kept.
  template <typename Attempt>
  static void bisect(std::span<const uint32_t> rows, const Attempt& attempt, std::vector<RowError>& errors);

  std::vector<Expression> expressions;
  std::vector<int> columns;  ///< the column that the expression just is, or -1
  OwnInputs own_inputs;
  bool has_try = false;                                          ///< until the first input, then own_inputs has it
  std::vector<duckdb::unique_ptr<duckdb::Expression>> with_own;  ///< what runs in place of an expression with TRY
  std::shared_ptr<const std::vector<Type>> types;
  /// One an expression, none for plain columns. (SelectExpression wants an executor of its own for each predicate.)
  std::vector<std::unique_ptr<duckdb::ExpressionExecutor>> executors;
  duckdb::SelectionVector selections[2];
};

ExpressionRunner::State::State(duckdb::ClientContext& of, std::vector<Expression> list)
    : context(of), expressions(std::move(list)) {
  std::vector<Type> output;
  for (const Expression& expression : expressions) {
    output.push_back(expression.type());
    columns.push_back(expression.column_index());
    has_try = has_try || batch::has_try(expression.bound());
    executors.push_back(std::make_unique<duckdb::ExpressionExecutor>(of, expression.bound()));
  }
  types = std::make_shared<const std::vector<Type>>(std::move(output));
  for (auto& selection : selections) selection.Initialize(kBatchRows);
}

duckdb::DataChunk& ExpressionRunner::State::source_of(const Batch& input) {
  // DuckDB's executor takes its input as not const, and but for TRY only reads it.
  auto& chunk = const_cast<duckdb::DataChunk&>(input.chunk());
  if (has_try) {
    has_try = false;
    for (size_t i = 0; i < expressions.size(); ++i) {
      if (!batch::has_try(expressions[i].bound())) continue;
      with_own.push_back(expressions[i].bound().Copy());
      own_inputs.give(*with_own.back(), chunk.ColumnCount());
      executors[i] = std::make_unique<duckdb::ExpressionExecutor>(context, *with_own.back());
    }
  }
  return own_inputs.extend(chunk);
}

Batch ExpressionRunner::State::project(const Batch& input) {
  duckdb::DataChunk& source = source_of(input);
  auto chunk = bare_chunk(*types, input.rows());
  for (size_t i = 0; i < expressions.size(); ++i) {
    if (columns[i] >= 0) {
      chunk->data[i].Reference(source.data[static_cast<size_t>(columns[i])]);
      continue;
    }
    duckdb::Vector result((*types)[i].duckdb_type(), duckdb::idx_t(kBatchRows));
    duckdb::data_ptr_t own = result.GetData();
    executors[i]->SetChunk(&source);
    executors[i]->ExecuteExpression(0, result);
    detach(result, own, source, (*types)[i].is_nested());
    chunk->data[i].Reference(result);
  }
  Batch output = Batch::adopt(std::move(chunk), types);
  output.set_diffs({input.diffs().begin(), input.diffs().end()});
  output.retain_all_of(input);
  return output;
}

std::vector<uint32_t> ExpressionRunner::State::passing(const Batch& input) {
  duckdb::DataChunk& source = source_of(input);
  size_t count = input.rows();
  duckdb::SelectionVector* current = nullptr;
  for (size_t i = 0; i < executors.size() && count > 0; ++i) {
    duckdb::SelectionVector& next = selections[i % 2];
    count = executors[i]->SelectExpression(source, next, current, count);
    current = &next;
  }
  std::vector<uint32_t> rows(count);
  for (size_t i = 0; i < count; ++i) rows[i] = current ? current->get_index(i) : static_cast<uint32_t>(i);
  return rows;
}

template <typename Attempt>
void ExpressionRunner::State::bisect(std::span<const uint32_t> rows, const Attempt& attempt,
                                     std::vector<RowError>& errors) {
  if (rows.empty()) return;
  try {
    attempt(rows);
    return;
  } catch (const std::exception& exception) {
    if (rows.size() == 1) {
      errors.push_back({rows[0], message_from(exception)});
      return;
    }
  }
  const size_t half = rows.size() / 2;
  bisect(rows.first(half), attempt, errors);
  bisect(rows.subspan(half), attempt, errors);
}

namespace {

std::vector<uint32_t> all_rows(size_t count) {
  std::vector<uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

}  // namespace

ExpressionRunner::ExpressionRunner(Session& session, std::vector<Expression> expressions)
    : state_(std::make_unique<State>(session.context(), std::move(expressions))) {}
ExpressionRunner::~ExpressionRunner() = default;
ExpressionRunner::ExpressionRunner(ExpressionRunner&&) noexcept = default;

Batch ExpressionRunner::project(const Batch& input, std::vector<RowError>& errors) {
  try {
    return state_->project(input);
  } catch (const std::exception&) {
    // Some row is to blame: found below, where the parts without one are gathered as copies.
  }
  Batch output(*state_->types);
  auto attempt = [&](std::span<const uint32_t> rows) {
    Batch part = state_->project(input.select(rows));
    output.append(part, 0, part.rows());
  };
  State::bisect(all_rows(input.rows()), attempt, errors);
  return output;
}

std::vector<uint32_t> ExpressionRunner::passing(const Batch& input, std::vector<RowError>& errors) {
  std::vector<uint32_t> passing;
  try {
    passing = state_->passing(input);
  } catch (const std::exception&) {
    auto attempt = [&](std::span<const uint32_t> rows) {
      for (uint32_t row : state_->passing(input.select(rows))) passing.push_back(rows[row]);
    };
    State::bisect(all_rows(input.rows()), attempt, errors);
  }
  return passing;
}

Batch ExpressionRunner::filter(const Batch& input, std::vector<RowError>& errors) {
  std::vector<uint32_t> rows = passing(input, errors);
  return rows.size() == input.rows() ? input.share() : input.select(rows);
}

}  // namespace millrace::batch
