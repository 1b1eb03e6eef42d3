// What the ledger costs a row: counting runs of offsets, counting scattered rows, merging and taking changes, one core.
#include "ledger/ledger.h"

#include <benchmark/benchmark.h>

#include <random>

namespace millrace::ledger {
namespace {

constexpr StreamId kStream(1);

/// A batch of consecutive offsets passes one hop, as nearly all do.
void count_run(benchmark::State& state) {
  Recorder recorder;
  const auto count = static_cast<uint32_t>(state.range(0));
  int64_t next = 0;
  for (auto _ : state) {
    recorder.add(3, kStream, PartitionId(0), Timestamp{next}, Offset(next), count);
    next += count;
    if (next % (int64_t{count} * 64) == 0) recorder.clear();
  }
  state.SetItemsProcessed(next);
}
BENCHMARK(count_run)->Arg(1)->Arg(64)->Arg(2048);

/// Half of the rows of a batch pass: no runs.
void count_scattered(benchmark::State& state) {
  std::mt19937_64 random(1);
  std::vector<int64_t> offsets;
  for (int64_t offset = 0; static_cast<int64_t>(offsets.size()) < state.range(0); ++offset) {
    if (random() % 2) offsets.push_back(offset);
  }
  Recorder recorder;
  int64_t rows = 0;
  for (auto _ : state) {
    recorder.add_rows(3, kStream, PartitionId(0), Timestamp{0}, offsets);
    rows += state.range(0);
    if (rows % (state.range(0) * 64) == 0) recorder.clear();
  }
  state.SetItemsProcessed(rows);
}
BENCHMARK(count_scattered)->Arg(16)->Arg(1024);

/// The whole of it: four hops, a merge a step of one batch, changes taken every eighth step. Rows are rows × hops.
void four_hops(benchmark::State& state) {
  Ledger ledger;
  const std::array<HopId, 4> hops{ledger.hop("received"), ledger.hop("stored"), ledger.hop("decoded"),
                                  ledger.hop("view:v")};
  ledger.link(kStream, "plays", {"received", "stored", {}});
  ledger.link(kStream, "plays", {"stored", "decoded", {"dead"}});
  ledger.link(kStream, "plays", {"decoded", "view:v", {}});
  Recorder recorder;
  const auto count = static_cast<uint32_t>(state.range(0));
  int64_t next = 0;
  int64_t step = 0;
  size_t bytes = 0;
  for (auto _ : state) {
    for (const HopId hop : hops)
      recorder.add(hop, kStream, PartitionId(0), Timestamp{step * 1000}, Offset(next), count);
    next += count;
    ledger.merge(recorder);
    if (++step % 8 == 0) bytes += ledger.take_changes().size();
  }
  state.SetItemsProcessed(next * 4);
  state.counters["bytes_a_commit"] = static_cast<double>(bytes) * 8 / static_cast<double>(std::max<int64_t>(step, 8));
}
BENCHMARK(four_hops)->Arg(1)->Arg(64)->Arg(2048)->Arg(16384);

}  // namespace
}  // namespace millrace::ledger
