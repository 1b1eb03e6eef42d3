// The commit protocol explored whole, and each of its rules shown to be needed.
#include "commit_model.h"

#include <gtest/gtest.h>

namespace millrace::engine {
namespace {

constexpr uint32_t kDepth = 32;

std::string story(const Exploration& found) {
  std::string text = found.broken + ":";
  for (const std::string& move : found.trace) text += " " + move + ";";
  return text;
}

TEST(CommitModel, EveryInterleavingDeliversExactlyOnce) {
  Exploration found = explore(Protocol(), kDepth, 3, 3);
  EXPECT_EQ(found.broken, "") << story(found);
  EXPECT_GT(found.worlds, 10'000U);
  RecordProperty("worlds", std::to_string(found.worlds));
}

struct Mistake {
  const char* name;
  bool Protocol::*rule;
};

class CommitModelMistake : public ::testing::TestWithParam<Mistake> {};

TEST_P(CommitModelMistake, IsFound) {
  Protocol protocol;
  protocol.*GetParam().rule = false;
  Exploration found = explore(protocol, kDepth, 3, 3);
  EXPECT_NE(found.broken, "") << "nothing breaks without this rule, in " << found.worlds << " worlds";
}

INSTANTIATE_TEST_SUITE_P(
    Rules, CommitModelMistake,
    ::testing::Values(Mistake{"changelog_synced_before_commit", &Protocol::changelog_synced_before_commit},
                      Mistake{"recovery_cuts_to_the_commit", &Protocol::recovery_cuts_to_the_commit},
                      Mistake{"sink_reads_committed_only", &Protocol::sink_reads_committed_only},
                      Mistake{"position_in_the_transaction", &Protocol::position_in_the_transaction},
                      Mistake{"unknown_outcome_is_looked_up", &Protocol::unknown_outcome_is_looked_up},
                      Mistake{"destination_compares_position", &Protocol::destination_compares_position}),
    [](const auto& mistake) { return mistake.param.name; });

}  // namespace
}  // namespace millrace::engine
