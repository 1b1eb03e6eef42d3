// SyncWatch: how long the syncs in progress have been running, so that a disk that hangs is seen by who must not wait
// for it. Any thread; no locks.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/env.h"

namespace millrace {

class SyncWatch {
 public:
  /// `clock` outlives it.
  explicit SyncWatch(Clock& clock) : clock_(clock) {
    for (auto& begin : begins_) begin.store(kFree, std::memory_order_relaxed);
  }

  /// One sync, from construction to destruction.
  class Running {
   public:
    explicit Running(SyncWatch& watch) : begin_(watch.take_place()) {}
    ~Running() {
      if (begin_ != nullptr) begin_->store(kFree, std::memory_order_release);
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    std::atomic<int64_t>* begin_;  // null: all places were taken
  };

  /// Of the oldest sync in progress; zero when there is none.
  Duration oldest() const {
    int64_t first = kFree;
    for (const auto& begin : begins_) first = std::min(first, begin.load(std::memory_order_acquire));
    return first == kFree ? Duration{} : Duration{std::max<int64_t>(clock_.monotonic().micros - first, 0)};
  }

 private:
  static constexpr int64_t kFree = INT64_MAX;
  // More at a time are not watched: while a disk hangs the places are taken by the oldest, which are what counts.
  static constexpr size_t kPlaces = 32;

  std::atomic<int64_t>* take_place() {
    const int64_t now = clock_.monotonic().micros;
    for (auto& begin : begins_) {
      int64_t free = kFree;
      if (begin.compare_exchange_strong(free, now, std::memory_order_acq_rel)) return &begin;
    }
    return nullptr;
  }

  Clock& clock_;
  std::array<std::atomic<int64_t>, kPlaces> begins_;
};

}  // namespace millrace
