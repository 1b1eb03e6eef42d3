// A queue between threads that holds at most so many items and bytes; first in, first out.
//
// Any number of producers and consumers. A full queue makes producers wait (push) or says so (try_push): that is where
// back-pressure comes from, so no queue in this program is without a bound. After close() pushes fail, and consumers
// get what is left, then nothing.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/time.h"

namespace millrace {

enum class PushOutcome : uint8_t { kTaken, kFull, kClosed };

template <typename T>
class BoundedQueue {
 public:
  /// Both bounds are at least 1. An item larger than `bytes_max` is still taken by an empty queue, so that it can pass.
  BoundedQueue(size_t items_max, size_t bytes_max) : items_max_(items_max), bytes_max_(bytes_max) {}
  BoundedQueue(const BoundedQueue&) = delete;
  BoundedQueue& operator=(const BoundedQueue&) = delete;

  /// Waits for room. False when the queue is or becomes closed; the item is then dropped.
  bool push(T item, size_t bytes = 0) {
    std::unique_lock lock(mutex_);
    has_room_.wait(lock, [&] { return closed_ || has_room_for(bytes); });
    if (closed_) return false;
    take(std::move(item), bytes, lock);
    return true;
  }

  /// Never waits. `item` is moved from only when it is taken.
  PushOutcome try_push(T& item, size_t bytes = 0) {
    std::unique_lock lock(mutex_);
    if (closed_) return PushOutcome::kClosed;
    if (!has_room_for(bytes)) return PushOutcome::kFull;
    take(std::move(item), bytes, lock);
    return PushOutcome::kTaken;
  }

  /// Waits for an item; nothing when the queue is closed and empty.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    has_items_.wait(lock, [&] { return closed_ || !items_.empty(); });
    return take_front(lock);
  }

  /// Waits for an item, at most `timeout`; nothing then, or when the queue is closed and empty.
  std::optional<T> pop_for(Duration timeout) {
    std::unique_lock lock(mutex_);
    has_items_.wait_for(lock, std::chrono::microseconds(timeout.micros), [&] { return closed_ || !items_.empty(); });
    return take_front(lock);
  }

  /// Never waits.
  std::optional<T> try_pop() {
    std::unique_lock lock(mutex_);
    return take_front(lock);
  }

  /// Waits for an item and takes up to `count` of those that are there; empty when the queue is closed and empty.
  std::vector<T> pop_some(size_t count) {
    std::unique_lock lock(mutex_);
    has_items_.wait(lock, [&] { return closed_ || !items_.empty(); });
    std::vector<T> taken;
    while (!items_.empty() && taken.size() < count) {
      taken.push_back(std::move(items_.front().first));
      bytes_ -= items_.front().second;
      items_.pop_front();
    }
    lock.unlock();
    has_room_.notify_all();
    return taken;
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    has_room_.notify_all();
    has_items_.notify_all();
  }

  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  size_t size() const {
    const std::lock_guard lock(mutex_);
    return items_.size();
  }
  size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  bool has_room_for(size_t bytes) const {
    if (items_.empty()) return true;
    return items_.size() < items_max_ && bytes_ < bytes_max_ && bytes <= bytes_max_ - bytes_;
  }

  void take(T item, size_t bytes, std::unique_lock<std::mutex>& lock) {
    items_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
    lock.unlock();
    has_items_.notify_one();
  }

  std::optional<T> take_front(std::unique_lock<std::mutex>& lock) {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front().first));
    bytes_ -= items_.front().second;
    items_.pop_front();
    lock.unlock();
    has_room_.notify_all();  // producers wait for different amounts of room, so all must look
    return item;
  }

  const size_t items_max_;
  const size_t bytes_max_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable has_room_;
  std::condition_variable has_items_;
  std::deque<std::pair<T, size_t>> items_;
  size_t bytes_ = 0;
  bool closed_ = false;
};

}  // namespace millrace
