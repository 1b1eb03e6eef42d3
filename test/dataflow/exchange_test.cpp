// Rows that change workers: each goes to the worker that owns its key, in order, in full batches.
#include "dataflow/exchange.h"

#include <gtest/gtest.h>

#include <set>

namespace millrace::dataflow {
namespace {

using batch::TypeId;

std::vector<batch::Type> types() { return {batch::Type(TypeId::kBigint), batch::Type(TypeId::kVarchar)}; }

batch::Batch rows_from(int64_t first, size_t count) {
  batch::Batch rows(types());
  std::vector<int64_t> diffs;
  for (size_t i = 0; i < count; ++i) {
    const int64_t value = first + static_cast<int64_t>(i);
    rows.mutable_column(0).set<int64_t>(i, value);
    rows.mutable_column(1).set_string(i, "a text beyond twelve bytes: " + std::to_string(value));
    diffs.push_back(value % 3 == 0 ? -1 : 1);
  }
  rows.set_rows(count);
  rows.set_diffs(std::move(diffs));
  return rows;
}

TEST(Exchange, EachRowGoesToItsOwnerInOrder) {
  constexpr uint32_t kWorkers = 3;
  constexpr size_t kBatches = 7, kRows = 1500;
  Exchange exchange(kWorkers, types(), {0});
  for (uint32_t from = 0; from < kWorkers; ++from) {
    for (size_t i = 0; i < kBatches; ++i) {
      batch::Batch rows = rows_from(static_cast<int64_t>(from * 100000 + i * kRows), kRows);
      exchange.scatter(from, rows);
      rows.reset();  // it was only lent
    }
  }
  std::set<int64_t> seen;
  for (uint32_t to = 0; to < kWorkers; ++to) {
    int64_t before = -1;
    size_t batches = 0, count = 0;
    for (const batch::Batch& rows : exchange.take(to)) {
      ++batches;
      count += rows.rows();
      for (size_t row = 0; row < rows.rows(); ++row) {
        const auto value = rows.column(0).at<int64_t>(row);
        EXPECT_GT(value, before) << "the order of a sender is kept";
        before = value;
        EXPECT_TRUE(seen.insert(value).second);
        EXPECT_EQ(rows.column(1).at<batch::StringRef>(row).view(),
                  "a text beyond twelve bytes: " + std::to_string(value));
        EXPECT_EQ(rows.diff(row), value % 3 == 0 ? -1 : 1);
      }
    }
    EXPECT_LE(batches, count / batch::kBatchRows + kWorkers) << "small pieces are joined";
    EXPECT_TRUE(exchange.take(to).empty());
  }
  EXPECT_EQ(seen.size(), kWorkers * kBatches * kRows);
}

TEST(Exchange, WithoutAKeyAllRowsGoToOne) {
  Exchange exchange(4, types(), {});
  for (uint32_t from = 0; from < 4; ++from) exchange.scatter(from, rows_from(from * 10, 10));
  size_t receivers = 0;
  for (uint32_t to = 0; to < 4; ++to) receivers += exchange.take(to).empty() ? 0 : 1;
  EXPECT_EQ(receivers, 1u);
}

}  // namespace
}  // namespace millrace::dataflow
