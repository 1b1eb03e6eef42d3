#include "connectors/playback/malformed.h"

#include <gtest/gtest.h>

#include <set>

#include "playback/playback_run.h"

namespace millrace::connectors::playback {
namespace {

TEST(Malformed, EveryKindIsOneLineAndNoEvent) {
  ASSERT_GE(malformed_kinds(), 60u);
  std::set<std::string> lines;
  for (size_t kind = 0; kind < malformed_kinds(); ++kind) {
    const std::string line = malformed_line(kind, kind + 1);
    EXPECT_EQ(line.find('\n'), std::string::npos) << malformed_name(kind);
    EXPECT_EQ(line.find('\r'), std::string::npos) << malformed_name(kind);
    ASSERT_FALSE(line.empty());
    EXPECT_NE(line[0], '[') << malformed_name(kind);
    EXPECT_LT(line.size(), 512u) << malformed_name(kind);
    EXPECT_FALSE(read_event(line).has_value()) << malformed_name(kind) << ": " << line;
    EXPECT_TRUE(lines.insert(line).second) << malformed_name(kind) << " equals another kind";
  }
}

TEST(Malformed, TheLineBehindThemIsAnEvent) {
  // So each of them is refused for its own fault. Only the block comment appends and nothing else.
  const std::string line = malformed_line(0, 7);
  EXPECT_EQ(line, "{");
  for (size_t kind = 0; kind < malformed_kinds(); ++kind) {
    if (malformed_name(kind) != "a block comment") continue;
    const std::string commented = malformed_line(kind, 7);
    const auto event = read_event(commented.substr(0, commented.find(" /*")));
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->session_id, "m000000007");
    return;
  }
  FAIL() << "no block comment";
}

TEST(Malformed, KindsAreCycled) {
  EXPECT_EQ(malformed_line(malformed_kinds() + 3, 9), malformed_line(3, 9));
  EXPECT_NE(malformed_line(3, 9), malformed_line(3, 10));
}

}  // namespace
}  // namespace millrace::connectors::playback
