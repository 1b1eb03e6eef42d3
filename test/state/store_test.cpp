#include "state/store.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <random>

#include "base/hash.h"
#include "base/real_env.h"
#include "base/simulated_env.h"
#include "state/block.h"
#include "state/key_values.h"
#include "state/run_index.h"

namespace millrace::state {
namespace {

using Contents = std::map<std::string, std::string>;

constexpr TableId kTable{OperatorId(7), 1};

std::string key_of(uint64_t number) { return "key " + std::to_string(number); }

void put(ValueTable& table, const std::string& key, std::string_view value) { table.put(hash_bytes(key), key, value); }
void erase(ValueTable& table, const std::string& key) { EXPECT_TRUE(table.erase(hash_bytes(key), key)); }

Contents contents_of(const ValueTable& table) {
  Contents contents;
  table.for_each([&](const Entry& entry) { contents.emplace(entry.key, entry.payload); });
  return contents;
}

Contents restored(Store& store, TableId id = kTable) {
  Contents contents;
  const Status status = store.restore(id, [&](const Entry& entry) -> Status {
    EXPECT_FALSE(entry.deleted);
    EXPECT_EQ(entry.hash, hash_bytes(entry.key));
    EXPECT_TRUE(contents.emplace(entry.key, entry.payload).second) << "given twice: " << entry.key;
    return {};
  });
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
  return contents;
}

/// Each test runs on the real disk and on the simulated one.
class StoreTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      env_ = std::make_unique<RealEnv>();
      directory_ = ::testing::TempDir() + "/millrace_store_" + std::to_string(env_->random().next());
    } else {
      env_ = std::make_unique<SimulatedEnv>(1);
      directory_ = "state";
    }
    open();
  }
  void TearDown() override {
    store_.reset();
    if (GetParam()) std::filesystem::remove_all(directory_);
  }
  void open() {
    store_.reset();
    auto opened = Store::open(*env_, directory_, {.block_cache_bytes = 1 << 20, .runs_max = 4});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    store_ = std::move(opened).value();
  }
  CheckpointStats checkpoint(const std::string& note, const std::vector<TableRef>& tables) {
    auto stats = store_->checkpoint(note, tables, pool_);
    EXPECT_TRUE(stats.ok()) << (stats.ok() ? "" : stats.error().message);
    return stats.ok() ? *stats : CheckpointStats();
  }
  std::string note() {
    auto note = store_->last_note();
    return note.ok() ? *note : note.error().message;
  }

  std::unique_ptr<Env> env_;
  std::string directory_;
  std::unique_ptr<Store> store_;
  ThreadPool pool_{2, false};
};

INSTANTIATE_TEST_SUITE_P(Kinds, StoreTest, ::testing::Values(true, false),
                         [](const auto& kind) { return kind.param ? "Real" : "Simulated"; });

TEST_P(StoreTest, IsEmptyAtFirst) {
  EXPECT_EQ(note(), "");
  EXPECT_TRUE(restored(*store_).empty());
}

TEST_P(StoreTest, GivesBackTheLastCheckpoint) {
  ValueTable table;
  put(table, "a", "1");
  put(table, "b", "2");
  const CheckpointStats stats = checkpoint("first", {{kTable, &table}});
  EXPECT_EQ(stats.entries, 2U);
  EXPECT_EQ(table.dirty_bytes(), 0U);
  put(table, "a", "10");
  put(table, "c", "3");
  erase(table, "b");
  put(table, "lost", "not checkpointed");
  erase(table, "lost");
  EXPECT_EQ(checkpoint("second", {{kTable, &table}}).entries, 3U);
  put(table, "d", "after the checkpoint");
  open();
  EXPECT_EQ(note(), "second");
  EXPECT_EQ(restored(*store_), (Contents{{"a", "10"}, {"c", "3"}}));
}

TEST_P(StoreTest, ANoteAloneIsACheckpoint) {
  ValueTable table;
  EXPECT_EQ(checkpoint("nothing changed", {{kTable, &table}}).blocks, 0U);
  open();
  EXPECT_EQ(note(), "nothing changed");
}

TEST_P(StoreTest, TablesOfSeveralWorkersAreOneTable) {
  ValueTable first;
  ValueTable second;
  put(first, "a", "1");
  put(second, "b", "2");
  checkpoint("n", {{kTable, &first}, {kTable, &second}});
  EXPECT_EQ(restored(*store_), (Contents{{"a", "1"}, {"b", "2"}}));
}

TEST_P(StoreTest, WorkersThatShareAGroupAreJoinedInOrder) {
  ValueTable parts[3];
  Contents wanted;
  for (int i = 0; i < 9000; ++i) {
    put(parts[i % 3], key_of(i), std::to_string(i));
    wanted[key_of(i)] = std::to_string(i);
  }
  checkpoint("n", {{kTable, &parts[0]}, {kTable, &parts[1]}, {kTable, &parts[2]}});
  EXPECT_EQ(restored(*store_), wanted);
  uint64_t before = 0;
  ASSERT_TRUE(store_
                  ->restore(kTable,
                            [&](const Entry& entry) -> Status {
                              EXPECT_GE(entry.hash, before);
                              before = entry.hash;
                              return {};
                            })
                  .ok());
}

TEST_P(StoreTest, ABagComesBackRowByRow) {
  BagTable table;
  const uint64_t hash = hash_bytes("group");
  const auto group = table.find_or_insert(hash, "group");
  for (int row = 0; row < 5000; ++row) {
    const std::string bytes = "row " + std::to_string(row);
    table.add(group, hash_bytes(bytes), bytes, row % 7 + 1);
  }
  checkpoint("n", {{kTable, &table}});
  table.add(group, hash_bytes("row 3"), "row 3", -4);
  table.add(group, hash_bytes("row 4"), "row 4", 100);
  checkpoint("m", {{kTable, &table}});
  open();
  BagTable back;
  ASSERT_TRUE(store_->restore(kTable, [&](const Entry& entry) { return back.restore(entry); }).ok());
  std::map<std::string, int64_t> rows;
  back.for_each_row(back.find(hash, "group"), [&](std::string_view row, int64_t count) { rows.emplace(row, count); });
  EXPECT_EQ(rows.size(), 4999U);
  EXPECT_FALSE(rows.contains("row 3"));
  EXPECT_EQ(rows["row 4"], 105);
}

TEST_P(StoreTest, ManyCheckpointsOfRandomChangesAgreeWithTheTables) {
  std::mt19937_64 random(3);
  std::array<ValueTable, 3> tables;
  std::array<TableId, 3> ids{TableId{OperatorId(1), 0}, TableId{OperatorId(1), 1}, TableId{OperatorId(2), 0}};
  for (int round = 0; round < 60; ++round) {
    for (ValueTable& table : tables) {
      const uint64_t changes = random() % (round % 10 == 0 ? 4000 : 30);
      for (uint64_t i = 0; i < changes; ++i) {
        const std::string key = key_of(random() % 5000);
        if (random() % 3 == 0) {
          table.erase(hash_bytes(key), key);
        } else {
          put(table, key, std::string(1 + random() % 60, static_cast<char>('a' + random() % 26)));
        }
      }
    }
    checkpoint(std::to_string(round), {{ids[0], &tables[0]}, {ids[1], &tables[1]}, {ids[2], &tables[2]}});
    if (round % 7 == 0) open();
    for (size_t i = 0; i < tables.size(); ++i) ASSERT_EQ(restored(*store_, ids[i]), contents_of(tables[i])) << round;
  }
  EXPECT_EQ(note(), "59");
}

TEST_P(StoreTest, WhatIsDeletedLeavesNothingBehind) {
  ValueTable table;
  for (int i = 0; i < 500; ++i) put(table, key_of(static_cast<uint64_t>(i)), "value");
  checkpoint("full", {{kTable, &table}});
  for (int i = 0; i < 500; ++i) erase(table, key_of(static_cast<uint64_t>(i)));
  for (int round = 0; round < 12; ++round) {
    checkpoint("empty", {{kTable, &table}});
    put(table, key_of(0), "again");
    checkpoint("one", {{kTable, &table}});
    EXPECT_EQ(restored(*store_), (Contents{{key_of(0), "again"}}));
    erase(table, key_of(0));
  }
  checkpoint("empty", {{kTable, &table}});
  open();
  EXPECT_TRUE(restored(*store_).empty());
}

TEST_P(StoreTest, ABigCheckpointIsIngested) {
  ValueTable table;
  for (uint64_t i = 0; i < 40'000; ++i) put(table, key_of(i), std::string(200, static_cast<char>('a' + i % 26)));
  const CheckpointStats stats = checkpoint("big", {{kTable, &table}});
  EXPECT_EQ(stats.entries, 40'000U);
  EXPECT_GT(stats.bytes, 8U << 20);
  put(table, key_of(1), "new");
  checkpoint("small", {{kTable, &table}});
  open();
  EXPECT_EQ(note(), "small");
  EXPECT_EQ(restored(*store_), contents_of(table));
  EXPECT_GT(store_->disk_bytes(), 10'000U);
}

TEST_P(StoreTest, DroppedTablesAreForgotten) {
  ValueTable table;
  put(table, "a", "1");
  const TableId other{OperatorId(8), 1};
  const TableId third{OperatorId(0xffffff), 255};  // its keys' prefix ends with 0xff
  checkpoint("n", {{kTable, &table}});
  put(table, "a", "1");
  checkpoint("n", {{other, &table}});
  put(table, "a", "1");
  checkpoint("n", {{third, &table}});
  ASSERT_TRUE(store_->drop({OperatorId(7), OperatorId(99)}).ok());
  ASSERT_TRUE(store_->drop_tables({third}).ok());
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_TRUE(restored(*store_).empty());
    EXPECT_TRUE(restored(*store_, third).empty());
    EXPECT_EQ(restored(*store_, other).size(), 1U);
    open();
  }
  // The same table again starts from nothing.
  ValueTable fresh;
  put(fresh, "b", "2");
  checkpoint("n", {{kTable, &fresh}});
  EXPECT_EQ(restored(*store_), (Contents{{"b", "2"}}));
}

TEST_P(StoreTest, AnErrorOfTheReceiverEndsARestore) {
  ValueTable table;
  put(table, "a", "1");
  put(table, "b", "2");
  checkpoint("n", {{kTable, &table}});
  int calls = 0;
  const Status status = store_->restore(kTable, [&](const Entry&) -> Status {
    ++calls;
    return internal_error("enough");
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "enough");
  EXPECT_EQ(calls, 1);
}

TEST(StoreCrash, EveryPowerCutLeavesAWholeCheckpoint) {
  ThreadPool pool(2, true);
  // The run is repeated with the power cut before each of its changes to the disk in turn.
  for (uint64_t cut = 0;; ++cut) {
    SimulatedEnv env(cut);
    std::vector<Contents> states{{}};  // by checkpoint; the note is its number
    uint64_t acknowledged = 0;
    bool finished = true;
    env.files().power_cut_after(cut);
    {
      std::mt19937_64 random(9);
      ValueTable table;
      auto store = Store::open(env, "data/state", {.runs_max = 2});
      for (int round = 1; store.ok() && round <= 25; ++round) {
        for (int i = 0; i < 20; ++i) {
          const std::string key = key_of(random() % 60);
          random() % 3 == 0 ? void(table.erase(hash_bytes(key), key)) : put(table, key, std::to_string(round));
        }
        states.push_back(contents_of(table));
        auto stats = (*store)->checkpoint(std::to_string(round), {{kTable, &table}}, pool);
        if (!stats.ok()) break;
        acknowledged = static_cast<uint64_t>(round);
      }
      finished = acknowledged == 25;
      if (!env.files().down()) env.power_cut();
    }
    env.restart();
    auto store = Store::open(env, "data/state", {.runs_max = 2});
    ASSERT_TRUE(store.ok()) << store.error().message;
    const std::string note = *(*store)->last_note();
    const uint64_t checkpoint = note.empty() ? 0 : std::stoull(note);
    ASSERT_GE(checkpoint, acknowledged) << "cut " << cut;
    ASSERT_LT(checkpoint, states.size());
    ASSERT_EQ(restored(**store), states[checkpoint]) << "cut " << cut;
    if (finished) break;
    ASSERT_LT(cut, 10'000U);
  }
}

TEST(StoreCrash, BlocksThatWereIngestedAloneAreSwept) {
  ThreadPool pool(2, false);
  RealEnv env;
  const std::string directory = ::testing::TempDir() + "/millrace_store_" + std::to_string(env.random().next());
  ValueTable table;
  put(table, "a", "1");
  {
    auto store = Store::open(env, directory, {});
    ASSERT_TRUE(store.ok());
    ASSERT_TRUE((*store)->checkpoint("first", {{kTable, &table}}, pool).ok());
  }
  {  // What a crash leaves between a file of blocks and the write that tells of it.
    auto key_values = open_rocksdb(env, directory, 1 << 20);
    ASSERT_TRUE(key_values.ok());
    BlockWriter writer;
    writer.add({hash_bytes("ghost"), "ghost", "boo", false});
    WriteSet changes;
    for (uint32_t block = 0; block < 3; ++block) {
      changes.blocks.emplace_back(block_key(kTable, group_of(hash_bytes("ghost")), 2, block), writer.finish().front());
      writer.add({hash_bytes("ghost"), "ghost", "boo", false});
    }
    changes.put.emplace_back("pending", "");
    ASSERT_TRUE((*key_values)->write(changes).ok());
  }
  {
    auto store = Store::open(env, directory, {});
    ASSERT_TRUE(store.ok());
    put(table, "b", "2");
    ASSERT_TRUE((*store)->checkpoint("second", {{kTable, &table}}, pool).ok());
    EXPECT_EQ(restored(**store), (Contents{{"a", "1"}, {"b", "2"}}));
  }
  {
    auto key_values = open_rocksdb(env, directory, 1 << 20);
    ASSERT_TRUE(key_values.ok());
    EXPECT_FALSE(*(*key_values)->write_was_cut());
    size_t blocks = 0;
    ASSERT_TRUE((*key_values)
                    ->scan(std::string(1, kBlockPrefix),
                           [&](std::string_view, std::string_view) -> Status {
                             ++blocks;
                             return {};
                           })
                    .ok());
    EXPECT_EQ(blocks, 2U);
  }
  std::filesystem::remove_all(directory);
}

TEST(StoreCrash, AFullDiskFailsTheCheckpointAndKeepsTheLastOne) {
  ThreadPool pool(1, true);
  SimulatedEnv env(1);
  ValueTable table;
  put(table, "a", "1");
  {
    auto store = Store::open(env, "state", {});
    ASSERT_TRUE(store.ok());
    ASSERT_TRUE((*store)->checkpoint("first", {{kTable, &table}}, pool).ok());
    put(table, "a", std::string(1000, 'x'));
    env.files().set_capacity(env.files().used_bytes() + 10);
    auto failed = (*store)->checkpoint("second", {{kTable, &table}}, pool);
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, sqlstate::kDiskFull);
    EXPECT_GT(table.dirty_bytes(), 0U) << "what was not written stays dirty";
    env.files().set_capacity(1 << 30);
  }
  auto store = Store::open(env, "state", {});
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(*(*store)->last_note(), "first");
  ASSERT_TRUE((*store)->checkpoint("second", {{kTable, &table}}, pool).ok());
  EXPECT_EQ(restored(**store), (Contents{{"a", std::string(1000, 'x')}}));
}

TEST(StoreVersion, AnotherOneIsRefusedWithTheWayOut) {
  SimulatedEnv env(1);
  { ASSERT_TRUE(Store::open(env, "state", {}).ok()); }
  {
    auto key_values = open_rocksdb(env, "state", 1 << 20);
    ASSERT_TRUE(key_values.ok());
    WriteSet changes;
    changes.put.emplace_back("version", "9");
    ASSERT_TRUE((*key_values)->write(changes).ok());
  }
  auto store = Store::open(env, "state", {});
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, sqlstate::kNotSupported);
  EXPECT_NE(store.error().message.find("format version 9"), std::string::npos);
  EXPECT_NE(store.error().hint.find("version 1"), std::string::npos);
}

TEST(StoreFiles, TwoSimulatedRunsTouchTheDiskAlike) {
  const auto run = [] {
    SimulatedEnv env(5);
    ThreadPool pool(2, true);
    ValueTable table;
    std::mt19937_64 random(4);
    auto store = Store::open(env, "state", {.runs_max = 2});
    for (int round = 0; store.ok() && round < 30; ++round) {
      const int entries = round % 10 == 0 ? 30'000 : 50;  // some are ingested
      for (int i = 0; i < entries; ++i) put(table, key_of(random() % 40'000), std::string(200, 'x'));
      EXPECT_TRUE((*store)->checkpoint("n", {{kTable, &table}}, pool).ok());
    }
    return std::make_pair(env.files().changes(), env.files().used_bytes());
  };
  const auto first = run();
  EXPECT_GT(first.first, 100U);
  EXPECT_EQ(run(), first);
}

TEST(StoreFiles, AFailedSyncFailsTheCheckpointAndTheNextOnes) {
  for (const char* rule : {"files.sync=error(EIO),times=1", "files.append=error(EIO),times=1"}) {
    ThreadPool pool(1, true);
    SimulatedEnv env(1);
    ValueTable table;
    put(table, "a", "1");
    {
      auto store = Store::open(env, "state", {});
      ASSERT_TRUE(store.ok());
      ASSERT_TRUE((*store)->checkpoint("first", {{kTable, &table}}, pool).ok());
      put(table, "a", "2");
      ASSERT_TRUE(env.failpoints().configure(rule).ok());
      auto failed = (*store)->checkpoint("second", {{kTable, &table}}, pool);
      ASSERT_FALSE(failed.ok()) << rule;
      EXPECT_EQ(failed.error().code, sqlstate::kIoError);
      EXPECT_NE(failed.error().message.find("files."), std::string::npos) << failed.error().message;
      EXPECT_FALSE((*store)->checkpoint("third", {{kTable, &table}}, pool).ok()) << "the sync after it is not believed";
      EXPECT_GT(table.dirty_bytes(), 0U);
    }
    env.failpoints().clear();
    auto store = Store::open(env, "state", {});
    ASSERT_TRUE(store.ok()) << store.error().message;
    ASSERT_TRUE((*store)->checkpoint("fourth", {{kTable, &table}}, pool).ok());
    env.power_cut(Survival::kNothing);
    env.restart();
    store->reset();
    store = Store::open(env, "state", {});
    ASSERT_TRUE(store.ok()) << store.error().message;
    EXPECT_EQ(*(*store)->last_note(), "fourth");
    EXPECT_EQ(restored(**store), (Contents{{"a", "2"}}));
  }
}

TEST(StoreFiles, AMissingRootOfTheFilesIsDamageAndNotAnEmptyStore) {
  ThreadPool pool(1, true);
  SimulatedEnv env(1);
  ValueTable table;
  put(table, "a", "1");
  {
    auto store = Store::open(env, "state", {});
    ASSERT_TRUE(store.ok());
    ASSERT_TRUE((*store)->checkpoint("first", {{kTable, &table}}, pool).ok());
  }
  ASSERT_TRUE(env.files().remove("state/CURRENT").ok());
  auto store = Store::open(env, "state", {});
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, sqlstate::kDataCorrupted);
}

TEST(Block, DamageIsSeen) {
  BlockWriter writer;
  for (int i = 0; i < 100; ++i) writer.add({static_cast<uint64_t>(i), "key", i % 3 ? "payload" : "", i % 3 == 0});
  const std::vector<std::string> blocks = writer.finish();
  ASSERT_EQ(blocks.size(), 1U);
  BlockReader reader;
  ASSERT_TRUE(reader.open(blocks[0]).ok());
  Entry entry;
  int count = 0;
  for (; reader.next(entry); ++count) {
    EXPECT_EQ(entry.hash, static_cast<uint64_t>(count));
    EXPECT_EQ(entry.deleted, count % 3 == 0);
    EXPECT_EQ(entry.payload, count % 3 ? "payload" : "");
  }
  EXPECT_EQ(count, 100);
  for (size_t i = 0; i < blocks[0].size(); ++i) {
    std::string broken = blocks[0];
    broken[i] = static_cast<char>(broken[i] ^ 0x10);
    EXPECT_FALSE(reader.open(broken).ok()) << i;
    EXPECT_FALSE(reader.open(blocks[0].substr(0, i)).ok()) << i;
  }
}

TEST(Block, ManyEntriesAndBigOnesAreCut) {
  BlockWriter writer;
  for (uint64_t i = 0; i < 2 * kBlockEntriesMax + 1; ++i) writer.add({i, "k", "v", false});
  EXPECT_EQ(writer.finish().size(), 3U);
  const std::string big(kBlockBytesMax, 'x');
  for (uint64_t i = 0; i < 3; ++i) writer.add({i, "k", big, false});
  EXPECT_EQ(writer.finish().size(), 3U);
  EXPECT_TRUE(writer.finish().empty());
}

}  // namespace
}  // namespace millrace::state
