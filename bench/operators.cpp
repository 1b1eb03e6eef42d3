// Rows a second through each operator on one core: random rows in batches of 2,048, one step of `range(0)` rows, from
// an empty state, finish() included. Items are input rows.
#include <benchmark/benchmark.h>

#include "operator_rows.h"

namespace millrace::dataflow {
namespace {

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

/// range(1) keys.
void aggregate(benchmark::State& state) {
  const plan::Node input = source(state.range(2) != 0);
  auto rows = make_rows(input, static_cast<size_t>(state.range(0)), static_cast<uint64_t>(state.range(1)));
  run(state, aggregate_over(input), {&input}, {{0, &rows}});
}
BENCHMARK(aggregate)
    ->ArgNames({"rows", "keys", "append_only"})
    ->Args({1000000, 1000, 1})
    ->Args({1000000, 500000, 1})
    ->Args({1000000, 1000, 0})
    ->Args({1000000, 500000, 0});

/// range(1) keys.
void distinct_on(benchmark::State& state) {
  const plan::Node input = source(state.range(2) != 0);
  auto rows = make_rows(input, static_cast<size_t>(state.range(0)), static_cast<uint64_t>(state.range(1)));
  run(state, distinct_over(input), {&input}, {{0, &rows}});
}
BENCHMARK(distinct_on)
    ->ArgNames({"rows", "keys", "append_only"})
    ->Args({1000000, 900000, 1})
    ->Args({1000000, 900000, 0});

/// Partitions of range(1) rows.
void window_lead(benchmark::State& state) {
  const plan::Node input = source(true);
  const auto count = static_cast<size_t>(state.range(0));
  auto rows = make_rows(input, count, count / static_cast<uint64_t>(state.range(1)));
  run(state, lead_over(input), {&input}, {{0, &rows}});
}
BENCHMARK(window_lead)->ArgNames({"rows", "partition"})->Args({1000000, 30})->Args({1000000, 8000});

/// Facts that meet a table of range(1) rows by key.
void join_table(benchmark::State& state) {
  const plan::Node input = source(true);
  auto facts = make_rows(input, static_cast<size_t>(state.range(0)), static_cast<uint64_t>(state.range(1)));
  auto table = make_table(input, static_cast<size_t>(state.range(1)));
  const auto type = state.range(2) != 0 ? plan::JoinType::kLeft : plan::JoinType::kInner;
  run(state, join_over(input, type), {&input, &input}, {{1, &table}, {0, &facts}});
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
  auto table = make_table(input, static_cast<size_t>(state.range(1)));
  run(state, join_over(input, plan::JoinType::kInner), {&input, &input}, {{0, &facts}, {1, &table}});
}
BENCHMARK(join_table_last)->ArgNames({"rows", "table"})->Args({1000000, 10000});

void top_n(benchmark::State& state) {
  const plan::Node input = source(false);
  auto rows = make_rows(input, static_cast<size_t>(state.range(0)), 1000);
  run(state, top_ten_over(input, {}), {&input}, {{0, &rows}});
}
BENCHMARK(top_n)->Arg(200000);

/// Hands on to another operator.
class Into final : public Output {
 public:
  Into(Operator& next, Output& out) : next_(next), out_(out) {}
  Status push(const batch::Batch& batch) override { return next_.push(0, batch, out_); }

 private:
  Operator& next_;
  Output& out_;
};

/// Rows of a key and a list of the starts of the windows of 10 s, sliding, that a row is in; 10,000 rows a second.
std::vector<batch::Batch> rows_in_windows(const plan::Node& node, size_t rows, int64_t windows) {
  std::vector<batch::Batch> batches;
  const int64_t slide = 10000000 / windows;
  for (size_t first = 0; first < rows; first += batch::kBatchRows) {
    batch::Batch batch(node.output);
    batch.set_rows(batch::kBatchRows);
    for (size_t row = 0; row < batch::kBatchRows; ++row) {
      const auto time = static_cast<int64_t>(first + row) * 100;
      batch.mutable_column(0).set<int64_t>(row, static_cast<int64_t>(mix64(first + row) % 100));
      batch::MutableColumn lists = batch.mutable_column(1);
      const size_t at = lists.add_list(row, static_cast<size_t>(windows));
      for (int64_t i = 0; i < windows; ++i)
        lists.child().set<int64_t>(at + static_cast<size_t>(i), (time / slide - i) * slide);
    }
    batches.push_back(std::move(batch));
  }
  return batches;
}

/// count(*) by key over windows of 10 s, of which a row is in range(0): what hop() runs. 100 keys, steps of 20 batches.
void hop_count(benchmark::State& state) {
  plan::Node input = source(true);
  input.output = {};
  input.output.fields.push_back({"key", batch::Type(batch::TypeId::kBigint)});
  input.output.fields.push_back({"starts", *batch::Type::parse("TIMESTAMP[]")});
  input.order_column = -1;
  auto rows = rows_in_windows(input, 40 * batch::kBatchRows, state.range(0));
  plan::Node unnested = over(input, plan::Unnest{{0}, {1}}, {0}, {batch::Type(batch::TypeId::kTimestamp)});
  unnested.append_only = true;
  plan::Aggregate aggregate;
  aggregate.group_columns = {0, 1};
  aggregate.calls = {call(plan::AggregateKind::kCountStar, -1, batch::TypeId::kBigint)};
  const plan::Node node = over(unnested, aggregate, {0, 1}, {batch::Type(batch::TypeId::kBigint)});
  NoSide side;
  const OperatorContext context{&session(), &side};
  uint64_t rows_in = 0;
  for (auto _ : state) {
    auto unnest = make_operator(unnested, {&input}, context);
    auto count = make_operator(node, {&unnested}, context);
    Nowhere out;
    Into into(**count, out);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!(*unnest)->push(0, rows[i], into).ok()) state.SkipWithError("push failed");
      if (i % 20 == 19 && !(*count)->finish(out).ok()) state.SkipWithError("finish failed");
      rows_in += rows[i].rows();
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(rows_in));
}
BENCHMARK(hop_count)->ArgName("windows")->Arg(1)->Arg(5)->Arg(100);

}  // namespace
}  // namespace millrace::dataflow
