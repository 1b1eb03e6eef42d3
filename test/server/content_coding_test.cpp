#include "server/content_coding.h"

#include <gtest/gtest.h>

#include "compressed.h"

namespace millrace::server {
namespace {

constexpr uint64_t kLimit = 1 << 20;

struct Case {
  ContentCoding coding;
  std::string (*pack)(std::string_view);
};
const Case kCases[] = {{ContentCoding::kGzip, gzip}, {ContentCoding::kZstd, zstd}};

std::string outcome(ContentCoding coding, std::string_view body, uint64_t limit = kLimit) {
  ByteBudget::Claim claim;
  auto unpacked = unpack(coding, body, limit, claim);
  return unpacked.ok() ? *unpacked : unpacked.error().code;
}

std::string varied_text(size_t size) {
  std::string text;
  uint64_t state = 1;
  while (text.size() < size)
    text += std::to_string(state = state * 6364136223846793005ULL + 1442695040888963407ULL) + "\n";
  text.resize(size);
  return text;
}

TEST(ContentCoding, Names) {
  EXPECT_EQ(*parse_content_coding(""), ContentCoding::kIdentity);
  EXPECT_EQ(*parse_content_coding(" GZip "), ContentCoding::kGzip);
  EXPECT_EQ(*parse_content_coding("zstd"), ContentCoding::kZstd);
  for (const char* name : {"br", "deflate", "gzip, zstd"}) EXPECT_FALSE(parse_content_coding(name).ok()) << name;
}

TEST(ContentCoding, RoundTrip) {
  for (const Case& one : kCases) {
    for (size_t size : {0, 1, 1000, 300000, 1 << 20}) {
      std::string text = varied_text(size);
      EXPECT_EQ(outcome(one.coding, one.pack(text)), text) << size;
    }
    EXPECT_EQ(outcome(one.coding, one.pack("one ") + one.pack("two")), "one two") << "several in a row";
  }
}

TEST(ContentCoding, EveryCutIsAnError) {
  for (const Case& one : kCases) {
    std::string packed = one.pack(varied_text(2000));
    for (size_t size = 0; size < packed.size(); ++size) {
      EXPECT_EQ(outcome(one.coding, std::string_view(packed).substr(0, size)), sqlstate::kInvalidText) << size;
    }
  }
}

TEST(ContentCoding, DamageIsAnErrorAndNeverMoreThanThat) {
  std::string text = varied_text(3000);
  for (const Case& one : kCases) {
    std::string packed = one.pack(text);
    for (size_t at = 0; at < packed.size(); ++at) {
      std::string damaged = packed;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x5a);
      std::string got = outcome(one.coding, damaged);
      EXPECT_TRUE(got == text || got == sqlstate::kInvalidText || got == sqlstate::kTooLarge) << at;
    }
    EXPECT_EQ(outcome(one.coding, "this is not packed"), sqlstate::kInvalidText);
  }
}

TEST(ContentCoding, Limit) {
  for (const Case& one : kCases) {
    std::string packed = one.pack(std::string(kLimit, 'a'));
    EXPECT_EQ(outcome(one.coding, packed, kLimit).size(), kLimit);
    EXPECT_EQ(outcome(one.coding, packed, kLimit - 1), sqlstate::kTooLarge);
  }
}

TEST(ContentCoding, ABombTakesNoMoreThanTheBudget) {
  for (const Case& one : kCases) {
    std::string bomb = one.pack(std::string(200 << 20, '\0'));
    ASSERT_LT(bomb.size(), 1u << 20);
    ByteBudget budget(8 << 20);
    ByteBudget::Claim claim(budget);
    auto unpacked = unpack(one.coding, bomb, 1 << 30, claim);
    ASSERT_FALSE(unpacked.ok());
    EXPECT_EQ(unpacked.error().code, sqlstate::kUnavailable);
    EXPECT_EQ(outcome(one.coding, bomb, 4 << 20), sqlstate::kTooLarge);
  }
}

TEST(ByteBudget, IsGivenBack) {
  ByteBudget budget(100);
  {
    ByteBudget::Claim claim(budget);
    EXPECT_TRUE(claim.add(60));
    ByteBudget::Claim other(budget);
    EXPECT_FALSE(other.add(41));
    EXPECT_TRUE(other.grow_to(40));
    ByteBudget::Claim moved = std::move(claim);
    EXPECT_EQ(budget.taken(), 100u);
  }
  EXPECT_EQ(budget.taken(), 0u);
}

}  // namespace
}  // namespace millrace::server
