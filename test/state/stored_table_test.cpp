// Tables over a store against plain maps: random changes, checkpoints, evictions, other numbers of workers, reopened
// stores. And what lookups may cost: blocks read.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <string>

#include "base/hash.h"
#include "base/real_env.h"
#include "state/block.h"
#include "state/run_filter.h"
#include "state/store.h"

namespace millrace::state {
namespace {

constexpr TableId kTable{OperatorId(1), 0};

using Model = std::map<std::string, std::string>;
using BagModel = std::map<std::string, std::map<std::string, int64_t>>;

/// A store on the machine's disk and the tables of some workers over it.
template <typename AnyTable>
class Shards {
 public:
  explicit Shards(uint32_t runs_max) : runs_max_(runs_max) { open(1); }
  ~Shards() {
    tables_.clear();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open(uint32_t workers) {
    tables_.clear();
    store_.reset();
    auto opened = Store::open(env_, directory_, {.block_cache_bytes = 256 << 10, .runs_max = runs_max_});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    store_ = std::move(opened).value();
    for (uint32_t i = 0; i < workers; ++i) {
      const NodeRange range{(i * kVirtualNodes + workers - 1) / workers,
                            ((i + 1) * kVirtualNodes + workers - 1) / workers};
      auto stored = store_->entries_of(kTable, range);
      const bool complete = stored->empty();
      tables_.push_back(std::make_unique<AnyTable>());
      tables_.back()->attach(std::move(stored), complete);
    }
  }
  AnyTable& of(uint64_t hash) { return *tables_[virtual_node_of(hash).value * tables_.size() / kVirtualNodes]; }
  void checkpoint() {
    std::vector<TableRef> refs;
    for (uint32_t i = 0; i < tables_.size(); ++i) refs.push_back({kTable, tables_[i].get(), i});
    auto stats = store_->checkpoint("note", refs, pool_);
    ASSERT_TRUE(stats.ok()) << stats.error().message;
  }
  size_t evict(size_t bytes) {
    size_t evicted = 0;
    for (auto& table : tables_) evicted += table->evict(bytes);
    return evicted;
  }
  size_t resident() const {
    size_t entries = 0;
    for (const auto& table : tables_) entries += table->entries();
    return entries;
  }
  std::vector<std::unique_ptr<AnyTable>>& tables() { return tables_; }
  Store& store() { return *store_; }

 private:
  RealEnv env_;
  const std::string directory_ = ::testing::TempDir() + "/millrace_stored_" + std::to_string(env_.random().next());
  const uint32_t runs_max_;
  ThreadPool pool_{2, false};
  std::unique_ptr<Store> store_;
  std::vector<std::unique_ptr<AnyTable>> tables_;
};

std::string random_text(std::mt19937_64& random, size_t length_max) {
  std::string text(random() % (length_max + 1), 'a');
  for (char& c : text) c = static_cast<char>('a' + random() % 3);
  return text;
}

uint64_t bad_hash(std::string_view key, uint64_t values) { return mix64(hash_bytes(key) % values); }

/// What happens between changes: checkpoints, evictions, restarts with another number of workers.
template <typename AnyTable>
void disturb(Shards<AnyTable>& shards, std::mt19937_64& random) {
  switch (random() % 4) {
    case 0: shards.checkpoint(); break;
    case 1: shards.evict(1 + random() % 20000); break;
    case 2:
      shards.checkpoint();
      shards.evict(1 << 30);
      shards.evict(1 << 30);
      EXPECT_EQ(shards.resident(), 0U);
      break;
    default:
      shards.checkpoint();
      shards.open(static_cast<uint32_t>(1 + random() % 3));
      EXPECT_EQ(shards.resident(), 0U);
  }
}

void change(ValueTable& table, uint64_t hash, const std::string& key, Model& model, std::mt19937_64& random) {
  switch (random() % 4) {
    case 0: {
      const std::string value = random_text(random, 90) + "x";
      table.put(hash, key, value);
      model[key] = value;
      break;
    }
    case 1: ASSERT_EQ(table.erase(hash, key), model.erase(key) == 1); break;
    case 2: {
      const ValueTable::Slot slot = table.find(hash, key);
      ASSERT_EQ(static_cast<bool>(slot), model.count(key) == 1) << key;
      if (!slot) break;
      ASSERT_EQ(slot.view(), model[key]);
      slot.value[0] = 'z';
      model[key][0] = 'z';
      table.mark_dirty(slot);
      break;
    }
    default: {
      const ValueTable::Slot slot = table.find_or_insert(hash, key, 8);
      ASSERT_EQ(slot.inserted, model.count(key) == 0);
      if (slot.inserted) model[key] = std::string(8, '\0');
      ASSERT_EQ(slot.view(), model[key]);
    }
  }
}

TEST(StoredValueTable, BehavesLikeAMapWhateverIsEvicted) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    std::mt19937_64 random(seed);
    Shards<ValueTable> shards(seed % 2 == 0 ? 2 : 8);
    Model model;
    const uint64_t hashes = seed % 3 == 0 ? 7 : 1000000;
    for (int operation = 0; operation < 3000; ++operation) {
      const std::string key = random_text(random, 6);
      const uint64_t hash = bad_hash(key, hashes);
      ASSERT_NO_FATAL_FAILURE(change(shards.of(hash), hash, key, model, random)) << "seed " << seed;
      if (random() % 100 == 0) disturb(shards, random);
      if (operation % 1000 != 999) continue;
      Model found;
      for (auto& table : shards.tables()) {
        table->for_each([&](const Entry& entry) {
          EXPECT_FALSE(entry.deleted);
          EXPECT_TRUE(found.emplace(entry.key, entry.payload).second) << "given twice: " << entry.key;
        });
      }
      ASSERT_EQ(found, model) << "seed " << seed << ", operation " << operation;
    }
    ASSERT_TRUE(shards.store().status().ok());
  }
}

void change(BagTable& table, uint64_t hash, const std::string& key, BagModel& model, std::mt19937_64& random) {
  if (random() % 200 == 0) {
    const BagTable::Group group = table.find(hash, key);
    ASSERT_TRUE(group != BagTable::kNone || model.count(key) == 0);
    if (group != BagTable::kNone) table.clear_group(group);
    model.erase(key);
    return;
  }
  const std::string row = random_text(random, 4);
  const BagTable::Group group = table.find_or_insert(hash, key);
  ASSERT_EQ(table.rows(group), model[key].size());
  int64_t& count = model[key][row];
  const int64_t diff = static_cast<int64_t>(random() % 5) - 2;
  count += diff;
  ASSERT_EQ(table.add(group, hash_bytes(row), row, diff), count);
  if (count == 0) model[key].erase(row);
  std::map<std::string, int64_t> rows;
  table.for_each_row(group, [&](std::string_view bytes, int64_t count) { rows.emplace(bytes, count); });
  ASSERT_EQ(rows, model[key]);
  if (model[key].empty()) model.erase(key);
}

BagModel contents(Shards<BagTable>& shards) {
  BagModel found, keys;
  for (auto& table : shards.tables()) {
    table->for_each([&](const Entry& entry) {
      const size_t length = static_cast<uint8_t>(entry.key[0]);
      auto& rows = found[std::string(entry.key.substr(1, length))];
      const auto zigzag = static_cast<uint8_t>(entry.payload[0]);
      const int64_t low = (zigzag & 0x7f) >> 1;  // counts are small here: one byte
      EXPECT_TRUE(rows.emplace(entry.key.substr(1 + length), zigzag & 1 ? -low - 1 : low).second);
    });
    table->for_each_group_key([&](uint64_t, std::string_view key) {
      EXPECT_TRUE(keys.emplace(key, std::map<std::string, int64_t>()).second) << "given twice: " << key;
      return true;
    });
  }
  EXPECT_EQ(keys.size(), found.size());
  return found;
}

TEST(StoredBagTable, BehavesLikeMapsWhateverIsEvicted) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    std::mt19937_64 random(seed);
    Shards<BagTable> shards(seed % 2 == 0 ? 2 : 8);
    BagModel model;
    const uint64_t hashes = seed % 3 == 0 ? 7 : 1000000;
    for (int operation = 0; operation < 3000; ++operation) {
      const std::string key = random_text(random, 3);
      const uint64_t hash = bad_hash(key, hashes);
      ASSERT_NO_FATAL_FAILURE(change(shards.of(hash), hash, key, model, random)) << "seed " << seed;
      if (random() % 100 == 0) {
        for (auto& table : shards.tables()) table->release_empty();
        disturb(shards, random);
      }
      if (operation % 1000 == 999) {
        ASSERT_EQ(contents(shards), model) << "seed " << seed << ", operation " << operation;
      }
    }
    ASSERT_TRUE(shards.store().status().ok());
  }
}

std::string key_of(uint64_t number) { return "key " + std::to_string(number); }

void fill(Shards<ValueTable>& shards, uint64_t from, uint64_t to) {
  for (uint64_t i = from; i < to; ++i) {
    const std::string key = key_of(i);
    shards.of(hash_bytes(key)).put(hash_bytes(key), key, std::string(100, 'v'));
  }
}

TEST(StoredValueTable, AStartReadsNoBlockAndALookupOne) {
  Shards<ValueTable> shards(8);
  fill(shards, 0, 100000);
  shards.checkpoint();
  shards.open(2);
  EXPECT_EQ(shards.store().blocks_read(), 0U);
  const std::string key = key_of(4711);
  ASSERT_TRUE(shards.of(hash_bytes(key)).find(hash_bytes(key), key));
  EXPECT_EQ(shards.store().blocks_read(), 1U);
  for (uint64_t i = 100000; i < 110000; ++i) {
    ASSERT_FALSE(shards.of(hash_bytes(key_of(i))).find(hash_bytes(key_of(i)), key_of(i)));
  }
  EXPECT_LT(shards.store().blocks_read(), 400U) << "keys that are nowhere must seldom read";
  EXPECT_EQ(shards.resident(), 1U);
}

TEST(StoredValueTable, EvictionTakesWhatWasNotUsedAndNothingDirty) {
  Shards<ValueTable> shards(8);
  fill(shards, 0, 10000);
  shards.evict(1 << 30);
  EXPECT_EQ(shards.resident(), 10000U) << "nothing of it is in a checkpoint";
  shards.checkpoint();
  fill(shards, 0, 100);
  EXPECT_GT(shards.evict(200000), 190000U);
  EXPECT_LT(shards.resident(), 9000U);
  shards.evict(1 << 30);
  EXPECT_EQ(shards.resident(), 100U);
  shards.checkpoint();
  shards.evict(1 << 30);
  EXPECT_EQ(shards.resident(), 0U);
}

TEST(StoredValueTable, ATableThatHoldsEverythingAsksNobody) {
  Shards<ValueTable> shards(8);
  fill(shards, 0, 1000);
  shards.checkpoint();
  EXPECT_FALSE(shards.tables()[0]->partial());
  EXPECT_FALSE(shards.tables()[0]->find(hash_bytes("nowhere"), "nowhere"));
  EXPECT_EQ(shards.store().blocks_read(), 0U);
  shards.evict(1000);
  EXPECT_TRUE(shards.tables()[0]->partial());
}

TEST(StoredValueTable, WhatIsLentToTheBlockCacheIsReadOnce) {
  Shards<ValueTable> shards(8);
  fill(shards, 0, 50000);  // some 6 MB, of which the cache of its own holds a thirtieth
  shards.checkpoint();
  shards.open(1);
  const auto read_all = [&] {
    const uint64_t before = shards.store().blocks_read();
    for (uint64_t i = 0; i < 50000; ++i) {
      EXPECT_TRUE(shards.of(hash_bytes(key_of(i))).find(hash_bytes(key_of(i)), key_of(i)));
    }
    shards.evict(1 << 30);
    shards.evict(1 << 30);
    EXPECT_EQ(shards.resident(), 0U);
    return shards.store().blocks_read() - before;
  };
  shards.store().lend_to_block_cache(32 << 20);
  const uint64_t blocks = read_all();
  EXPECT_GT(blocks, 500U);
  EXPECT_LT(blocks, 1500U);
  EXPECT_EQ(read_all(), 0U);
  shards.store().lend_to_block_cache(0);
  EXPECT_GT(read_all(), 20000U);
}

TEST(RunFilter, NeverDeniesWhatIsThereAndSeldomAffirmsWhatIsNot) {
  std::mt19937_64 random(5);
  std::vector<uint64_t> hashes(20000);
  for (uint64_t& hash : hashes) hash = random();
  std::sort(hashes.begin(), hashes.end());
  BlockWriter writer;
  for (const uint64_t hash : hashes) writer.add({hash, "key", "payload", false});
  const std::vector<std::string> blocks = writer.finish();
  auto filter = RunFilter::decode(RunFilter::of_blocks(blocks).encode());
  ASSERT_TRUE(filter.ok());
  EXPECT_LT(filter->memory_bytes(), 20000U * 10 / 8 + 1000);
  for (size_t i = 0; i < hashes.size(); ++i) {
    ASSERT_TRUE(filter->may_have(hashes[i]));
    const auto [first, last] = filter->blocks_of(hashes[i]);
    bool found = false;
    for (uint32_t block = first; block < last; ++block) {
      auto opened = IndexedBlock::open(blocks[block]);
      ASSERT_TRUE(opened.ok());
      const size_t at = (*opened)->lower_bound(hashes[i]);
      found |= at < (*opened)->size() && (*opened)->hash(at) == hashes[i];
    }
    ASSERT_TRUE(found);
    ASSERT_LE(last - first, 2U);
    if (i % 100 != 0) i += 36;  // opening a block each time takes long
  }
  int wrong = 0;
  for (int i = 0; i < 20000; ++i) wrong += filter->may_have(random()) ? 1 : 0;
  EXPECT_LT(wrong, 600);
  std::string bytes = filter->encode();
  for (size_t i = 0; i < bytes.size(); i += 97) {
    std::string broken = bytes;
    broken[i] = static_cast<char>(broken[i] ^ 4);
    EXPECT_FALSE(RunFilter::decode(broken).ok());
  }
}

}  // namespace
}  // namespace millrace::state
