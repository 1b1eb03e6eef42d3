// A fixed set of workers that run one function together: the engine's workers, each on its range of virtual nodes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"

namespace millrace {

/// Worker 0 is the thread that calls run_on_all; the others are threads of the pool. One thread at a time may call.
class ThreadPool {
 public:
  /// `inline_only` (simulation) runs the workers one after another on the calling thread and starts no thread.
  ThreadPool(size_t workers, bool inline_only);
  /// Waits for the threads; run_on_all must not be running.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t workers() const { return workers_; }

  /// Calls `work(0)` … `work(workers − 1)`, each once, and returns when all have returned; all of them run even when
  /// one fails. The result is the error of the lowest worker that has one. What a worker wrote before it returned is
  /// visible to all workers of the next call. `work` must not wait for another worker of the same call: they may run in
  /// turn.
  Status run_on_all(const std::function<Status(size_t worker)>& work);

 private:
  void worker_loop(size_t worker);
  void wait_for_workers();

  const size_t workers_;
  const std::function<Status(size_t)>* work_ = nullptr;  // set before round_ moves, read after
  std::vector<std::optional<Error>> errors_;             // one place a worker
  std::atomic<uint32_t> round_{0};                       // moves when there is work, or at the end
  std::atomic<uint32_t> running_{0};                     // pool threads that have not finished the round
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace millrace
