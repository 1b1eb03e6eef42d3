#include "ledger/sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace millrace::ledger {
namespace {

const std::vector<int32_t> kPartitions{0, 1, 2, 3};

std::string bytes_of(const Sketch& sketch) {
  std::string bytes;
  sketch.append_to(bytes, false);
  return bytes;
}

TEST(Sketch, ARangeIsTheSumOfItsRows) {
  for (const uint64_t count : {1, 60, 95, 96, 97, 192, 1000, 4096, 100'000}) {
    for (const int64_t first : {int64_t{0}, int64_t{17}, int64_t{1} << 40}) {
      Sketch by_formula;
      by_formula.add_range(PartitionId(3), first, count);
      Sketch by_rows;
      std::vector<int64_t> offsets;
      for (uint64_t i = 0; i < count; ++i) offsets.push_back(first + static_cast<int64_t>(i));
      by_rows.add_rows(PartitionId(3), offsets);
      EXPECT_EQ(bytes_of(by_formula), bytes_of(by_rows)) << count << " from " << first;
      Sketch one_by_one;
      for (const int64_t offset : offsets) one_by_one.add(PartitionId(3), offset);
      one_by_one.add_range(PartitionId(3), first, count, -1);
      EXPECT_TRUE(one_by_one.empty());
    }
  }
}

TEST(Sketch, GivesBackWhatDiffers) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    const int64_t base = round % 2 ? 0 : int64_t{1} << 42;
    std::map<std::pair<int32_t, int64_t>, int64_t> expected;
    Sketch sketch;
    sketch.add_range(PartitionId(1), base, 100'000);
    Sketch other;
    other.add_range(PartitionId(1), base, 100'000);
    const size_t rows = 1 + random() % 60;
    for (size_t i = 0; i < rows; ++i) {
      const auto partition = static_cast<int32_t>(random() % 4);
      const int64_t offset = base + static_cast<int64_t>(random() % 10'000'000);
      const bool more = random() % 2;
      (more ? sketch : other).add(PartitionId(partition), offset);
      expected[{partition, offset}] += more ? 1 : -1;
    }
    std::erase_if(expected, [](const auto& row) { return row.second == 0; });
    sketch.subtract(other);
    const auto found = sketch.decode(kPartitions);
    ASSERT_TRUE(found.has_value()) << rows << " rows, round " << round;
    ASSERT_EQ(found->size(), expected.size());
    for (const RowDifference& row : *found) EXPECT_EQ((expected[{row.partition.value, row.offset}]), row.times);
  }
}

TEST(Sketch, TwoRowsThatShareAllPlacesAreStillTold) {
  constexpr int64_t kProduct = 61 * 64 * 67;
  for (const int64_t base : {int64_t{5}, int64_t{6}, (int64_t{1} << 41) + 5, (int64_t{1} << 41) + 6}) {
    for (const int in_another : {0, 1}) {
      for (const int sign : {1, -1}) {
        const int other_sign = base % 2 ? sign : -sign;
        Sketch sketch;
        sketch.add_range(PartitionId(2), base, 1, sign);
        sketch.add_range(PartitionId(2 + in_another), base + 3 * kProduct - 1009 * in_another, 1, other_sign);
        const auto found = sketch.decode(kPartitions);
        ASSERT_TRUE(found.has_value());
        ASSERT_EQ(found->size(), 2U);
        EXPECT_EQ((*found)[0].offset, base);
        EXPECT_EQ((*found)[0].times, sign);
        EXPECT_EQ((*found)[1].offset, base + 3 * kProduct - 1009 * in_another);
        EXPECT_EQ((*found)[1].times, other_sign);
      }
    }
  }
}

TEST(Sketch, TellsWhenThereAreTooMany) {
  std::mt19937_64 random(3);
  Sketch sketch;
  for (int i = 0; i < 5000; ++i) sketch.add(PartitionId(0), static_cast<int64_t>(random() % 1'000'000'000));
  EXPECT_FALSE(sketch.decode(kPartitions).has_value());
}

TEST(Sketch, ComesBackFromBytesWholeOrByChanges) {
  Sketch sketch;
  sketch.add_range(PartitionId(0), 100, 500);
  Sketch copy;
  std::string whole = bytes_of(sketch);
  ByteReader reader(whole);
  ASSERT_TRUE(copy.read_from(reader).ok());
  EXPECT_TRUE(reader.done());
  sketch.clear_changed();
  sketch.add(PartitionId(1), 7);
  std::string changes;
  sketch.append_to(changes, true);
  EXPECT_LT(changes.size(), 80U);
  for (int twice = 0; twice < 2; ++twice) {
    ByteReader again(changes);
    ASSERT_TRUE(copy.read_from(again).ok());
    EXPECT_EQ(bytes_of(copy), bytes_of(sketch));
  }
  for (size_t length = 0; length < changes.size(); ++length) {
    ByteReader cut(std::string_view(changes).substr(0, length));
    EXPECT_FALSE(copy.read_from(cut).ok()) << length;
  }
}

}  // namespace
}  // namespace millrace::ledger
