// What batch/ costs: encoding and decoding rows, expressions, selections, fragments. `bench_batch` prints rows/s.
#include <benchmark/benchmark.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <duckdb.hpp>
#include <duckdb/execution/column_binding_resolver.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/planner.hpp>

#include "batch/expression.h"
#include "batch/fragment.h"
#include "batch/row_codec.h"

namespace {

using namespace millrace::batch;

Batch integers(size_t columns) {
  std::vector<Type> types(columns, Type(TypeId::kBigint));
  Batch batch(types);
  for (size_t c = 0; c < columns; ++c) {
    MutableColumn column = batch.mutable_column(c);
    for (size_t row = 0; row < kBatchRows; ++row) column.set<int64_t>(row, static_cast<int64_t>(row * 7919 + c));
  }
  batch.set_rows(kBatchRows);
  return batch;
}

/// (VARCHAR of 22 bytes, INTEGER), a session id and a sequence number.
Batch text_keys() {
  std::vector<Type> types{Type(TypeId::kVarchar), Type(TypeId::kInteger)};
  Batch batch(types);
  MutableColumn text = batch.mutable_column(0);
  MutableColumn number = batch.mutable_column(1);
  for (size_t row = 0; row < kBatchRows; ++row) {
    std::string value = "session-00000000000000";
    std::string digits = std::to_string(row * 7919);
    value.replace(value.size() - digits.size(), digits.size(), digits);
    text.set_string(row, value);
    number.set<int32_t>(row, static_cast<int32_t>(row));
  }
  batch.set_rows(kBatchRows);
  return batch;
}

void encode(benchmark::State& state, const Batch& batch) {
  RowCodec codec(batch.types());
  RowBuffer buffer;
  for (auto _ : state) {
    codec.encode(batch, buffer);
    benchmark::DoNotOptimize(buffer.hashes_.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch.rows()));
}

void decode(benchmark::State& state, const Batch& batch, size_t at_once) {
  RowCodec codec(batch.types());
  RowBuffer buffer;
  codec.encode(batch, buffer);
  std::vector<std::string_view> rows;
  for (size_t row = 0; row < buffer.rows(); ++row) rows.push_back(buffer.row(row));
  Batch target(batch.types());
  for (auto _ : state) {
    target.reset();
    for (size_t first = 0; first < rows.size(); first += at_once) {
      auto status = codec.decode_rows(std::span(rows).subspan(first, at_once), target, first);
      if (!status.ok()) throw std::runtime_error(status.error().message);
    }
    benchmark::DoNotOptimize(target.column(0).data_);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch.rows()));
}

void BM_EncodeThreeIntegers(benchmark::State& state) { encode(state, integers(3)); }
void BM_EncodeTextAndInteger(benchmark::State& state) { encode(state, text_keys()); }
void BM_DecodeThreeIntegers(benchmark::State& state) { decode(state, integers(3), kBatchRows); }
void BM_DecodeTextAndInteger(benchmark::State& state) { decode(state, text_keys(), kBatchRows); }
void BM_DecodeTextAndIntegerOneByOne(benchmark::State& state) { decode(state, text_keys(), 1); }
BENCHMARK(BM_EncodeThreeIntegers);
BENCHMARK(BM_EncodeTextAndInteger);
BENCHMARK(BM_DecodeThreeIntegers);
BENCHMARK(BM_DecodeTextAndInteger);
BENCHMARK(BM_DecodeTextAndIntegerOneByOne);

void BM_NewBatch(benchmark::State& state) {
  Batch like = integers(6);
  for (auto _ : state) {
    Batch batch(like.types());
    benchmark::DoNotOptimize(batch.mutable_column(0).values<int64_t>());
  }
}
BENCHMARK(BM_NewBatch);

void BM_CloneText(benchmark::State& state) {
  Batch batch = text_keys();
  for (auto _ : state) benchmark::DoNotOptimize(batch.clone().rows());
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch.rows()));
}
BENCHMARK(BM_CloneText);

void BM_SelectHalf(benchmark::State& state) {
  Batch batch = integers(6);
  std::vector<uint32_t> half;
  for (uint32_t row = 0; row < kBatchRows; row += 2) half.push_back(row);
  for (auto _ : state) benchmark::DoNotOptimize(batch.select(half).rows());
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch.rows()));
}
BENCHMARK(BM_SelectHalf);

void BM_ColumnView(benchmark::State& state) {
  Batch batch = integers(1);
  for (auto _ : state) benchmark::DoNotOptimize(batch.column(0));
}
BENCHMARK(BM_ColumnView);

/// Expressions of operator `wanted` in the plan of `sql`, over a table whose columns are all read, in order.
std::vector<std::shared_ptr<const duckdb::Expression>> bound_by(Session& session, const std::string& sql,
                                                                duckdb::LogicalOperatorType wanted) {
  std::vector<std::shared_ptr<const duckdb::Expression>> result;
  session.context().RunFunctionInTransaction([&] {
    duckdb::Parser parser;
    parser.ParseQuery(sql);
    duckdb::Planner planner(session.context());
    planner.CreatePlan(std::move(parser.statements[0]));
    planner.plan->ResolveOperatorTypes();
    duckdb::ColumnBindingResolver resolver;
    resolver.VisitOperator(*planner.plan);
    duckdb::LogicalOperator* at = planner.plan.get();
    while (at->type != wanted) at = at->children[0].get();
    for (auto& expression : at->expressions) result.emplace_back(expression.release());
  });
  return result;
}

struct Database {
  Database() : instance(std::move(SqlInstance::open({})).value()), session(*instance) {
    session.connection().Query("CREATE TABLE t (g BIGINT, x BIGINT, y BIGINT)");
    session.connection().Query("CREATE TABLE texts (s VARCHAR, n INTEGER)");
  }
  std::unique_ptr<SqlInstance> instance;
  Session session;
};

void project(benchmark::State& state, const std::string& sql, const Batch& batch) {
  Database database;
  std::vector<Expression> expressions;
  for (auto& bound : bound_by(database.session, sql, duckdb::LogicalOperatorType::LOGICAL_PROJECTION)) {
    expressions.emplace_back(std::move(bound));
  }
  ExpressionRunner runner(database.session, std::move(expressions));
  std::vector<RowError> errors;
  for (auto _ : state) benchmark::DoNotOptimize(runner.project(batch, errors).rows());
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch.rows()));
}

void BM_ProjectColumns(benchmark::State& state) { project(state, "SELECT g, x, y FROM t", integers(3)); }
void BM_ProjectSum(benchmark::State& state) { project(state, "SELECT g, x + 1, y FROM t", integers(3)); }
void BM_ProjectLower(benchmark::State& state) { project(state, "SELECT upper(s), n FROM texts", text_keys()); }
BENCHMARK(BM_ProjectColumns);
BENCHMARK(BM_ProjectSum);
BENCHMARK(BM_ProjectLower);

void BM_Filter(benchmark::State& state) {
  Database database;
  auto bound = bound_by(database.session, "SELECT g % 2 = 0 FROM t", duckdb::LogicalOperatorType::LOGICAL_PROJECTION);
  ExpressionRunner runner(database.session, {Expression(bound[0])});
  Batch batch = integers(3);
  std::vector<RowError> errors;
  for (auto _ : state) benchmark::DoNotOptimize(runner.filter(batch, errors).rows());
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch.rows()));
}
BENCHMARK(BM_Filter);

std::vector<Batch> groups(int64_t row_count, int64_t group_count) {
  BatchBuilder builder(std::vector<Type>(3, Type(TypeId::kBigint)));
  for (int64_t row = 0; row < row_count; ++row) {
    Batch& batch = builder.current();
    batch.mutable_column(0).set<int64_t>(builder.row(), row % group_count);
    batch.mutable_column(1).set<int64_t>(builder.row(), row * 7919 % 1000);
    batch.mutable_column(2).set<int64_t>(builder.row(), row * 104729 % 1000003);
    builder.finish_row(1);
  }
  return builder.take();
}

void run(benchmark::State& state, const Fragment& fragment, Database& database) {
  std::vector<Batch> input = groups(state.range(0), state.range(1));
  for (auto _ : state) {
    auto result = run_fragment(database.session, fragment, input);
    if (!result.ok()) throw std::runtime_error(result.error().message);
    benchmark::DoNotOptimize(result->size());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void aggregate(benchmark::State& state, const std::string& calls) {
  Database database;
  auto bound = bound_by(database.session, "SELECT " + calls + " FROM t GROUP BY g",
                        duckdb::LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY);
  run(state, Fragment(FragmentKind::kAggregate, std::vector<Type>(3, Type(TypeId::kBigint)), std::move(bound)),
      database);
}

void BM_FragmentSum(benchmark::State& state) { aggregate(state, "sum(x), max(y)"); }
void BM_FragmentSortedList(benchmark::State& state) { aggregate(state, "list(x ORDER BY y)"); }
void BM_FragmentWindow(benchmark::State& state) {
  Database database;
  auto bound = bound_by(database.session, "SELECT g, x, sum(x) OVER (ORDER BY y ROWS 3 PRECEDING) FROM t",
                        duckdb::LogicalOperatorType::LOGICAL_WINDOW);
  run(state, Fragment(FragmentKind::kWindow, std::vector<Type>(3, Type(TypeId::kBigint)), std::move(bound)), database);
}
BENCHMARK(BM_FragmentSum)->Args({1, 1})->Args({1000, 100})->Args({100000, 10000})->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_FragmentSortedList)->Args({1, 1})->Args({1000, 100})->Args({100000, 10000})->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_FragmentWindow)->Args({1, 1})->Args({1000, 100})->Args({100000, 10000})->Unit(benchmark::kMicrosecond);

}  // namespace
