// The newest marked batches of a partition: which request (by the hash of its Idempotency-Key) is stored where.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "log/partition.h"
#include "log/segment_format.h"

namespace millrace::log {

inline OffsetRange range_of(const IdempotencyMark& mark) {
  return {mark.first, Offset{mark.first.value + mark.record_count - 1}};
}

/// Not synchronized.
class IdempotencyWindow {
 public:
  explicit IdempotencyWindow(size_t capacity) : capacity_(capacity) {}

  void add(const IdempotencyMark& mark) {
    if (capacity_ == 0) return;
    if (order_.size() == capacity_) {
      auto oldest = ranges_.find(order_.front().hash);
      if (oldest != ranges_.end() && oldest->second.first == order_.front().first) ranges_.erase(oldest);
      order_.pop_front();
    }
    order_.push_back(mark);
    ranges_.insert_or_assign(mark.hash, range_of(mark));
  }

  std::optional<OffsetRange> find(uint64_t hash) const {
    auto found = ranges_.find(hash);
    if (found == ranges_.end()) return std::nullopt;
    return found->second;
  }

  /// Forgets all at and behind `end`.
  void cut(Offset end) {
    while (!order_.empty() && order_.back().first >= end) {
      ranges_.erase(order_.back().hash);
      order_.pop_back();
    }
  }

 private:
  size_t capacity_;
  std::deque<IdempotencyMark> order_;  // oldest first
  std::unordered_map<uint64_t, OffsetRange> ranges_;
};

}  // namespace millrace::log
