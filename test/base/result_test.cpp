#include "base/display.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace millrace {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return user_error(sqlstate::kInvalidParameter, "odd: " + std::to_string(value));
  return value / 2;
}

Result<int> quarter(int value) {
  MR_ASSIGN(const int once, half(value));
  MR_ASSIGN(const int twice, half(once));
  return twice;
}

Status must_be_even(int value) {
  MR_TRY(half(value));
  return {};
}

TEST(Result, CarriesValueOrError) {
  EXPECT_EQ(*quarter(12), 3);
  const auto failed = quarter(6);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message, "odd: 3");
  EXPECT_EQ(failed.error().fault, Fault::kUser);
  EXPECT_TRUE(must_be_even(2).ok());
  EXPECT_FALSE(must_be_even(3).ok());
}

TEST(Result, MovesValuesThatCannotBeCopied) {
  auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  auto use = [&]() -> Result<int> {
    MR_ASSIGN(auto owned, make());
    return *owned;
  };
  EXPECT_EQ(*use(), 7);
}

TEST(Error, ErrnoDecidesCodeAndRetry) {
  const Error full = errno_error("write data/log", ENOSPC);
  EXPECT_EQ(full.code, sqlstate::kDiskFull);
  EXPECT_EQ(full.retry, Retry::kBackoff);
  EXPECT_EQ(full.message, "write data/log: No space left on device");
  EXPECT_EQ(errno_error("open x", ENOENT).code, sqlstate::kUndefinedFile);
  EXPECT_EQ(errno_error("open x", EROFS).code, sqlstate::kReadOnly);
  EXPECT_EQ(errno_error("listen", EADDRINUSE).code, sqlstate::kObjectInUse);
  EXPECT_EQ(errno_error("connect", ECONNREFUSED).retry, Retry::kBackoff);
  EXPECT_EQ(errno_error("read x", EIO).code, sqlstate::kIoError);
}

TEST(Error, Builders) {
  const Error error = user_error("42601", "unexpected )").within("line").with_hint("Remove it.").at({3, 2});
  EXPECT_EQ(error.message, "line: unexpected )");
  EXPECT_EQ(error.hint, "Remove it.");
  ASSERT_TRUE(error.position.has_value());
  EXPECT_EQ(error.position->offset, 3u);
}

TEST(Render, PutsTheCaretUnderTheSpan) {
  const std::string text = "SELECT a\nFROM plays\nWHERE tittle = 1;";
  const Error error = user_error("42703", "no such column: tittle").at({26, 6}).with_hint("Did you mean title?");
  EXPECT_EQ(render(error, text),
            "no such column: tittle\n"
            "LINE 3: WHERE tittle = 1;\n"
            "              ^^^^^^\n"
            "HINT: Did you mean title?");
}

TEST(Render, CountsColumnsNotBytes) {
  const Error error = user_error("42601", "bad").at({13, 1});
  EXPECT_EQ(render(error, "\tSELECT 'é' x"), "bad\nLINE 1:  SELECT 'é' x\n                    ^");
  const Error wide = user_error("42601", "bad").at({16, 1});
  EXPECT_EQ(render(wide, "SELECT '寿司' x"), "bad\nLINE 1: SELECT '寿司' x\n                      ^");
}

TEST(Render, CutsALongLineAroundTheCaret) {
  std::string text(207, 'b');
  text.replace(0, 107, std::string(100, 'a').append(" WRONG "));
  const Error error = user_error("42601", "bad").at({101, 5});
  EXPECT_EQ(render(error, text, 50),
            "bad\nLINE 1: …" + std::string(27, 'a') + " WRONG bbbbbb…\n" + std::string(37, ' ') + "^^^^^");
  const Error early = user_error("42601", "bad").at({0, 200});
  EXPECT_EQ(render(early, text, 50), "bad\nLINE 1: " + std::string(41, 'a') + "…\n        " + std::string(42, '^'));
}

TEST(Render, StaysInsideTheText) {
  const Error beyond = user_error("42601", "ends too early").at({900, 5});
  EXPECT_EQ(render(beyond, "SELECT"), "ends too early\nLINE 1: SELECT\n              ^");
  EXPECT_EQ(render(beyond, ""), "ends too early");
  const Error at_newline = user_error("42601", "bad").at({2, 1});
  EXPECT_EQ(render(at_newline, "ab\ncd"), "bad\nLINE 1: ab\n          ^");
  const Error long_span = user_error("42601", "bad").at({1, UINT64_MAX});
  EXPECT_EQ(render(long_span, "abc\ncd"), "bad\nLINE 1: abc\n         ^^");
}

TEST(CheckDeathTest, AbortsWithItsPlace) {
  EXPECT_DEATH(MR_CHECK(1 + 1 == 3, "sums are off"), "result_test.cpp.*1 \\+ 1 == 3.*sums are off");
}

}  // namespace
}  // namespace millrace
