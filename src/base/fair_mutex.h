// A mutex that is taken in the order of asking. For locks that one thread takes again and again in a loop, such as the
// step lock: with std::mutex that thread would nearly always win, and the others would wait for seconds.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>

namespace millrace {

class FairMutex {
 public:
  void lock() {
    std::unique_lock guard(mutex_);
    uint64_t mine = next_++;
    turn_.wait(guard, [&] { return serving_ == mine; });
  }
  /// False when its turn did not come in that time.
  template <typename Rep, typename Period>
  bool try_lock_for(const std::chrono::duration<Rep, Period>& timeout) {
    std::unique_lock guard(mutex_);
    uint64_t mine = next_++;
    if (turn_.wait_for(guard, timeout, [&] { return serving_ == mine; })) return true;
    gone_.insert(mine);
    return false;
  }
  void unlock() {
    {
      std::lock_guard guard(mutex_);
      ++serving_;
      while (gone_.erase(serving_) > 0) ++serving_;
    }
    turn_.notify_all();
  }

 private:
  std::mutex mutex_;  // guards all below
  std::condition_variable turn_;
  uint64_t next_ = 0;
  uint64_t serving_ = 0;
  std::set<uint64_t> gone_;  // turns that nobody waits for any more
};

}  // namespace millrace
