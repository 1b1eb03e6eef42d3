// Checkpoints of more than a few blocks: they are written out while they are made, and merge a bounded amount.
#include <gtest/gtest.h>

#include <map>

#include "base/hash.h"
#include "base/simulated_env.h"
#include "state/store.h"

namespace millrace::state {
namespace {

using Contents = std::map<std::string, std::string>;

constexpr TableId kTable{OperatorId(7), 1};

std::string key_of(uint64_t number) { return "key " + std::to_string(number); }

void put(ValueTable& table, const std::string& key, std::string_view value) { table.put(hash_bytes(key), key, value); }

Contents contents_of(const ValueTable& table) {
  Contents contents;
  table.for_each([&](const Entry& entry) { contents.emplace(entry.key, entry.payload); });
  return contents;
}

Contents restored(Store& store) {
  Contents contents;
  const Status status = store.restore(kTable, [&](const Entry& entry) -> Status {
    EXPECT_TRUE(contents.emplace(entry.key, entry.payload).second) << "given twice: " << entry.key;
    return {};
  });
  EXPECT_TRUE(status.ok());
  return contents;
}

TEST(StoreLarge, BlocksThatWereStagedForACheckpointThatFailedAreForgotten) {
  ThreadPool pool(1, true);
  SimulatedEnv env(1);
  ValueTable table;
  const std::string text(200, 'x');
  const auto put_all = [&](char mark) {
    for (uint64_t i = 0; i < 60000; ++i) put(table, key_of(i), mark + text + std::to_string(mix64(i)));
  };
  {
    auto store = Store::open(env, "state", {});
    ASSERT_TRUE(store.ok());
    put_all('a');
    ASSERT_TRUE((*store)->checkpoint("first", {{kTable, &table}}, pool).ok());
    put_all('b');
    env.files().set_capacity(env.files().used_bytes() + (1 << 20));  // the file of blocks gets longer than that
    ASSERT_FALSE((*store)->checkpoint("second", {{kTable, &table}}, pool).ok());
    env.files().set_capacity(1 << 30);
  }
  auto store = Store::open(env, "state", {});
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(*(*store)->last_note(), "first");
  EXPECT_EQ(restored(**store)[key_of(7)].front(), 'a');
  ASSERT_TRUE((*store)->checkpoint("third", {{kTable, &table}}, pool).ok());
  EXPECT_EQ(restored(**store), contents_of(table));
}

/// However many runs wait for it, a checkpoint of a few entries merges only so much; later ones do the rest.
TEST(StoreLarge, ACheckpointMergesABoundedAmount) {
  ThreadPool pool(1, true);
  SimulatedEnv env(1);
  auto store = Store::open(env, "state", {.runs_max = 4});
  ASSERT_TRUE(store.ok());
  ValueTable table;
  const std::string text(2000, 'x');
  uint64_t bytes = 0;
  for (int round = 0; round < 4; ++round) {
    for (uint64_t i = 0; i < 16000; ++i) put(table, key_of(i), text + std::to_string(mix64(i + bytes)));
    auto stats = (*store)->checkpoint("", {{kTable, &table}}, pool);
    ASSERT_TRUE(stats.ok());
    bytes = stats->bytes;
  }
  for (uint64_t i = 0; i < 200; ++i) put(table, key_of(i), "small");
  auto stats = (*store)->checkpoint("", {{kTable, &table}}, pool);
  ASSERT_TRUE(stats.ok());
  EXPECT_GT(stats->bytes, 16U << 20);
  EXPECT_LT(stats->bytes, bytes * 3 / 4) << "all groups were merged at once";
  EXPECT_EQ(restored(**store), contents_of(table));
}

}  // namespace
}  // namespace millrace::state
