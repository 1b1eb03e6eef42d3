// The tables against plain std::map models: random operations, checkpoints and restores.
#include "state/table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "base/hash.h"

namespace millrace::state {
namespace {

using Model = std::map<std::string, std::string>;
using BagModel = std::map<std::string, std::map<std::string, int64_t>>;

// Plays what a store does with the changes of a checkpoint.
class Disk {
 public:
  void checkpoint(Table& table) {
    std::map<std::string, int> seen;
    table.for_each_dirty([&](const Entry& entry) {
      const std::string key(entry.key);
      EXPECT_EQ(++seen[key], 1) << "an entry is twice in the dirty list";
      EXPECT_EQ(entry.deleted, entry.payload.empty());
      if (entry.deleted) {
        EXPECT_EQ(entries_.erase(key), 1U) << "a tombstone for what the last checkpoint does not hold";
      } else {
        entries_[key] = {entry.hash, std::string(entry.payload)};
      }
    });
    EXPECT_TRUE(!seen.empty() || table.dirty_bytes() == 0);
    table.clear_dirty();
    EXPECT_EQ(table.dirty_bytes(), 0U);
    table.for_each_dirty([](const Entry&) { ADD_FAILURE() << "dirty after clear_dirty"; });
  }
  void restore(Table& table) const {
    for (const auto& [key, entry] : entries_) {
      ASSERT_TRUE(table.restore(Entry{entry.first, key, entry.second, false}).ok());
    }
    table.for_each_dirty([](const Entry&) { ADD_FAILURE() << "dirty after restore"; });
  }

 private:
  std::map<std::string, std::pair<uint64_t, std::string>> entries_;
};

// Few hash values, so that collisions of whole hashes are common.
uint64_t bad_hash(std::string_view key, uint64_t values) { return mix64(hash_bytes(key) % values); }

std::string random_text(std::mt19937_64& random, size_t length_max) {
  std::string text(random() % (length_max + 1), 'a');
  for (char& c : text) c = static_cast<char>('a' + random() % 3);
  return text;
}

Model contents(const Table& table) {
  Model found;
  table.for_each([&](const Entry& entry) { EXPECT_TRUE(found.emplace(entry.key, entry.payload).second); });
  return found;
}

void mutate(ValueTable& table, Model& model, std::mt19937_64& random, uint64_t hashes) {
  const std::string key = random_text(random, 6);
  const uint64_t hash = bad_hash(key, hashes);
  switch (random() % 4) {
    case 0: {
      const std::string value = random_text(random, 90) + "x";
      table.put(hash, key, value);
      model[key] = value;
      break;
    }
    case 1: EXPECT_EQ(table.erase(hash, key), model.erase(key) == 1); break;
    case 2: {
      const ValueTable::Slot slot = table.find(hash, key);
      ASSERT_EQ(static_cast<bool>(slot), model.count(key) == 1);
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

TEST(ValueTable, BehavesLikeAMapThroughCheckpointsAndRestores) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    ValueTable table;
    Model model;
    Disk disk;
    const uint64_t hashes = seed % 3 == 0 ? 7 : 1000000;
    for (int operation = 0; operation < 3000; ++operation) {
      ASSERT_NO_FATAL_FAILURE(mutate(table, model, random, hashes)) << "seed " << seed;
      if (random() % 200 == 0) disk.checkpoint(table);
    }
    ASSERT_EQ(contents(table), model) << "seed " << seed;
    ASSERT_EQ(table.entries(), model.size());
    disk.checkpoint(table);
    ValueTable restored;
    disk.restore(restored);
    ASSERT_EQ(contents(restored), model) << "seed " << seed;
    // A restored table goes on like the first: what is taken away now needs a tombstone.
    for (int operation = 0; operation < 500; ++operation) mutate(restored, model, random, hashes);
    disk.checkpoint(restored);
    ValueTable again;
    disk.restore(again);
    ASSERT_EQ(contents(again), model) << "seed " << seed;
  }
}

TEST(ValueTable, ScanStopsAndCountsWhatItRead) {
  ValueTable table;
  for (int i = 0; i < 100; ++i) {
    const std::string key = std::to_string(i);
    table.put(hash_bytes(key), key, "v");
  }
  table.rows_read = 0;
  int visited = 0;
  table.scan([&](uint64_t, std::string_view, std::string_view) { return ++visited < 10; });
  EXPECT_EQ(visited, 10);
  EXPECT_EQ(table.rows_read, 10U);
  EXPECT_TRUE(table.find(hash_bytes("5"), "5"));
  EXPECT_FALSE(table.find(hash_bytes("500"), "500"));
  EXPECT_EQ(table.rows_read, 11U);
}

TEST(ValueTable, AShortLifeLeavesNoTrace) {
  ValueTable table;
  table.put(1, "key", "value");
  EXPECT_TRUE(table.erase(1, "key"));
  EXPECT_EQ(table.dirty_bytes(), 0U);
  table.for_each_dirty([](const Entry&) { ADD_FAILURE(); });
}

TEST(ValueTable, GivesMemoryBackForReuse) {
  ValueTable table;
  size_t after_first = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 1000; ++i) {
      const std::string key = "key" + std::to_string(i);
      table.put(hash_bytes(key), key, std::string(static_cast<size_t>(20 + i % 700), 'v'));
    }
    for (int i = 0; i < 1000; ++i) {
      const std::string key = "key" + std::to_string(i);
      table.erase(hash_bytes(key), key);
    }
    if (round == 0) after_first = table.memory_bytes();
  }
  EXPECT_LE(table.memory_bytes(), after_first);
}

TEST(ValueTable, ALargeTableFindsAllItsKeys) {
  constexpr int kKeys = 700000;  // beyond the sizes that ask for huge pages
  ValueTable table;
  for (int i = 0; i < kKeys; ++i) {
    const std::string key = std::to_string(i);
    table.put(hash_bytes(key), key, key);
  }
  for (int i = 0; i < kKeys; i += 3) {
    const std::string key = std::to_string(i);
    ASSERT_TRUE(table.erase(hash_bytes(key), key));
  }
  for (int i = 0; i < kKeys; ++i) {
    const std::string key = std::to_string(i);
    const ValueTable::Slot slot = table.find(hash_bytes(key), key);
    ASSERT_EQ(static_cast<bool>(slot), i % 3 != 0) << key;
    if (slot) {
      ASSERT_EQ(slot.view(), key);
    }
  }
}

TEST(BagTable, ManyGroupsKeepTheirRows) {
  constexpr int kGroups = 300000;
  BagTable table;
  for (int i = 0; i < 2 * kGroups; ++i) {
    const std::string key = std::to_string(i % kGroups), row = "row " + std::to_string(i);
    table.add(table.find_or_insert(hash_bytes(key), key), hash_bytes(row), row, 1);
  }
  ASSERT_EQ(table.groups(), static_cast<size_t>(kGroups));
  for (int i = 0; i < kGroups; ++i) {
    const std::string key = std::to_string(i);
    const BagTable::Group group = table.find(hash_bytes(key), key);
    ASSERT_NE(group, BagTable::kNone);
    ASSERT_EQ(table.rows(group), 2U);
    table.for_each_row(
        group, [&](std::string_view row, int64_t) { ASSERT_EQ(std::stoi(std::string(row.substr(4))) % kGroups, i); });
  }
}

TEST(ValueTable, HoldsLargeValues) {
  ValueTable table;
  std::string value(3 << 20, 'a');
  table.put(7, "k", value);
  value.resize(5 << 20, 'b');
  table.put(7, "k", value);
  EXPECT_EQ(table.find(7, "k").view(), value);
  EXPECT_TRUE(table.erase(7, "k"));
  EXPECT_LT(table.memory_bytes(), 1000U);
}

BagModel contents(BagTable& table) {
  BagModel found;
  table.for_each_group([&](BagTable::Group group) {
    auto& rows = found[std::string(table.key_of(group))];
    EXPECT_TRUE(rows.empty());
    size_t visited = 0;
    table.for_each_row(group, [&](std::string_view row, int64_t count) {
      EXPECT_NE(count, 0);
      EXPECT_TRUE(rows.emplace(row, count).second);
      ++visited;
    });
    EXPECT_EQ(visited, table.rows(group));
    return true;
  });
  return found;
}

void mutate(BagTable& table, BagModel& model, std::mt19937_64& random, uint64_t hashes, size_t row_length) {
  const std::string key = random_text(random, 2);
  const uint64_t hash = bad_hash(key, hashes);
  if (random() % 500 == 0) {
    const BagTable::Group group = table.find(hash, key);
    ASSERT_TRUE(group != BagTable::kNone || model.count(key) == 0);
    if (group != BagTable::kNone) table.clear_group(group);
    model.erase(key);
    return;
  }
  const std::string row = random_text(random, row_length);
  const BagTable::Group group = table.find_or_insert(hash, key);
  ASSERT_EQ(table.key_of(group), key);
  ASSERT_EQ(table.hash_of(group), hash);
  const int64_t diff = static_cast<int64_t>(random() % 5) - 2;
  int64_t& count = model[key][row];
  count += diff;
  ASSERT_EQ(table.add(group, hash_bytes(row), row, diff), count);
  if (count == 0) model[key].erase(row);
  if (model[key].empty()) model.erase(key);
  if (random() % 50 == 0) table.release_empty();
}

size_t rows_of(const BagModel& model) {
  size_t rows = 0;
  for (const auto& [key, group] : model) rows += group.size();
  return rows;
}

TEST(BagTable, BehavesLikeMapsThroughCheckpointsAndRestores) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    BagTable table;
    BagModel model;
    Disk disk;
    const uint64_t hashes = seed % 3 == 0 ? 2 : 1000000;
    const size_t row_length = seed % 2 == 0 ? 2 : 9;  // small groups that churn, or large ones with an index
    for (int operation = 0; operation < 4000; ++operation) {
      ASSERT_NO_FATAL_FAILURE(mutate(table, model, random, hashes, row_length)) << "seed " << seed;
      if (random() % 300 == 0) disk.checkpoint(table);
    }
    ASSERT_EQ(contents(table), model) << "seed " << seed;
    ASSERT_EQ(table.groups(), model.size());
    ASSERT_EQ(table.entries(), rows_of(model));
    disk.checkpoint(table);
    BagTable restored;
    disk.restore(restored);
    ASSERT_EQ(contents(restored), model) << "seed " << seed;
    for (int operation = 0; operation < 500; ++operation) mutate(restored, model, random, hashes, row_length);
    disk.checkpoint(restored);
    BagTable again;
    disk.restore(again);
    ASSERT_EQ(contents(again), model) << "seed " << seed;
    ASSERT_EQ(again.entries(), rows_of(model));
  }
}

// The rows behind their first byte, which sorting leaves out, as a model's keys.
using SortedModel = std::map<std::string, std::pair<std::string, int64_t>>;

void expect_order(BagTable& table, BagTable::Group group, const SortedModel& model, std::mt19937_64& random) {
  BagTable::SortedCursor cursor(table);
  std::string_view row;
  int64_t count = 0;
  cursor.seek_first(group);
  int64_t before = 0;
  for (const auto& [compared, expected] : model) {
    ASSERT_EQ(cursor.count_before(), before);
    before += expected.second;
    ASSERT_TRUE(cursor.next(row, count));
    ASSERT_EQ(row, expected.first);
    ASSERT_EQ(count, expected.second);
  }
  ASSERT_FALSE(cursor.next(row, count));
  ASSERT_EQ(cursor.count_before(), before);
  ASSERT_EQ(cursor.count_of_all(), before);
  for (auto at = model.rbegin(); at != model.rend(); ++at) {
    ASSERT_TRUE(cursor.previous(row, count));
    ASSERT_EQ(row, at->second.first);
  }
  ASSERT_FALSE(cursor.previous(row, count));
  const std::string from = random_text(random, 12);
  cursor.seek(group, from);
  auto at = model.lower_bound(from);
  ASSERT_EQ(cursor.next(row, count), at != model.end());
  if (at != model.end()) {
    EXPECT_EQ(row, at->second.first);
  }
  cursor.seek(group, from);
  ASSERT_EQ(cursor.previous(row, count), at != model.begin());
  if (at != model.begin()) {
    EXPECT_EQ(row, std::prev(at)->second.first);
  }
  cursor.seek_end(group);
  ASSERT_EQ(cursor.previous(row, count), !model.empty());
}

TEST(BagTable, ASortedOneGoesThroughItsRowsInOrder) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    BagTable table;
    table.keep_sorted(1);
    Disk disk;
    std::map<std::string, SortedModel> model;
    const size_t length = 1 + seed;  // from a few rows a group to thousands
    for (int operation = 0; operation < 3000; ++operation) {
      const std::string key = random_text(random, 1);
      // What rises comes to the end of its group again and again.
      const std::string compared = seed % 4 == 0 ? std::to_string(100000 + operation) : random_text(random, length);
      const std::string row = "x" + compared;
      const BagTable::Group group = table.find_or_insert(hash_bytes(key), key);
      const int64_t diff = static_cast<int64_t>(random() % 5) - 2;
      auto& [bytes, count] = model[key][compared];
      bytes = row;
      count += diff;
      table.add(group, hash_bytes(row), row, diff);
      if (count == 0) model[key].erase(compared);
      if (random() % 200 == 0) {
        ASSERT_NO_FATAL_FAILURE(expect_order(table, group, model[key], random)) << seed;
      }
      if (random() % 400 == 0) disk.checkpoint(table);
      if (random() % 900 == 0) {
        table.clear_group(group);
        model[key].clear();
      }
      if (random() % 100 == 0) table.release_empty();
    }
    disk.checkpoint(table);
    BagTable restored;
    restored.keep_sorted(1);
    disk.restore(restored);
    for (const auto& [key, rows] : model) {
      if (rows.empty()) continue;
      ASSERT_NO_FATAL_FAILURE(expect_order(restored, restored.find(hash_bytes(key), key), rows, random)) << seed;
    }
  }
}

TEST(BagTable, SeekingInALargeSortedGroupReadsOnlyWhatItGives) {
  BagTable table;
  table.keep_sorted(0);
  const BagTable::Group group = table.find_or_insert(1, "g");
  for (int i = 100000; i < 200000; ++i) {
    const std::string row = std::to_string(i);
    table.add(group, hash_bytes(row), row, 1);
  }
  table.rows_read = 0;
  BagTable::SortedCursor cursor(table);
  std::string_view row;
  int64_t count = 0;
  cursor.seek(group, "150000");
  ASSERT_TRUE(cursor.next(row, count));
  EXPECT_EQ(row, "150000");
  ASSERT_TRUE(cursor.next(row, count));
  EXPECT_EQ(row, "150001");
  EXPECT_EQ(table.rows_read, 2U);
}

TEST(BagTable, ReadsOnlyTheRowsOfItsGroup) {
  BagTable table;
  for (int i = 0; i < 20000; ++i) {
    const std::string key = std::to_string(i % 2000);
    const std::string row = "row " + std::to_string(i);
    table.add(table.find_or_insert(hash_bytes(key), key), hash_bytes(row), row, 1);
  }
  table.rows_read = 0;
  const BagTable::Group group = table.find(hash_bytes("77"), "77");
  table.add(group, hash_bytes("one more"), "one more", 1);
  size_t visited = 0;
  table.for_each_row(group, [&](std::string_view, int64_t) { ++visited; });
  EXPECT_EQ(visited, 11U);
  EXPECT_EQ(table.rows_read, 11U);
}

TEST(BagTable, AddingToALargeGroupLooksAtNoOtherRow) {
  BagTable table;
  const BagTable::Group group = table.find_or_insert(1, "g");
  for (int i = 0; i < 200000; ++i) {
    const std::string row = std::to_string(i);
    table.add(group, hash_bytes(row), row, 1);
  }
  for (int i = 0; i < 200000; i += 2) {
    const std::string row = std::to_string(i);
    EXPECT_EQ(table.add(group, hash_bytes(row), row, -1), 0);
  }
  EXPECT_EQ(table.rows(group), 100000U);
  EXPECT_EQ(table.rows_read, 100000U);
}

TEST(BagTable, EmptyGroupsAreReleasedAndTheirNumbersUsedAgain) {
  BagTable table;
  const BagTable::Group first = table.find_or_insert(1, "a");
  table.add(first, hash_bytes("r"), "r", 1);
  table.add(first, hash_bytes("r"), "r", -1);
  EXPECT_EQ(table.find(1, "a"), first);
  table.release_empty();
  EXPECT_EQ(table.find(1, "a"), BagTable::kNone);
  EXPECT_EQ(table.find_or_insert(2, "b"), first);
}

TEST(BagTable, ACorruptEntryIsRefused) {
  BagTable table;
  EXPECT_FALSE(table.restore(Entry{1, "\x7fshort", "\x02", false}).ok());
  EXPECT_FALSE(table.restore(Entry{1, std::string_view("\x01kr", 3), "\xff", false}).ok());
}

}  // namespace
}  // namespace millrace::state
