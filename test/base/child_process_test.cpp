// A child is heard line by line, killed, and does not outlive us.
#include "base/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>

namespace millrace {
namespace {

constexpr Duration kLong{int64_t{60} * 1000000};

std::unique_ptr<ChildProcess> shell(const std::string& text) {
  auto child = ChildProcess::start("/bin/sh", {"-c", text});
  EXPECT_TRUE(child.ok()) << render(child.error());
  return child.ok() ? std::move(*child) : nullptr;
}

std::string next_line(ChildProcess& child) {
  auto line = child.read_line(kLong);
  if (!line.ok()) return "error: " + render(line.error());
  return *line ? **line : "end";
}

TEST(ChildProcess, IsHeardLineByLine) {
  auto child = shell("echo one; echo; printf 'no end'");
  EXPECT_EQ(next_line(*child), "one");
  EXPECT_EQ(next_line(*child), "");
  EXPECT_EQ(next_line(*child), "no end");
  EXPECT_EQ(next_line(*child), "end");
}

TEST(ChildProcess, IsKilledWhateverItDoes) {
  auto child = shell("trap '' TERM INT HUP; echo $$; while :; do read x || :; done");
  const pid_t pid = std::stoi(next_line(*child));
  EXPECT_EQ(kill(pid, 0), 0);
  EXPECT_TRUE(child->kill().ok());
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
  EXPECT_TRUE(child->kill().ok());
  EXPECT_EQ(next_line(*child), "end");
}

TEST(ChildProcess, GoesWithItsObject) {
  auto child = shell("echo $$; exec cat");
  const pid_t pid = std::stoi(next_line(*child));
  child.reset();
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(ChildProcess, FailsWithAReason) {
  EXPECT_FALSE(ChildProcess::start("/nowhere/program", {}).ok());
  auto child = shell("exec cat");
  EXPECT_EQ(child->read_line(Duration{1000}).error().code, sqlstate::kUnavailable);
}

}  // namespace
}  // namespace millrace
