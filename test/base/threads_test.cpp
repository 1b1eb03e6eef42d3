// BoundedQueue, ThreadPool and Metrics under several threads.
#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <set>
#include <thread>

#include "base/bounded_queue.h"
#include "base/metrics.h"
#include "base/thread_pool.h"

namespace millrace {
namespace {

TEST(BoundedQueue, BoundsItemsAndBytes) {
  BoundedQueue<int> queue(3, 100);
  int item = 1;
  EXPECT_EQ(queue.try_push(item, 60), PushOutcome::kTaken);
  EXPECT_EQ(queue.try_push(item, 41), PushOutcome::kFull);
  EXPECT_EQ(queue.try_push(item, 40), PushOutcome::kTaken);
  EXPECT_EQ(queue.try_push(item, 0), PushOutcome::kFull);  // no byte of room is left
  EXPECT_EQ(queue.bytes(), 100u);
  EXPECT_EQ(*queue.try_pop(), 1);
  EXPECT_EQ(queue.try_push(item, 0), PushOutcome::kTaken);
  EXPECT_EQ(queue.try_push(item, 0), PushOutcome::kTaken);
  EXPECT_EQ(queue.try_push(item, 0), PushOutcome::kFull);  // three items
}

TEST(BoundedQueue, AnItemOverTheBoundPassesAlone) {
  BoundedQueue<int> queue(10, 100);
  int item = 1;
  EXPECT_EQ(queue.try_push(item, 1000), PushOutcome::kTaken);
  EXPECT_EQ(queue.try_push(item, 1), PushOutcome::kFull);
  EXPECT_TRUE(queue.try_pop().has_value());
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(BoundedQueue, ATakenItemIsMovedAFullQueueLeavesIt) {
  BoundedQueue<std::string> queue(1, 100);
  std::string first(40, 'a');
  std::string second(40, 'b');
  EXPECT_EQ(queue.try_push(first), PushOutcome::kTaken);
  EXPECT_EQ(queue.try_push(second), PushOutcome::kFull);
  EXPECT_EQ(second, std::string(40, 'b'));
}

TEST(BoundedQueue, CloseWakesEverybodyAndDrains) {
  BoundedQueue<int> queue(1, 100);
  ASSERT_TRUE(queue.push(1));
  std::atomic<bool> refused{false};
  std::thread producer([&] { refused = !queue.push(2); });
  queue.close();
  producer.join();
  EXPECT_TRUE(refused);
  EXPECT_EQ(*queue.pop(), 1);
  EXPECT_FALSE(queue.pop().has_value());
  EXPECT_TRUE(queue.pop_some(10).empty());
  int item = 3;
  EXPECT_EQ(queue.try_push(item), PushOutcome::kClosed);
}

TEST(BoundedQueue, AConsumerThatWaitsIsWokenByClose) {
  BoundedQueue<int> queue(1, 100);
  std::atomic<bool> ended{false};
  std::thread consumer([&] { ended = !queue.pop().has_value(); });
  queue.close();
  consumer.join();
  EXPECT_TRUE(ended);
}

TEST(BoundedQueue, ManyThreadsLoseAndRepeatNothing) {
  constexpr int kProducers = 4;
  constexpr int kEach = 5000;
  BoundedQueue<int> queue(16, 200);
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (int i = 0; i < kEach; ++i) ASSERT_TRUE(queue.push(p * kEach + i, static_cast<size_t>(i % 50)));
    });
  }
  std::vector<int> seen[2];
  std::vector<std::thread> consumers;
  for (auto& mine : seen) {
    consumers.emplace_back([&queue, &mine] {
      while (true) {
        auto some = queue.pop_some(7);
        if (some.empty()) return;
        EXPECT_LE(some.size(), 7u);
        mine.insert(mine.end(), some.begin(), some.end());
      }
    });
  }
  for (auto& producer : producers) producer.join();
  queue.close();
  for (auto& consumer : consumers) consumer.join();
  std::vector<int> all = seen[0];
  all.insert(all.end(), seen[1].begin(), seen[1].end());
  std::sort(all.begin(), all.end());
  std::vector<int> expected(kProducers * kEach);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
}

TEST(ThreadPool, EveryWorkerRunsOnceARound) {
  for (const bool inline_only : {false, true}) {
    ThreadPool pool(3, inline_only);
    std::vector<int> runs(3, 0);  // plain ints: the pool's barrier is what makes this right
    for (int round = 0; round < 2000; ++round) {
      ASSERT_TRUE(pool.run_on_all([&](size_t worker) -> Status {
                        ++runs[worker];
                        return {};
                      })
                      .ok());
      for (const int count : runs) ASSERT_EQ(count, round + 1);
    }
  }
}

TEST(ThreadPool, WorkersSeeWhatOthersWroteInTheRoundBefore) {
  ThreadPool pool(2, false);
  std::vector<uint64_t> values{1, 1};
  for (int round = 0; round < 2000; ++round) {
    const std::vector<uint64_t> before = values;
    ASSERT_TRUE(pool.run_on_all([&](size_t worker) -> Status {
                      values[worker] = before[1 - worker] + before[worker];
                      return {};
                    })
                    .ok());
    ASSERT_EQ(values[0], before[0] + before[1]);
    ASSERT_EQ(values[1], before[0] + before[1]);
  }
}

TEST(ThreadPool, InlineRunsOnTheCallingThread) {
  ThreadPool pool(4, true);
  const auto self = std::this_thread::get_id();
  std::vector<size_t> order;
  ASSERT_TRUE(pool.run_on_all([&](size_t worker) -> Status {
                    EXPECT_EQ(std::this_thread::get_id(), self);
                    order.push_back(worker);
                    return {};
                  })
                  .ok());
  EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 3}));
}

TEST(ThreadPool, ThreadsAreDistinctAndWorkerZeroIsTheCaller) {
  ThreadPool pool(3, false);
  std::vector<std::thread::id> ids(3);
  ASSERT_TRUE(pool.run_on_all([&](size_t worker) -> Status {
                    ids[worker] = std::this_thread::get_id();
                    return {};
                  })
                  .ok());
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_EQ(std::set<std::thread::id>(ids.begin(), ids.end()).size(), 3u);
}

TEST(ThreadPool, TheLowestErrorCountsAndAllStillRun) {
  for (const bool inline_only : {false, true}) {
    ThreadPool pool(4, inline_only);
    std::atomic<int> runs{0};
    const Status status = pool.run_on_all([&](size_t worker) -> Status {
      ++runs;
      if (worker == 1 || worker == 3) return internal_error("worker " + std::to_string(worker));
      return {};
    });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().message, "worker 1");
    EXPECT_EQ(runs, 4);
    EXPECT_TRUE(pool.run_on_all([](size_t) -> Status { return {}; }).ok());
  }
}

TEST(ThreadPool, EndsWithoutHavingWorked) { const ThreadPool pool(4, false); }

TEST(Metrics, CountsAcrossThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      Counter& rows = metrics.counter("rows", "Rows.");
      Histogram& sizes = metrics.histogram("sizes", "Sizes.");
      for (int i = 0; i < 10000; ++i) {
        rows.add();
        sizes.record(static_cast<uint64_t>(i));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(metrics.counter("rows", "Rows.").value(), 40000u);
  EXPECT_EQ(metrics.histogram("sizes", "Sizes.").count(), 40000u);
}

}  // namespace
}  // namespace millrace
