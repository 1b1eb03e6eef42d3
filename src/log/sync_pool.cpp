#include "log/sync_pool.h"

#include <algorithm>

#include "log/partition.h"

namespace millrace::log {

SyncPool::SyncPool(int32_t threads) {
  for (int32_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

SyncPool::~SyncPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void SyncPool::submit(Partition* partition) {
  {
    std::lock_guard lock(mutex_);
    if (std::find(queue_.begin(), queue_.end(), partition) != queue_.end()) return;
    queue_.push_back(partition);
  }
  changed_.notify_all();
}

void SyncPool::forget(Partition* partition) {
  std::unique_lock lock(mutex_);
  std::erase(queue_, partition);
  changed_.wait(lock, [&] { return std::find(working_.begin(), working_.end(), partition) == working_.end(); });
}

void SyncPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Partition* partition = queue_.front();
    queue_.pop_front();
    working_.push_back(partition);
    lock.unlock();
    partition->sync_queued();
    lock.lock();
    working_.erase(std::find(working_.begin(), working_.end(), partition));
    changed_.notify_all();
  }
}

}  // namespace millrace::log
