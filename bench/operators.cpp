// Rows a second through each operator on one core: random rows in batches of 2,048, one step of `range(0)` rows, from
// an empty state, finish() included. Items are input rows.
#include <benchmark/benchmark.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "dataflow/operator.h"

namespace millrace::dataflow {
namespace {

class Nowhere final : public Output {
 public:
  Status push(const batch::Batch& batch) override {
    rows += batch.rows();
    return {};
  }
  uint64_t rows = 0;
};

class NoSide final : public SideOutput {
 public:
  void row_failed(OperatorId, std::string_view, const batch::Batch&, size_t, batch::int128, std::string_view) override {
  }
  void row_late(OperatorId, size_t, const batch::Batch&, size_t, batch::int128) override {}
};

batch::Session& session() {
  static auto instance = batch::SqlInstance::open({});
  static batch::Session made(**instance);
  return made;
}

plan::Node source(bool append_only) {
  plan::Node node;
  node.operation = plan::Source{};
  const std::pair<const char*, batch::TypeId> columns[] = {
      {"key", batch::TypeId::kBigint},    {"session", batch::TypeId::kVarchar}, {"value", batch::TypeId::kBigint},
      {"state", batch::TypeId::kVarchar}, {"sort", batch::TypeId::kBlob},       {"order", batch::TypeId::kHugeint}};
  for (const auto& [name, id] : columns) node.output.fields.push_back({name, batch::Type(id)});
  node.append_only = append_only;
  node.order_column = 5;
  return node;
}

/// `keys` different keys, spread over the rows; the session is a text of the key.
std::vector<batch::Batch> make_rows(const plan::Node& node, size_t rows, uint64_t keys) {
  std::vector<batch::Batch> batches;
  for (size_t first = 0; first < rows; first += batch::kBatchRows) {
    const size_t count = std::min(batch::kBatchRows, rows - first);
    batch::Batch batch(node.output);
    batch.set_rows(count);
    for (size_t row = 0; row < count; ++row) {
      const uint64_t random = mix64(first + row + 1);
      const uint64_t key = random % keys;
      batch.mutable_column(0).set<int64_t>(row, static_cast<int64_t>(key));
      batch.mutable_column(1).set_string(row, "session-" + std::to_string(1000000000 + key));
      batch.mutable_column(2).set<int64_t>(row, static_cast<int64_t>(random >> 40));
      batch.mutable_column(3).set_string(row, random & 256 ? "playing" : "paused");
      char sort[9] = {1};
      const uint64_t big = __builtin_bswap64(first + row);
      std::memcpy(sort + 1, &big, sizeof big);
      batch.mutable_column(4).set_string(row, {sort, sizeof sort});
      batch.mutable_column(5).set<batch::int128>(row, static_cast<batch::int128>(first + row) << 64);
    }
    batches.push_back(std::move(batch));
  }
  return batches;
}

plan::Node over(const plan::Node& input, plan::Operation operation, const std::vector<uint32_t>& columns,
                const std::vector<batch::Type>& results = {}) {
  plan::Node node;
  node.id = OperatorId(1);
  node.operation = std::move(operation);
  for (uint32_t column : columns) node.output.fields.push_back(input.output[column]);
  for (const batch::Type& type : results) node.output.fields.push_back({"result", type});
  node.append_only = false;
  return node;
}

void run(benchmark::State& state, const plan::Node& node, std::vector<const plan::Node*> inputs,
         const std::vector<std::pair<size_t, std::vector<batch::Batch>*>>& feeds) {
  NoSide side;
  uint64_t rows_in = 0, rows_out = 0;
  for (auto _ : state) {
    auto op = make_operator(node, inputs, OperatorContext{&session(), &side});
    Nowhere out;
    for (const auto& [port, batches] : feeds) {
      for (const batch::Batch& batch : *batches) {
        if (!(*op)->push(port, batch, out).ok()) state.SkipWithError("push failed");
        rows_in += batch.rows();
      }
    }
    if (!(*op)->finish(out).ok()) state.SkipWithError("finish failed");
    rows_out += out.rows;
    state.PauseTiming();
    op->reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<int64_t>(rows_in));
  state.counters["rows_out"] = static_cast<double>(rows_out) / static_cast<double>(state.iterations());
}

plan::AggregateCall call(plan::AggregateKind kind, int32_t argument, batch::TypeId result) {
  plan::AggregateCall made;
  made.kind = kind;
  made.argument = argument;
  made.result = batch::Type(result);
  return made;
}

/// count(*), sum, max by a BIGINT key; range(1) keys.
void aggregate(benchmark::State& state) {
  const plan::Node input = source(state.range(2) != 0);
  auto rows = make_rows(input, static_cast<size_t>(state.range(0)), static_cast<uint64_t>(state.range(1)));
  plan::Aggregate aggregate;
  aggregate.group_columns = {0};
  aggregate.calls = {call(plan::AggregateKind::kCountStar, -1, batch::TypeId::kBigint),
                     call(plan::AggregateKind::kSum, 2, batch::TypeId::kHugeint),
                     call(plan::AggregateKind::kMax, 2, batch::TypeId::kBigint)};
  const plan::Node node = over(
      input, aggregate, {0},
      {batch::Type(batch::TypeId::kBigint), batch::Type(batch::TypeId::kHugeint), batch::Type(batch::TypeId::kBigint)});
  run(state, node, {&input}, {{0, &rows}});
}
BENCHMARK(aggregate)
    ->ArgNames({"rows", "keys", "append_only"})
    ->Args({1000000, 1000, 1})
    ->Args({1000000, 500000, 1})
    ->Args({1000000, 1000, 0})
    ->Args({1000000, 500000, 0});

/// DISTINCT ON (session, value); range(1) keys.
void distinct_on(benchmark::State& state) {
  const plan::Node input = source(state.range(2) != 0);
  auto rows = make_rows(input, static_cast<size_t>(state.range(0)), static_cast<uint64_t>(state.range(1)));
  plan::DistinctOn distinct;
  distinct.key_columns = {1};
  const plan::Node node = over(input, distinct, {0, 1, 2, 3, 4, 5});
  run(state, node, {&input}, {{0, &rows}});
}
BENCHMARK(distinct_on)
    ->ArgNames({"rows", "keys", "append_only"})
    ->Args({1000000, 900000, 1})
    ->Args({1000000, 900000, 0});

/// lead(value) OVER (PARTITION BY session ORDER BY sort) over partitions of range(1) rows.
void window_lead(benchmark::State& state) {
  const plan::Node input = source(true);
  const auto count = static_cast<size_t>(state.range(0));
  auto rows = make_rows(input, count, count / static_cast<uint64_t>(state.range(1)));
  plan::Window window;
  window.partition_columns = {1};
  window.sort_key = 4;
  plan::WindowCall lead;
  lead.kind = plan::WindowKind::kLead;
  lead.argument = 2;
  lead.result = batch::Type(batch::TypeId::kBigint);
  window.calls = {lead};
  plan::Node node = over(input, window, {0, 1, 2, 3, 4}, {lead.result});
  node.output.fields.push_back(input.output[5]);
  node.order_column = 6;
  run(state, node, {&input}, {{0, &rows}});
}
BENCHMARK(window_lead)->ArgNames({"rows", "partition"})->Args({1000000, 30})->Args({1000000, 8000});

/// Facts that meet a table of range(1) rows by key.
void join_table(benchmark::State& state) {
  const plan::Node input = source(true);
  auto facts = make_rows(input, static_cast<size_t>(state.range(0)), static_cast<uint64_t>(state.range(1)));
  auto table = make_rows(input, static_cast<size_t>(state.range(1)), UINT64_MAX);
  int64_t key = 0;
  for (batch::Batch& batch : table) {
    for (size_t row = 0; row < batch.rows(); ++row) batch.mutable_column(0).set<int64_t>(row, key++);
  }
  plan::Join join;
  join.type = state.range(2) != 0 ? plan::JoinType::kLeft : plan::JoinType::kInner;
  join.left_keys = {0};
  join.right_keys = {0};
  join.null_equals_null = {false};
  join.left_output = {0, 2};
  join.right_output = {1};
  plan::Node node = over(input, join, {0, 2, 1});
  run(state, node, {&input, &input}, {{1, &table}, {0, &facts}});
}
BENCHMARK(join_table)
    ->ArgNames({"rows", "table", "left"})
    ->Args({1000000, 10000, 0})
    ->Args({1000000, 10000, 1})
    ->Args({1000000, 500000, 0});

/// A table of range(1) rows that comes after the facts.
void join_table_last(benchmark::State& state) {
  const plan::Node input = source(true);
  auto facts = make_rows(input, static_cast<size_t>(state.range(0)), static_cast<uint64_t>(state.range(1)));
  auto table = make_rows(input, static_cast<size_t>(state.range(1)), UINT64_MAX);
  int64_t key = 0;
  for (batch::Batch& batch : table) {
    for (size_t row = 0; row < batch.rows(); ++row) batch.mutable_column(0).set<int64_t>(row, key++);
  }
  plan::Join join;
  join.left_keys = {0};
  join.right_keys = {0};
  join.null_equals_null = {false};
  join.left_output = {0, 2};
  join.right_output = {1};
  plan::Node node = over(input, join, {0, 2, 1});
  run(state, node, {&input, &input}, {{0, &facts}, {1, &table}});
}
BENCHMARK(join_table_last)->ArgNames({"rows", "table"})->Args({1000000, 10000});

void top_n(benchmark::State& state) {
  const plan::Node input = source(false);
  auto rows = make_rows(input, static_cast<size_t>(state.range(0)), 1000);
  plan::TopN top;
  top.sort_key = 4;
  top.limit = 10;
  run(state, over(input, top, {0, 1, 2, 3, 4, 5}), {&input}, {{0, &rows}});
}
BENCHMARK(top_n)->Arg(200000);

}  // namespace
}  // namespace millrace::dataflow
