// How much a start may have to replay is bound by what steps change, and not by how long they took.
#include "engine/replay_bound.h"

#include <gtest/gtest.h>

namespace millrace::engine {
namespace {

constexpr uint64_t kMost = 16 << 20;

TEST(ReplayBound, SaysNothingWhileTheCacheHoldsWhatIsStored) {
  ReplayBound bound;
  bound.stepped(kMost, 100 << 20);
  EXPECT_EQ(bound.step_bytes(kMost), kMost);
  EXPECT_FALSE(bound.wants_checkpoint());
}

TEST(ReplayBound, TheFirstStepsAfterAStartAreSmallAndGrow) {
  ReplayBound bound;
  bound.restarted(false, 0);
  EXPECT_EQ(bound.step_bytes(kMost), ReplayBound::kStepBytesMin);
  uint64_t dirty = 0;
  for (int step = 0; step < 50; ++step) {
    const uint64_t taken = bound.step_bytes(kMost);
    dirty += taken / 100;
    bound.stepped(taken, dirty);
  }
  EXPECT_EQ(bound.step_bytes(kMost), kMost) << "steps that change little may be large";
}

TEST(ReplayBound, NeitherAStepNorWhatComesBeforeACheckpointChangesMuchMore) {
  ReplayBound bound;
  bound.restarted(false, 0);
  uint64_t dirty = 0, most = 0;
  for (int step = 0; step < 200; ++step) {
    const uint64_t taken = bound.step_bytes(kMost);
    dirty += taken * (step < 100 ? 1 : 3);  // rows come that change three times as much
    bound.stepped(taken, dirty);
    if (step != 100) most = std::max(most, dirty);
    if (!bound.wants_checkpoint()) continue;
    bound.checkpointed(false);
    dirty = 0;
  }
  EXPECT_LE(most, 2 * ReplayBound::kDirtyBytesMax + (1 << 20));
  EXPECT_GE(bound.step_bytes(kMost), ReplayBound::kDirtyBytesMax / 4) << "nor are steps smaller than they must be";
}

TEST(ReplayBound, AFewRowsDoNotDecide) {
  ReplayBound bound;
  bound.checkpointed(false);
  for (int step = 0; step < 50; ++step) bound.stepped(1 << 20, 0);
  const uint64_t before = bound.step_bytes(kMost);
  bound.stepped(100, 10000);
  EXPECT_GE(bound.step_bytes(kMost), before / 2);
}

}  // namespace
}  // namespace millrace::engine
