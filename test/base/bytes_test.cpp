#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/simulated_env.h"

namespace millrace {
namespace {

std::string varint(uint64_t value) {
  std::string out;
  append_varint(out, value);
  return out;
}

std::string zigzag(int64_t value) {
  std::string out;
  append_zigzag(out, value);
  return out;
}

TEST(Bytes, KnownVarints) {
  EXPECT_EQ(varint(0), std::string("\0", 1));
  EXPECT_EQ(varint(127), "\x7f");
  EXPECT_EQ(varint(128), "\x80\x01");
  EXPECT_EQ(varint(300), "\xac\x02");  // the example of Protocol Buffers' encoding page
  EXPECT_EQ(varint(UINT64_MAX), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  EXPECT_EQ(zigzag(0), std::string("\0", 1));
  EXPECT_EQ(zigzag(-1), "\x01");
  EXPECT_EQ(zigzag(1), "\x02");
  EXPECT_EQ(zigzag(-64), "\x7f");
  EXPECT_EQ(zigzag(64), "\x80\x01");
  EXPECT_EQ(zigzag(INT64_MIN), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}

TEST(Bytes, IntegersOfBothOrders) {
  std::string out;
  append_big<uint32_t>(out, 0x01020304);
  append_little<uint32_t>(out, 0x01020304);
  append_big<int16_t>(out, -2);
  append_big<uint64_t>(out, 0x0102030405060708);
  append_little<uint8_t>(out, 9);
  EXPECT_EQ(out, std::string("\1\2\3\4\4\3\2\1\xff\xfe\1\2\3\4\5\6\7\x08\x09", 19));
  ByteReader reader(out);
  EXPECT_EQ(*reader.big<uint32_t>(), 0x01020304u);
  EXPECT_EQ(*reader.little<uint32_t>(), 0x01020304u);
  EXPECT_EQ(*reader.big<int16_t>(), -2);
  EXPECT_EQ(*reader.big<uint64_t>(), 0x0102030405060708u);
  EXPECT_EQ(*reader.little<uint8_t>(), 9);
  EXPECT_TRUE(reader.done());
}

TEST(Bytes, RandomValuesRoundTrip) {
  SeededRandom random(1);
  std::string out;
  std::vector<uint64_t> values;
  for (int i = 0; i < 10000; ++i) values.push_back(random.next() >> random.below(64));
  for (const uint64_t value : values) {
    append_varint(out, value);
    append_zigzag(out, static_cast<int64_t>(value));
    append_zigzag(out, -static_cast<int64_t>(value));
    append_string(out, std::to_string(value));
  }
  ByteReader reader(out);
  for (const uint64_t value : values) {
    ASSERT_EQ(*reader.varint(), value);
    ASSERT_EQ(*reader.zigzag(), static_cast<int64_t>(value));
    ASSERT_EQ(*reader.zigzag(), -static_cast<int64_t>(value));
    ASSERT_EQ(*reader.string(), std::to_string(value));
  }
  EXPECT_TRUE(reader.done());
}

TEST(ByteReader, EveryShortReadIsAnError) {
  EXPECT_EQ(ByteReader("").varint().error().code, sqlstate::kDataCorrupted);
  EXPECT_FALSE(ByteReader("\x80").varint().ok());
  EXPECT_FALSE(ByteReader("\xff\xff").zigzag().ok());
  EXPECT_FALSE(ByteReader("abc").little<uint32_t>().ok());
  EXPECT_FALSE(ByteReader("abc").bytes(4).ok());
  EXPECT_FALSE(ByteReader("\x05"
                          "abcd")
                   .string()
                   .ok());
  EXPECT_FALSE(ByteReader(varint(UINT64_MAX) + "abc").string().ok());
  EXPECT_EQ(*ByteReader("\x04"
                        "abcd")
                 .string(),
            "abcd");
}

TEST(ByteReader, VarintsLongerThan64BitsAreErrors) {
  EXPECT_FALSE(ByteReader("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02").varint().ok());
  EXPECT_FALSE(ByteReader("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01").varint().ok());
  EXPECT_EQ(*ByteReader("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").varint(), UINT64_MAX);
}

TEST(ByteReader, RandomBytesNeverReadPastTheEnd) {
  SeededRandom random(2);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(random.below(24), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.next());
    const std::string exact(bytes);  // its own allocation, so that a sanitizer sees a read past the end
    ByteReader reader(exact);
    bool going = true;
    while (going && !reader.done()) {
      const size_t before = reader.remaining();
      switch (random.below(4)) {
        case 0: going = reader.varint().ok(); break;
        case 1: going = reader.zigzag().ok(); break;
        case 2: going = reader.string().ok(); break;
        default: going = reader.big<uint64_t>().ok();
      }
      ASSERT_LE(reader.remaining(), before);
    }
  }
}

}  // namespace
}  // namespace millrace
