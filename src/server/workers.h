// Workers: threads that run jobs which wait, behind a bounded queue.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"

namespace millrace::server {

class Workers {
 public:
  using Job = std::function<void()>;

  Workers(size_t threads, size_t queued_max) : jobs_(queued_max, SIZE_MAX) {
    for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  }
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// False when the queue is full or closed. Any thread.
  bool try_post(Job job) { return jobs_.try_push(job) == PushOutcome::kTaken; }
  /// Takes no more jobs; those taken still run. Any thread.
  void close() { jobs_.close(); }
  /// Closes and waits for the jobs that were taken, and for what they hold. The owner's thread.
  void stop() {
    close();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    std::unique_lock lock(mutex_);
    released_.wait(lock, [&] { return held_ == 0; });
  }

  /// A job may begin what another thread ends: between hold and release, stop() waits. Any thread; release is the last
  /// thing that the other thread does with what belongs to the owner.
  void hold() {
    std::lock_guard lock(mutex_);
    ++held_;
  }
  void release() {
    std::lock_guard lock(mutex_);
    if (--held_ == 0) released_.notify_all();
  }

 private:
  void run() {
    while (auto job = jobs_.pop()) (*job)();
  }

  BoundedQueue<Job> jobs_;
  std::vector<std::thread> threads_;

  std::mutex mutex_;
  std::condition_variable released_;
  size_t held_ = 0;  // guarded by mutex_
};

}  // namespace millrace::server
