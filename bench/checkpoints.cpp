// Checkpoints, restores and lookups of 100-byte entries on this machine's disk: rows a second, and CPU a row.
#include <benchmark/benchmark.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "base/hash.h"
#include "base/real_env.h"
#include "state/store.h"

namespace millrace::state {
namespace {

constexpr TableId kTable{OperatorId(1), 0};

struct Disk {
  RealEnv env;
  std::string directory =
      std::filesystem::temp_directory_path() / ("millrace_bench_" + std::to_string(env.random().next()));
  std::unique_ptr<Store> store = Store::open(env, directory, {}).value();
  ThreadPool pool{1, false};
  ~Disk() {
    store.reset();
    std::filesystem::remove_all(directory);
  }
};

void touch(ValueTable& table, uint64_t number, uint64_t round) {
  char key[16] = {};
  char value[84] = {};
  std::memcpy(key, &number, sizeof number);
  std::memcpy(value, &round, sizeof round);
  const uint64_t noise = mix64(number + round);
  std::memcpy(value + 8, &noise, sizeof noise);
  const std::string_view bytes(key, sizeof key);
  table.put(hash_bytes(bytes), bytes, {value, sizeof value});
}

/// A table of a million entries, of which so many random ones change before each checkpoint.
void checkpoint(benchmark::State& state) {
  Disk disk;
  ValueTable table;
  for (uint64_t i = 0; i < 1'000'000; ++i) touch(table, i, 0);
  (void)disk.store->checkpoint("", {{kTable, &table}}, disk.pool).ok();
  uint64_t round = 1;
  uint64_t bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (int64_t i = 0; i < state.range(0); ++i)
      touch(table, mix64(round * 1'000'003 + static_cast<uint64_t>(i)) % 1'000'000, round);
    ++round;
    state.ResumeTiming();
    auto stats = disk.store->checkpoint("note", {{kTable, &table}}, disk.pool);
    if (!stats.ok()) return state.SkipWithError(stats.error().message.c_str());
    bytes += stats->bytes;
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}
BENCHMARK(checkpoint)
    ->Arg(20)
    ->Arg(1000)
    ->Arg(100'000)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

void restore(benchmark::State& state) {
  Disk disk;
  {
    ValueTable table;
    for (uint64_t i = 0; i < 1'000'000; ++i) touch(table, i, 0);
    (void)disk.store->checkpoint("", {{kTable, &table}}, disk.pool).ok();
    for (int64_t run = 1; run < state.range(0); ++run) {
      for (uint64_t i = 0; i < 50'000; ++i) touch(table, mix64(i + static_cast<uint64_t>(run) * 7919) % 1'000'000, 1);
      (void)disk.store->checkpoint("", {{kTable, &table}}, disk.pool).ok();
    }
  }
  int64_t entries = 0;
  for (auto _ : state) {
    const Status status = disk.store->restore(kTable, [&](const Entry& entry) -> Status {
      benchmark::DoNotOptimize(entry.payload.data());
      ++entries;
      return {};
    });
    if (!status.ok()) return state.SkipWithError(status.error().message.c_str());
  }
  state.SetItemsProcessed(entries);
}
BENCHMARK(restore)->Arg(1)->Arg(8)->Unit(benchmark::kMillisecond);

/// Random keys of a table that holds a tenth of its entries: a lookup of nine in ten reads a block, but for those that
/// the cache of blocks holds.
void find_evicted(benchmark::State& state) {
  Disk disk;
  ValueTable table;
  for (uint64_t i = 0; i < 1'000'000; ++i) touch(table, i, 0);
  (void)disk.store->checkpoint("", {{kTable, &table}}, disk.pool).ok();
  table.attach(disk.store->entries_of(kTable, {}), true);
  const size_t whole = table.memory_bytes();
  uint64_t found = 0, next = 0;
  for (auto _ : state) {
    state.PauseTiming();
    table.evict(table.memory_bytes() - whole / 10);
    state.ResumeTiming();
    for (int i = 0; i < 10'000; ++i) {
      char key[16] = {};
      const uint64_t number = mix64(next++) % 1'000'000;
      std::memcpy(key, &number, sizeof number);
      const std::string_view bytes(key, sizeof key);
      found += table.find(hash_bytes(bytes), bytes).length;
    }
  }
  if (found != next * 84) return state.SkipWithError("a lookup found nothing");
  state.SetItemsProcessed(static_cast<int64_t>(next));
  state.counters["blocks_a_lookup"] = static_cast<double>(disk.store->blocks_read()) / static_cast<double>(next);
}
BENCHMARK(find_evicted)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();

}  // namespace
}  // namespace millrace::state
