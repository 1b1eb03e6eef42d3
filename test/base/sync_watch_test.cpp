#include "base/sync_watch.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/simulated_env.h"

namespace millrace {
namespace {

TEST(SyncWatch, TellsTheAgeOfTheOldest) {
  SimulatedEnv env(1);
  SyncWatch watch(env.clock());
  EXPECT_EQ(watch.oldest().micros, 0);
  auto first = std::make_unique<SyncWatch::Running>(watch);
  env.clock().sleep_for(Duration::from_seconds(3));
  const SyncWatch::Running second(watch);
  env.clock().sleep_for(Duration::from_seconds(2));
  EXPECT_EQ(watch.oldest().micros, 5000000);
  first.reset();
  EXPECT_EQ(watch.oldest().micros, 2000000);
}

TEST(SyncWatch, MoreThanItHasPlacesForAreNotSeen) {
  SimulatedEnv env(1);
  SyncWatch watch(env.clock());
  {
    std::vector<std::unique_ptr<SyncWatch::Running>> many;
    for (int i = 0; i < 100; ++i) many.push_back(std::make_unique<SyncWatch::Running>(watch));
    env.clock().sleep_for(Duration::from_seconds(1));
    EXPECT_EQ(watch.oldest().micros, 1000000);
  }
  EXPECT_EQ(watch.oldest().micros, 0);
}

}  // namespace
}  // namespace millrace
