#include "batch/binding.h"

#include <duckdb.hpp>
#include <duckdb/execution/column_binding_resolver.hpp>
#include <duckdb/main/appender.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>
#include <duckdb/planner/expression/bound_window_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/planner/planner.hpp>

#include <algorithm>
#include <stdexcept>

namespace millrace::batch {

namespace {

using duckdb::LogicalOperatorType;

/// Positions in the scan's output become positions in the table.
void use_table_positions(duckdb::Expression& expression, const duckdb::LogicalGet& get) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF) {
    auto& reference = expression.Cast<duckdb::BoundReferenceExpression>();
    reference.index = get.GetColumnIds()[reference.index].GetPrimaryIndex();
  }
  duckdb::ExpressionIterator::EnumerateChildren(
      expression, [&](duckdb::unique_ptr<duckdb::Expression>& child) { use_table_positions(*child, get); });
}

std::vector<std::shared_ptr<const duckdb::Expression>> list_of(duckdb::ClientContext& context, const std::string& sql,
                                                               LogicalOperatorType wanted) {
  duckdb::Parser parser;
  parser.ParseQuery(sql);
  duckdb::Planner planner(context);
  planner.CreatePlan(std::move(parser.statements[0]));
  planner.plan->ResolveOperatorTypes();
  duckdb::ColumnBindingResolver resolver;
  resolver.VisitOperator(*planner.plan);

  duckdb::LogicalOperator* at = planner.plan.get();
  duckdb::LogicalOperator* found = nullptr;
  while (at->type != LogicalOperatorType::LOGICAL_GET) {
    if (at->type == wanted) found = at;
    at = at->children[0].get();
  }
  if (!found) throw std::runtime_error("no such operator in: " + sql);
  std::vector<std::shared_ptr<const duckdb::Expression>> list;
  for (auto& expression : found->expressions) {
    use_table_positions(*expression, at->Cast<duckdb::LogicalGet>());
    if (wanted == LogicalOperatorType::LOGICAL_WINDOW)
      expression->Cast<duckdb::BoundWindowExpression>().partitions.clear();
    list.emplace_back(expression.release());
  }
  return list;
}

}  // namespace

BindingDatabase::BindingDatabase(const std::string& columns) {
  auto opened = SqlInstance::open({});
  if (!opened.ok()) throw std::runtime_error(opened.error().message);
  instance_ = std::move(opened).value();
  session_ = std::make_unique<Session>(*instance_);
  query("CREATE TABLE t (" + columns + ")");
  auto result = session_->connection().Query("SELECT * FROM t");
  for (const auto& type : result->types) types_.emplace_back(type);
}

std::vector<Expression> BindingDatabase::expressions(const std::string& list) {
  std::vector<Expression> result;
  session_->context().RunFunctionInTransaction([&] {
    for (auto& bound :
         list_of(session_->context(), "SELECT " + list + " FROM t", LogicalOperatorType::LOGICAL_PROJECTION)) {
      result.emplace_back(std::move(bound));
    }
  });
  return result;
}

std::vector<std::shared_ptr<const duckdb::Expression>> BindingDatabase::bound(const std::string& sql,
                                                                              FragmentKind kind) {
  std::vector<std::shared_ptr<const duckdb::Expression>> result;
  session_->context().RunFunctionInTransaction([&] {
    result = list_of(session_->context(), sql,
                     kind == FragmentKind::kAggregate ? LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY
                                                      : LogicalOperatorType::LOGICAL_WINDOW);
  });
  return result;
}

Fragment BindingDatabase::aggregate(const std::string& list) {
  return Fragment(FragmentKind::kAggregate, types_,
                  bound("SELECT g, " + list + " FROM t GROUP BY g", FragmentKind::kAggregate));
}

Fragment BindingDatabase::window(const std::string& list) {
  return Fragment(FragmentKind::kWindow, types_, bound("SELECT " + list + " FROM t", FragmentKind::kWindow));
}

std::vector<std::string> BindingDatabase::query(const std::string& sql) {
  auto result = session_->connection().Query(sql);
  if (result->HasError()) throw std::runtime_error(result->GetError());
  std::vector<std::string> rows;
  while (auto chunk = result->Fetch()) {
    if (chunk->size() == 0) break;
    Batch batch = Batch::adopt(std::unique_ptr<duckdb::DataChunk>(chunk.release()));
    for (size_t row = 0; row < batch.rows(); ++row) rows.push_back(batch.row_text(row));
  }
  return rows;
}

void BindingDatabase::load(std::span<const Batch> batches) {
  query("DELETE FROM t");
  duckdb::Appender appender(session_->connection(), "t");
  for (const Batch& batch : batches) appender.AppendDataChunk(const_cast<duckdb::DataChunk&>(batch.chunk()));
  appender.Close();
}

std::vector<Batch> BindingDatabase::rows(const std::string& values) {
  query("DELETE FROM t");
  query("INSERT INTO t " + values);
  auto result = session_->connection().Query("SELECT * FROM t");
  std::vector<Batch> batches;
  while (auto chunk = result->Fetch()) {
    if (chunk->size() == 0) break;
    batches.push_back(Batch::adopt(std::unique_ptr<duckdb::DataChunk>(chunk.release())));
  }
  query("DELETE FROM t");
  return batches;
}

std::vector<std::string> sorted_rows(std::span<const Batch> batches) {
  std::vector<std::string> rows;
  for (const Batch& batch : batches) {
    for (size_t row = 0; row < batch.rows(); ++row) rows.push_back(batch.row_text(row));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace millrace::batch
