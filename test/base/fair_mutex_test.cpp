#include "base/fair_mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace millrace {
namespace {

TEST(FairMutex, Excludes) {
  FairMutex mutex;
  int counter = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        std::lock_guard guard(mutex);
        ++counter;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counter, 8000);
}

TEST(FairMutex, TurnsThatWereGivenUpAreSkipped) {
  FairMutex mutex;
  mutex.lock();
  EXPECT_FALSE(mutex.try_lock_for(std::chrono::milliseconds(1)));
  std::thread waits([&] { std::lock_guard guard(mutex); });
  EXPECT_FALSE(mutex.try_lock_for(std::chrono::milliseconds(1)));
  mutex.unlock();
  waits.join();
  EXPECT_TRUE(mutex.try_lock_for(std::chrono::milliseconds(1)));
  mutex.unlock();
  mutex.lock();
  mutex.unlock();
}

}  // namespace
}  // namespace millrace
