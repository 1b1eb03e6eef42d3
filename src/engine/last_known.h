// What somebody who only looks gets while a commit holds the locks and its disk does not come back: the last answer.
//
// LookLock waits as long as the disk works, and gives up when a sync hangs. Of all that look at most one waits in the
// locks behind it, so that a few threads can always answer.
#pragma once

#include <chrono>
#include <mutex>
#include <utility>

#include "base/env.h"
#include "base/fair_mutex.h"

namespace millrace::engine {

/// A sync that takes longer than this hangs, for who looks.
inline constexpr Duration kLookPatience = Duration::from_seconds(1);

class LookLock {
 public:
  /// `looks`: of all that look. Then `lock`.
  LookLock(FileSystem& files, FairMutex& looks, FairMutex& lock) : looks_(looks), lock_(lock) {
    has_looks_ = wait_for(files, looks_);
    has_lock_ = has_looks_ && wait_for(files, lock_);
  }
  ~LookLock() {
    release_lock();
    if (has_looks_) looks_.unlock();
  }
  LookLock(const LookLock&) = delete;
  LookLock& operator=(const LookLock&) = delete;

  bool has_lock() const { return has_lock_; }
  /// Gives back `lock`, and keeps the other until the end.
  void release_lock() {
    if (has_lock_) lock_.unlock();
    has_lock_ = false;
  }

 private:
  static bool wait_for(FileSystem& files, FairMutex& mutex) {
    while (!mutex.try_lock_for(std::chrono::milliseconds(100))) {
      if (files.oldest_sync() > kLookPatience) return false;
    }
    return true;
  }

  FairMutex& looks_;
  FairMutex& lock_;
  bool has_looks_ = false;
  bool has_lock_ = false;
};

/// The last value, and when it was true. Any thread.
template <typename T>
class LastKnown {
 public:
  void set(T value, Duration now) {
    std::lock_guard guard(mutex_);
    value_ = std::move(value);
    at_ = now;
  }
  /// With its age; T() when there is none yet.
  std::pair<T, Duration> get(Duration now) const {
    std::lock_guard guard(mutex_);
    return {value_, Duration{now.micros - at_.micros}};
  }

 private:
  mutable std::mutex mutex_;
  T value_{};    // guarded by mutex_
  Duration at_;  // by the monotonic clock; guarded by mutex_
};

}  // namespace millrace::engine
