// A mutex that is taken in the order of asking. For locks that one thread takes again and again in a loop, such as the
// step lock: with std::mutex that thread would nearly always win, and the others would wait for seconds.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace millrace {

class FairMutex {
 public:
  void lock() {
    std::unique_lock guard(mutex_);
    uint64_t mine = next_++;
    turn_.wait(guard, [&] { return serving_ == mine; });
  }
  void unlock() {
    {
      std::lock_guard guard(mutex_);
      ++serving_;
    }
    turn_.notify_all();
  }

 private:
  std::mutex mutex_;  // guards all below
  std::condition_variable turn_;
  uint64_t next_ = 0;
  uint64_t serving_ = 0;
};

}  // namespace millrace
