#include "base/thread_pool.h"

namespace millrace {
namespace {

// A step lasts tens of microseconds, a futex wake-up about fifty. So waiters look for this many turns before they
// sleep.
constexpr int kSpins = 2000;

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Returns when `word` is no longer `old`.
void wait_while_equal(const std::atomic<uint32_t>& word, uint32_t old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (word.load(std::memory_order_acquire) != old) return;
    pause_briefly();
  }
  word.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(size_t workers, bool inline_only) : workers_(workers), errors_(workers) {
  MR_CHECK(workers > 0, "a pool has at least one worker");
  if (inline_only) return;
  threads_.reserve(workers - 1);
  for (size_t worker = 1; worker < workers; ++worker) threads_.emplace_back([this, worker] { worker_loop(worker); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::worker_loop(size_t worker) {
  for (uint32_t seen = 0;;) {
    wait_while_equal(round_, seen);
    seen = round_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return;
    if (Status status = (*work_)(worker); !status.ok()) errors_[worker] = std::move(status).error();
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_all();
  }
}

void ThreadPool::wait_for_workers() {
  for (uint32_t left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire)) {
    wait_while_equal(running_, left);
  }
}

Status ThreadPool::run_on_all(const std::function<Status(size_t)>& work) {
  for (auto& error : errors_) error.reset();
  const size_t own = workers_ - threads_.size();  // 1, or all of them when there are no threads
  if (!threads_.empty()) {
    work_ = &work;
    running_.store(static_cast<uint32_t>(threads_.size()), std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
  }
  for (size_t worker = 0; worker < own; ++worker) {
    if (Status status = work(worker); !status.ok()) errors_[worker] = std::move(status).error();
  }
  wait_for_workers();
  for (auto& error : errors_) {
    if (error) return std::move(*error);
  }
  return {};
}

}  // namespace millrace
