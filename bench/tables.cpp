// Keyed state in memory: finds and inserts a second in a ValueTable, adds a second in a BagTable, one core. `partial`:
// of a table that knows of entries beyond memory, though all that are asked for are in it.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/hash.h"
#include "state/table.h"

namespace millrace::state {
namespace {

std::string key_of(uint64_t number) {
  std::string key(9, '\1');
  std::memcpy(key.data() + 1, &number, sizeof number);
  return key;
}

struct Keys {
  std::vector<std::string> keys;
  std::vector<uint64_t> hashes;
  explicit Keys(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      keys.push_back(key_of(mix64(i)));
      hashes.push_back(hash_bytes(keys.back()));
    }
  }
};

struct NothingStored final : StoredEntries {
  bool find_key(uint64_t, std::string_view, std::string&) override { return false; }
  void find_prefix(uint64_t, std::string_view, const std::function<void(const Entry&)>&) override {}
  void for_each(const std::function<bool(const Entry&)>&) override {}
  bool empty() override { return false; }
};

void value_table_find(benchmark::State& state, bool partial) {
  const Keys keys(static_cast<size_t>(state.range(0)));
  ValueTable table;
  table.attach(std::make_unique<NothingStored>(), !partial);
  for (size_t i = 0; i < keys.keys.size(); ++i) table.find_or_insert(keys.hashes[i], keys.keys[i], 24);
  // Walks the keys in another order than the one they came in, as a batch does: prefetch ahead, then find.
  std::vector<uint32_t> order(keys.keys.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>((i * 7919) % order.size());
  constexpr size_t kAhead = 16;
  for (auto _ : state) {
    uint64_t found = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i + kAhead < order.size()) table.prefetch(keys.hashes[order[i + kAhead]]);
      if (i + kAhead / 2 < order.size()) table.prefetch_entry(keys.hashes[order[i + kAhead / 2]]);
      found += table.find(keys.hashes[order[i]], keys.keys[order[i]]).length;
    }
    benchmark::DoNotOptimize(found);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(value_table_find, whole, false)->Arg(1000)->Arg(1000000);
BENCHMARK_CAPTURE(value_table_find, partial, true)->Arg(1000)->Arg(1000000);

void value_table_insert(benchmark::State& state) {
  const Keys keys(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    ValueTable table;
    for (size_t i = 0; i < keys.keys.size(); ++i) table.find_or_insert(keys.hashes[i], keys.keys[i], 24);
    benchmark::DoNotOptimize(table.entries());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(value_table_insert)->Arg(1000000);

/// Groups of `range(1)` rows, filled in turn.
void bag_table_add(benchmark::State& state) {
  const size_t rows = static_cast<size_t>(state.range(0));
  const size_t groups = rows / static_cast<size_t>(state.range(1));
  const Keys keys(groups);
  const Keys row_keys(rows);
  for (auto _ : state) {
    BagTable table;
    for (size_t i = 0; i < rows; ++i) {
      const size_t group = i % groups;
      table.add(table.find_or_insert(keys.hashes[group], keys.keys[group]), row_keys.hashes[i], row_keys.keys[i], 1);
    }
    benchmark::DoNotOptimize(table.entries());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(bag_table_add)->Args({1000000, 1})->Args({1000000, 30})->Args({1000000, 100000});

}  // namespace
}  // namespace millrace::state
