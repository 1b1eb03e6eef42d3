#include "lake/parquet.h"

#include <gtest/gtest.h>

#include "base/simulated_env.h"

namespace millrace::lake {
namespace {

using batch::int128;

batch::Schema schema_of(const std::vector<std::pair<std::string, std::string>>& columns) {
  batch::Schema schema;
  for (const auto& [name, type] : columns) {
    auto parsed = batch::Type::parse(type);
    EXPECT_TRUE(parsed.ok()) << type;
    schema.fields.push_back({name, *parsed});
  }
  return schema;
}

class ParquetTest : public testing::Test {
 protected:
  std::string text(const std::string& path, const std::string& columns = "*") {
    auto read = parquet_text(env_, path, columns);
    return read.ok() ? *read : "error: " + read.error().message;
  }
  SimulatedEnv env_{1};
};

TEST_F(ParquetTest, RowsComeBackWithTheirTypes) {
  batch::Schema schema = schema_of(
      {{"id", "BIGINT"}, {"name", "VARCHAR"}, {"at", "TIMESTAMP"}, {"price", "DECIMAL(10,2)"}, {"n", "HUGEINT"}});
  auto writer = ParquetWriter::create(env_, schema);
  ASSERT_TRUE(writer.ok()) << writer.error().message;
  ASSERT_TRUE((*writer)->begin("/a.parquet").ok());
  batch::Batch rows(schema);
  rows.mutable_column(0).set<int64_t>(0, 7);
  rows.mutable_column(1).set_string(0, "a longer text than fits inline");
  rows.mutable_column(2).set<int64_t>(0, 1735689600000000);
  rows.mutable_column(3).set<int64_t>(0, 1250);
  rows.mutable_column(4).set<int128>(0, static_cast<int128>(1234567890123456789) * 1000000007);
  for (size_t column = 0; column < schema.size(); ++column) rows.mutable_column(column).set_null(1);
  rows.set_rows(2);
  ASSERT_TRUE((*writer)->append(rows).ok());
  EXPECT_GT((*writer)->bytes(), 0u);
  ASSERT_TRUE((*writer)->finish().ok());
  EXPECT_EQ(text("/a.parquet"),
            "7|a longer text than fits inline|2025-01-01 "
            "00:00:00|12.50|1234567898765432019864197523\nNULL|NULL|NULL|NULL|NULL\n");
  auto columns = parquet_columns(env_, "/a.parquet");
  ASSERT_TRUE(columns.ok());
  EXPECT_EQ(*columns, "id BIGINT\nname VARCHAR\nat TIMESTAMP\nprice DECIMAL(10,2)\nn DECIMAL(38,0)\n");
}

TEST_F(ParquetTest, NestedColumnsAndHugeintsInThem) {
  batch::Schema schema =
      schema_of({{"tags", "VARCHAR[]"}, {"totals", "HUGEINT[]"}, {"pair", "STRUCT(a INTEGER, b HUGEINT)"}});
  auto writer = ParquetWriter::create(env_, schema);
  ASSERT_TRUE(writer.ok()) << writer.error().message;
  ASSERT_TRUE((*writer)->begin("/nested.parquet").ok());
  batch::Batch rows(schema);
  size_t first = rows.mutable_column(0).add_list(0, 2);
  rows.mutable_column(0).child().set_string(first, "x");
  rows.mutable_column(0).child().set_string(first + 1, "y");
  first = rows.mutable_column(1).add_list(0, 1);
  rows.mutable_column(1).child().set<int128>(first, -5);
  rows.mutable_column(2).child(0).set<int32_t>(0, 1);
  rows.mutable_column(2).child(1).set<int128>(0, 2);
  rows.set_rows(1);
  ASSERT_TRUE((*writer)->append(rows).ok());
  ASSERT_TRUE((*writer)->finish().ok());
  EXPECT_EQ(text("/nested.parquet"), "[x, y]|[-5]|{'a': 1, 'b': 2}\n");
  auto columns = parquet_columns(env_, "/nested.parquet");
  EXPECT_EQ(*columns, "tags VARCHAR[]\ntotals DECIMAL(38,0)[]\npair STRUCT(a INTEGER, b DECIMAL(38,0))\n");
}

TEST_F(ParquetTest, HugeintThatDoesNotFitNamesColumnAndRow) {
  batch::Schema schema = schema_of({{"n", "HUGEINT"}});
  auto writer = ParquetWriter::create(env_, schema);
  ASSERT_TRUE(writer.ok());
  int128 limit = 1;
  for (int i = 0; i < 38; ++i) limit *= 10;
  for (int128 value : {limit, -limit}) {
    ASSERT_TRUE((*writer)->begin("/n.parquet").ok());
    batch::Batch rows(schema);
    rows.mutable_column(0).set<int128>(0, limit - 1);
    rows.mutable_column(0).set<int128>(1, value);
    rows.set_rows(2);
    Status status = (*writer)->append(rows);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find("column n, row 2: "), std::string::npos) << status.error().message;
  }
  // The writer goes on with another file.
  ASSERT_TRUE((*writer)->begin("/n.parquet").ok());
  batch::Batch rows(schema);
  rows.mutable_column(0).set<int128>(0, limit - 1);
  rows.mutable_column(0).set<int128>(1, 1 - limit);
  rows.set_rows(2);
  ASSERT_TRUE((*writer)->append(rows).ok());
  ASSERT_TRUE((*writer)->finish().ok());
  EXPECT_EQ(text("/n.parquet"), "99999999999999999999999999999999999999\n-99999999999999999999999999999999999999\n");
}

TEST_F(ParquetTest, DiffsAreCopiesAndManyRowGroupsKeepTheirOrder) {
  batch::Schema schema = schema_of({{"n", "BIGINT"}});
  auto writer = ParquetWriter::create(env_, schema, "snappy");
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->begin("/many.parquet").ok());
  batch::Batch rows(schema);
  for (int64_t first = 0; first < 150 * 2048; first += 2048) {
    rows.reset();
    for (int64_t i = 0; i < 2048; ++i) rows.mutable_column(0).set<int64_t>(static_cast<size_t>(i), first + i);
    rows.set_rows(2048);
    ASSERT_TRUE((*writer)->append(rows).ok());
  }
  rows.reset();
  rows.mutable_column(0).set<int64_t>(0, -1);
  rows.mutable_column(0).set<int64_t>(1, -2);
  rows.set_rows(2);
  rows.set_diffs({5000, 1});
  ASSERT_TRUE((*writer)->append(rows).ok());
  ASSERT_TRUE((*writer)->finish().ok());
  EXPECT_EQ(text("/many.parquet",
                 "count(*), sum(n), count(*) FILTER (n = -1), (list(n))[1], (list(n))[200001], (list(n))[312201]"),
            "312201|47185761398|5000|0|200000|-2\n");
}

TEST_F(ParquetTest, EmptyFileHasItsColumns) {
  batch::Schema schema = schema_of({{"n", "BIGINT"}, {"with \"quotes\"", "VARCHAR"}});
  auto writer = ParquetWriter::create(env_, schema);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->begin("/empty.parquet").ok());
  ASSERT_TRUE((*writer)->finish().ok());
  EXPECT_EQ(text("/empty.parquet"), "");
  EXPECT_EQ(*parquet_columns(env_, "/empty.parquet"), "n BIGINT\nwith \"quotes\" VARCHAR\n");
}

TEST_F(ParquetTest, AFullDiskIsSaidToBeOne) {
  batch::Schema schema = schema_of({{"n", "BIGINT"}});
  auto writer = ParquetWriter::create(env_, schema);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->begin("/full.parquet").ok());
  batch::Batch rows(schema);
  rows.mutable_column(0).set<int64_t>(0, 1);
  rows.set_rows(1);
  ASSERT_TRUE((*writer)->append(rows).ok());
  env_.files().set_capacity(env_.files().used_bytes() + 10);
  Status status = (*writer)->finish();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, sqlstate::kDiskFull);
  EXPECT_NE(status.error().message.find("/full.parquet"), std::string::npos) << status.error().message;
}

TEST_F(ParquetTest, FinishSyncs) {
  batch::Schema schema = schema_of({{"n", "BIGINT"}});
  auto writer = ParquetWriter::create(env_, schema);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->begin("/kept.parquet").ok());
  batch::Batch rows(schema);
  rows.mutable_column(0).set<int64_t>(0, 42);
  rows.set_rows(1);
  ASSERT_TRUE((*writer)->append(rows).ok());
  ASSERT_TRUE((*writer)->finish().ok());
  ASSERT_TRUE(env_.files().sync_directory("/").ok());
  env_.power_cut(Survival::kNothing);
  env_.restart();
  EXPECT_EQ(text("/kept.parquet"), "42\n");
}

}  // namespace
}  // namespace millrace::lake
