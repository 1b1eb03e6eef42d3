#include "base/hash.h"

#include <gtest/gtest.h>

#include "base/ids.h"
#include "base/simulated_env.h"

namespace millrace {
namespace {

std::string random_bytes(SeededRandom& random, size_t length) {
  std::string bytes(length, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next());
  return bytes;
}

// RFC 3720, appendix B.4, and the check value of the catalogue of parametrised CRC algorithms.
TEST(Crc32c, KnownValues) {
  std::string rising(32, '\0');
  std::string falling(32, '\0');
  for (int i = 0; i < 32; ++i) {
    rising[static_cast<size_t>(i)] = static_cast<char>(i);
    falling[static_cast<size_t>(i)] = static_cast<char>(31 - i);
  }
  for (const auto& crc : {crc32c, crc32c_by_table}) {
    EXPECT_EQ(crc("", 0), 0u);
    EXPECT_EQ(crc("123456789", 0), 0xe3069283u);
    EXPECT_EQ(crc(std::string(32, '\0'), 0), 0x8a9136aau);
    EXPECT_EQ(crc(std::string(32, '\xff'), 0), 0x62a8ab43u);
    EXPECT_EQ(crc(rising, 0), 0x46dd794eu);
    EXPECT_EQ(crc(falling, 0), 0x113fdb5cu);
  }
}

TEST(Crc32c, BothFormsAgreeAtEveryLengthAndPlace) {
  SeededRandom random(3);
  const std::string bytes = random_bytes(random, 60000);
  for (int round = 0; round < 3000; ++round) {
    const size_t length = round < 1600 ? static_cast<size_t>(round) : static_cast<size_t>(random.below(50000));
    const std::string_view part = std::string_view(bytes).substr(random.below(9), length);
    const auto initial = static_cast<uint32_t>(random.next());
    ASSERT_EQ(crc32c(part, initial), crc32c_by_table(part, initial)) << "length " << length;
  }
}

TEST(Crc32c, ContinuesFromAnEarlierResult) {
  SeededRandom random(4);
  const std::string bytes = random_bytes(random, 40000);
  for (int round = 0; round < 200; ++round) {
    const size_t cut = random.below(bytes.size());
    const std::string_view all = bytes;
    ASSERT_EQ(crc32c(all.substr(cut), crc32c(all.substr(0, cut))), crc32c(all));
  }
}

// From Apache Kafka's UtilsTest.testMurmur2.
TEST(KafkaMurmur2, KnownValues) {
  EXPECT_EQ(static_cast<int32_t>(kafka_murmur2("21")), -973932308);
  EXPECT_EQ(static_cast<int32_t>(kafka_murmur2("foobar")), -790332482);
  EXPECT_EQ(static_cast<int32_t>(kafka_murmur2("a-little-bit-long-string")), -985981536);
  EXPECT_EQ(static_cast<int32_t>(kafka_murmur2("a-little-bit-longer-string")), -1486304829);
  EXPECT_EQ(static_cast<int32_t>(kafka_murmur2("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8")), -58897971);
  EXPECT_EQ(static_cast<int32_t>(kafka_murmur2("abc")), 479470107);
}

// XXH3-64 with seed 0; these values are on disk, so a change of library or flags must show here.
TEST(HashBytes, KnownValues) {
  EXPECT_EQ(hash_bytes(""), 0x2d06800538d394c2u);
  EXPECT_EQ(hash_bytes("a"), 0xe6c632b61e964e1fu);
  EXPECT_EQ(hash_bytes("abc"), 0x78af5f94892f3950u);
}

TEST(Mix64, IsTheFinalizerOfSplitMix64) {
  // The first outputs of SplitMix64 from seed 0 (Vigna's splitmix64.c).
  EXPECT_EQ(mix64(0x9e3779b97f4a7c15u), 0xe220a8397b1dcdafu);
  EXPECT_EQ(mix64(2 * 0x9e3779b97f4a7c15u), 0x6e789e6aa1b965f4u);
  EXPECT_EQ(mix64(3 * 0x9e3779b97f4a7c15u), 0x06c45d188009454fu);
}

TEST(VirtualNodes, KeysSpreadEvenly) {
  std::vector<int> counts(kVirtualNodes, 0);
  constexpr int kKeys = 256 * 1000;
  for (int key = 0; key < kKeys; ++key) ++counts[virtual_node_of(hash_bytes(std::to_string(key))).value];
  for (const int count : counts) {
    EXPECT_GT(count, 800);
    EXPECT_LT(count, 1200);
  }
}

}  // namespace
}  // namespace millrace
