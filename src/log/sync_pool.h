// A few threads that sync partitions in parallel, when nobody waits for them one by one.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace millrace::log {

class Partition;

class SyncPool {
 public:
  explicit SyncPool(int32_t threads);
  /// Every partition must have been forgotten.
  ~SyncPool();
  SyncPool(const SyncPool&) = delete;
  SyncPool& operator=(const SyncPool&) = delete;

  /// Soon calls sync_queued() of the partition. Any number of calls before that count as one, so the queue is bounded
  /// by the number of partitions.
  void submit(Partition* partition);
  /// When this returns, no thread of the pool touches the partition any more.
  void forget(Partition* partition);

 private:
  void work();

  std::vector<std::thread> threads_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Partition*> queue_;     // guarded by mutex_; each at most once
  std::vector<Partition*> working_;  // guarded by mutex_
  bool stopping_ = false;            // guarded by mutex_
};

}  // namespace millrace::log
