#include "batch/batch.h"

#include <gtest/gtest.h>

#include <duckdb.hpp>

#include "batch/binding.h"
#include "batch/row_codec.h"

namespace millrace::batch {
namespace {

const std::string kLong = "a string that does not fit inline";

std::vector<Type> two_types() { return {Type(TypeId::kInteger), Type(TypeId::kVarchar)}; }

/// (0, "0 a string …"), (1, "1 …"), (NULL, NULL), …: every third row is NULL.
Batch sample(size_t rows) {
  Batch batch(two_types());
  MutableColumn number = batch.mutable_column(0);
  MutableColumn text = batch.mutable_column(1);
  for (size_t row = 0; row < rows; ++row) {
    if (row % 3 == 2) {
      number.set_null(row);
      text.set_null(row);
    } else {
      number.set<int32_t>(row, static_cast<int32_t>(row));
      text.set_string(row, std::to_string(row) + " " + (row % 2 == 0 ? kLong : "s"));
    }
  }
  batch.set_rows(rows);
  return batch;
}

TEST(StringRef, LiesAsDuckDbLaysStrings) {
  for (const std::string& text :
       {std::string(), std::string("abc"), std::string(12, 'x'), std::string(13, 'y'), kLong}) {
    StringRef ref(text);
    duckdb::string_t theirs(text.data(), static_cast<uint32_t>(text.size()));
    EXPECT_EQ(std::memcmp(&ref, &theirs, sizeof ref), 0) << text;
    EXPECT_EQ(ref.view(), text);
  }
}

TEST(Batch, HoldsWhatWasWritten) {
  Batch batch = sample(7);
  EXPECT_EQ(batch.rows(), 7u);
  EXPECT_EQ(batch.row_text(0), "[+1] 0, 0 " + kLong);
  EXPECT_EQ(batch.row_text(2), "[+1] NULL, NULL");
  ColumnView numbers = batch.column(0);
  EXPECT_TRUE(numbers.may_have_nulls());
  EXPECT_TRUE(numbers.is_null(2));
  EXPECT_FALSE(numbers.is_null(3));
  EXPECT_EQ(numbers.at<int32_t>(4), 4);
  EXPECT_NE(numbers.flat<int32_t>(), nullptr);
  EXPECT_EQ(batch.column(1).at<StringRef>(4).view(), "4 " + kLong);
}

TEST(Batch, SelectPicksRowsAndDiffs) {
  Batch batch = sample(9);
  batch.set_diffs({1, -1, 1, 1, -1, 1, 1, 2, 1});
  const uint32_t rows[] = {7, 1, 1, 2};
  Batch picked = batch.select(rows);
  ASSERT_EQ(picked.rows(), 4u);
  EXPECT_EQ(picked.row_text(0), "[+2] 7, 7 s");
  EXPECT_EQ(picked.row_text(1), "[-1] 1, 1 s");
  EXPECT_EQ(picked.row_text(2), "[-1] 1, 1 s");
  EXPECT_EQ(picked.row_text(3), "[+1] NULL, NULL");
  EXPECT_EQ(picked.column(0).flat<int32_t>(), nullptr);

  const uint32_t again[] = {3, 0};
  Batch twice = picked.select(again);
  EXPECT_EQ(twice.row_text(0), "[+1] NULL, NULL");
  EXPECT_EQ(twice.column(1).at<StringRef>(1).view(), "7 s");
  twice.flatten();
  EXPECT_NE(twice.column(0).flat<int32_t>(), nullptr);
  EXPECT_EQ(twice.row_text(1), "[+2] 7, 7 s");
  EXPECT_EQ(batch.select({}).rows(), 0u);
}

TEST(Batch, ProjectAndBesideShareBuffers) {
  Batch batch = sample(5);
  const uint32_t columns[] = {1, 0, 1};
  Batch projected = batch.project(columns);
  EXPECT_EQ(projected.types().size(), 3u);
  EXPECT_EQ(projected.row_text(0), "[+1] 0 " + kLong + ", 0, 0 " + kLong);
  EXPECT_EQ(projected.column(1).data_, batch.column(0).data_);
  Batch both = Batch::beside(batch, projected);
  EXPECT_EQ(both.columns(), 5u);
  EXPECT_EQ(both.value_text(3, 4), "4");
  EXPECT_EQ(batch.share().row_text(4), batch.row_text(4));
}

TEST(Batch, ResetLeavesAliasesAlone) {
  Batch batch = sample(6);
  const uint32_t columns[] = {0, 1};
  Batch alias = batch.project(columns);
  batch.reset();
  EXPECT_EQ(batch.rows(), 0u);
  for (size_t row = 0; row < 6; ++row) {
    batch.mutable_column(0).set<int32_t>(row, -1);
    batch.mutable_column(1).set_string(row, "overwritten, and longer than twelve bytes");
  }
  batch.set_rows(6);
  EXPECT_EQ(alias.row_text(4), "[+1] 4, 4 " + kLong);
  EXPECT_EQ(alias.row_text(5), "[+1] NULL, NULL");
  EXPECT_FALSE(batch.column(0).is_null(5));
}

TEST(Batch, CloneOutlivesItsSource) {
  Batch kept(two_types());
  {
    Batch batch = sample(8);
    const uint32_t rows[] = {0, 4, 5};
    kept = batch.select(rows).clone();
  }
  EXPECT_EQ(kept.row_text(1), "[+1] 4, 4 " + kLong);
  EXPECT_EQ(kept.row_text(2), "[+1] NULL, NULL");
  kept.mutable_column(0).set<int32_t>(3, 99);
  kept.mutable_column(1).set_string(3, "more");
  kept.set_rows(4);
  EXPECT_EQ(kept.row_text(3), "[+1] 99, more");
}

TEST(Batch, AppendCopiesUntilFull) {
  Batch target(two_types());
  Batch source = sample(1500);
  EXPECT_TRUE(target.append(source, 0, 1500));
  EXPECT_FALSE(target.append(source, 0, 549));
  EXPECT_EQ(target.rows(), 1500u);
  source.set_diffs(std::vector<int64_t>(1500, -1));
  EXPECT_TRUE(target.append(source, 952, 548));
  EXPECT_TRUE(target.full());
  EXPECT_EQ(target.diff(1499), 1);
  EXPECT_EQ(target.diff(1500), -1);
  source.reset();
  EXPECT_EQ(target.row_text(2046), "[-1] 1498, 1498 " + kLong);
  EXPECT_EQ(target.row_text(1500), "[-1] 952, 952 " + kLong);
}

TEST(Batch, AppendToASharingBatchDoesNotWriteIntoTheOther) {
  Batch source = sample(4);
  Batch alias = source.share();
  EXPECT_TRUE(alias.append(source, 0, 2));
  EXPECT_EQ(alias.rows(), 6u);
  EXPECT_EQ(alias.row_text(4), source.row_text(0));
  EXPECT_NE(alias.column(0).data_, source.column(0).data_);
}

TEST(Batch, RetainedOwnersLiveAsLongAsAnyAlias) {
  std::weak_ptr<const std::string> watch;
  Batch kept(two_types());
  {
    Batch batch = sample(3);
    auto text = std::make_shared<const std::string>("owned from outside, longer than inline");
    watch = text;
    batch.mutable_column(1).set(0, StringRef(*text));
    batch.retain(text);
    text.reset();
    const uint32_t rows[] = {0, 1};
    const uint32_t columns[] = {1};
    kept = batch.share().select(rows).project(columns);
  }
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(kept.value_text(0, 0), "owned from outside, longer than inline");
  kept = kept.clone();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(kept.value_text(0, 0), "owned from outside, longer than inline");
}

TEST(Batch, NestedColumnsAreWrittenAndReadInParts) {
  std::vector<Type> types{*Type::parse("INTEGER[]"), *Type::parse("STRUCT(a INTEGER, s VARCHAR)"),
                          *Type::parse("SMALLINT[2]")};
  Batch batch(types);
  MutableColumn lists = batch.mutable_column(0);
  MutableColumn structs = batch.mutable_column(1);
  MutableColumn arrays = batch.mutable_column(2);
  for (size_t row = 0; row < 1000; ++row) {
    size_t first = lists.add_list(row, row % 4);
    for (size_t i = 0; i < row % 4; ++i) lists.child().set<int32_t>(first + i, static_cast<int32_t>(row * 10 + i));
    structs.child(0).set<int32_t>(row, static_cast<int32_t>(row));
    structs.child(1).set_string(row, kLong);
    arrays.child().set<int16_t>(row * 2, static_cast<int16_t>(row));
    arrays.child().set<int16_t>(row * 2 + 1, -1);
  }
  structs.set_null(7);
  batch.set_rows(1000);
  EXPECT_EQ(batch.row_text(3), "[+1] [30, 31, 32], {'a': 3, 's': " + kLong + "}, [3, -1]");
  EXPECT_EQ(batch.row_text(7), "[+1] [70, 71, 72], NULL, [7, -1]");

  const uint32_t rows[] = {999, 7, 3};
  Batch picked = batch.select(rows);
  ColumnView list = picked.column(0);
  ListRange range = list.at<ListRange>(0);
  ASSERT_EQ(range.length, 3u);
  EXPECT_EQ(list.child().at<int32_t>(range.offset + 2), 9992);
  EXPECT_TRUE(picked.column(1).is_null(1));
  EXPECT_EQ(picked.column(1).child(0).at<int32_t>(2), 3);
  EXPECT_EQ(picked.column(1).child(1).at<StringRef>(0).view(), kLong);
  ColumnView array = picked.column(2);
  EXPECT_EQ(array.child().at<int16_t>(array.index(2) * 2), 3);
}

TEST(Batch, ReadsConstantAndSequenceVectors) {
  auto chunk = std::make_unique<duckdb::DataChunk>();
  chunk->data.emplace_back(duckdb::Value::INTEGER(7));
  chunk->data.emplace_back(duckdb::LogicalType::BIGINT);
  chunk->data[1].Sequence(100, 5, 10);
  chunk->data.emplace_back(duckdb::Value(duckdb::LogicalType::VARCHAR));
  chunk->data.emplace_back(duckdb::Value::STRUCT({{"a", duckdb::Value::INTEGER(3)}}));
  chunk->SetCapacity(kBatchRows);
  chunk->SetCardinality(10);
  Batch batch = Batch::adopt(std::move(chunk));
  EXPECT_EQ(batch.column(0).at<int32_t>(9), 7);
  EXPECT_EQ(batch.column(1).at<int64_t>(9), 145);
  EXPECT_TRUE(batch.column(2).is_null(9));
  EXPECT_EQ(batch.column(3).child(0).at<int32_t>(9), 3);
  const uint32_t rows[] = {9, 0};
  Batch picked = batch.select(rows);
  EXPECT_EQ(picked.row_text(0), "[+1] 7, 145, NULL, {'a': 3}");
  EXPECT_EQ(picked.column(3).child(0).at<int32_t>(1), 3);
  EXPECT_EQ(picked.clone().row_text(1), "[+1] 7, 100, NULL, {'a': 3}");
}

TEST(Batch, MemoryGrowsWithStrings) {
  Batch small = sample(10);
  Batch large = sample(1000);
  EXPECT_GT(large.memory_bytes(), small.memory_bytes() + 333 * kLong.size());
}

TEST(BatchBuilder, CutsAtFullBatchesAndKeepsDiffs) {
  BatchBuilder builder({Type(TypeId::kBigint)});
  for (int64_t i = 0; i < 5000; ++i) {
    Batch& batch = builder.current();
    batch.mutable_column(0).set<int64_t>(builder.row(), i);
    builder.finish_row(i == 3000 ? -2 : 1);
  }
  EXPECT_EQ(builder.total_rows(), 5000u);
  auto batches = builder.take();
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_TRUE(batches[0].all_inserts());
  EXPECT_FALSE(batches[1].all_inserts());
  EXPECT_EQ(batches[1].row_text(3000 - 2048), "[-2] 3000");
  EXPECT_EQ(batches[1].diff(0), 1);
  EXPECT_EQ(batches[1].diff(2047), 1);
  EXPECT_TRUE(batches[2].all_inserts());
  EXPECT_EQ(batches[2].rows(), 5000u - 4096u);
  EXPECT_TRUE(builder.take().empty());
}

}  // namespace
}  // namespace millrace::batch
