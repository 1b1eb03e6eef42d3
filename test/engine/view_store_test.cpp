// The rows of a view, kept once each with a count or as they come: commits, copies for readers, and coming back.
#include "engine/view_store.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace millrace::engine {
namespace {

constexpr OperatorId kRoot{7};

batch::Schema schema() {
  batch::Schema made;
  made.fields.push_back({"id", batch::Type(batch::TypeId::kBigint)});
  made.fields.push_back({"name", batch::Type(batch::TypeId::kVarchar)});
  return made;
}

/// Rows first … first + count − 1.
batch::Batch rows(int64_t first, size_t count) {
  batch::Batch made(schema());
  for (size_t row = 0; row < count; ++row) {
    const int64_t id = first + static_cast<int64_t>(row);
    made.mutable_column(0).set<int64_t>(row, id);
    made.mutable_column(1).set_string(row, "the name of row " + std::to_string(id));
  }
  made.set_rows(count);
  return made;
}

void commit(ViewStore& store, uint32_t workers) {
  for (uint32_t shard = 0; shard < workers; ++shard) store.apply(shard);
  store.clear_staged();
}

/// The ids that a reader sees, sorted; each as often as its row counts.
std::vector<int64_t> ids_of(const ViewStore& store) {
  const ViewStore::Snapshot snapshot = store.snapshot();
  ViewStore::Snapshot::Position at;
  batch::Batch out(store.schema());
  std::vector<int64_t> ids;
  while (!snapshot.at_end(at)) {
    EXPECT_TRUE(snapshot.read(at, out).ok());
    for (size_t row = 0; row < out.rows(); ++row) {
      const auto id = out.column(0).at<int64_t>(row);
      EXPECT_EQ(out.column(1).at<batch::StringRef>(row).view(), "the name of row " + std::to_string(id));
      ids.insert(ids.end(), static_cast<size_t>(out.diff(row)), id);
    }
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<int64_t> numbers(int64_t end) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < end; ++i) all.push_back(i);
  return all;
}

size_t entries_of(ViewStore& store, uint8_t slot) {
  size_t entries = 0;
  for (const state::TableRef& ref : store.tables()) entries += ref.id.slot == slot ? ref.table->entries() : 0;
  return entries;
}

TEST(ViewStore, RowsThatOnlyComeLieInBlocks) {
  ViewStore store(schema(), kRoot, true, 2);
  int64_t next = 0;
  for (int step = 0; step < 5; ++step) {
    for (uint32_t worker = 0; worker < 2; ++worker, next += 2000) store.stage(worker, rows(next, 2000));
    EXPECT_EQ(store.staged_changes().size(), 4000U);
    commit(store, 2);
    EXPECT_EQ(store.rows(), static_cast<uint64_t>(next));
  }
  EXPECT_EQ(ids_of(store), numbers(next));
  EXPECT_EQ(entries_of(store, ViewStore::kCountedSlot), 0U);
  EXPECT_LT(entries_of(store, ViewStore::kAppendedSlot), 50U);
}

TEST(ViewStore, CommitsOfSingleRowsFillOneBlock) {
  ViewStore store(schema(), kRoot, true, 1);
  for (int64_t id = 0; id < 100; ++id) {
    store.stage(0, rows(id, 1));
    commit(store, 1);
  }
  EXPECT_EQ(ids_of(store), numbers(100));
  EXPECT_EQ(entries_of(store, ViewStore::kAppendedSlot), 1U);
}

TEST(ViewStore, ARowThatComesTwiceIsThereTwice) {
  ViewStore store(schema(), kRoot, true, 1);
  batch::Batch twice = rows(0, 3);
  twice.set_diffs({1, 2, 0});
  store.stage(0, twice);
  commit(store, 1);
  EXPECT_EQ(ids_of(store), (std::vector<int64_t>{0, 1, 1}));
  EXPECT_EQ(store.rows(), 3U);
}

TEST(ViewStore, ARowLongerThanABlockIsKept) {
  ViewStore store(schema(), kRoot, true, 1);
  batch::Batch batch = rows(0, 2);
  batch.mutable_column(1).set_string(0, std::string(100'000, 'x'));
  store.stage(0, batch);
  commit(store, 1);
  const ViewStore::Snapshot snapshot = store.snapshot();
  EXPECT_EQ(snapshot.ends.size(), 2U);
  EXPECT_GT(snapshot.bytes.size(), 100'000U);
}

/// As a start does, with whatever number of workers: entries go where their hashes belong.
TEST(ViewStore, BlocksComeBackAndMoreRowsFollow) {
  for (const uint32_t workers : {1U, 2U, 3U}) {
    ViewStore before(schema(), kRoot, true, 2);
    for (uint32_t worker = 0; worker < 2; ++worker) before.stage(worker, rows(worker * 1000, 1000));
    commit(before, 2);
    ViewStore after(schema(), kRoot, true, workers);
    for (const state::TableRef& ref : before.tables()) {
      ref.table->for_each([&](const state::Entry& entry) { EXPECT_TRUE(after.restore(ref.id, entry).ok()); });
    }
    EXPECT_EQ(after.rows(), 2000U);
    for (uint32_t worker = 0; worker < workers; ++worker) after.stage(worker, rows(2000 + worker * 10, 10));
    commit(after, workers);
    EXPECT_EQ(ids_of(after), numbers(2000 + workers * 10)) << workers << " workers";
  }
}

/// An append-only view of an older release has its rows counted; they stay where they are.
TEST(ViewStore, CountedRowsOfAnOlderReleaseAreReadToo) {
  ViewStore older(schema(), kRoot, false, 1);
  older.stage(0, rows(0, 50));
  commit(older, 1);
  ViewStore store(schema(), kRoot, true, 1);
  for (const state::TableRef& ref : older.tables()) {
    ref.table->for_each([&](const state::Entry& entry) { EXPECT_TRUE(store.restore(ref.id, entry).ok()); });
  }
  store.stage(0, rows(50, 50));
  commit(store, 1);
  EXPECT_EQ(ids_of(store), numbers(100));
  EXPECT_EQ(store.rows(), 100U);
}

TEST(ViewStore, RowsThatAreTakenAwayAreCounted) {
  ViewStore store(schema(), kRoot, false, 2);
  store.stage(0, rows(0, 100));
  commit(store, 2);
  batch::Batch gone = rows(40, 60);
  gone.set_diffs(std::vector<int64_t>(60, -1));
  store.stage(1, gone);
  store.stage(0, rows(39, 1));
  EXPECT_EQ(store.staged_changes().size(), 61U);
  commit(store, 2);
  std::vector<int64_t> expected = numbers(40);
  expected.push_back(39);
  EXPECT_EQ(ids_of(store), expected);
}

}  // namespace
}  // namespace millrace::engine
