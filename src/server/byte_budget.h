// ByteBudget: how many bytes of request bodies may be in memory at once, over all connections. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace millrace::server {

class ByteBudget {
 public:
  explicit ByteBudget(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  /// A part of the budget, given back when it goes. The budget must outlive it. One thread at a time.
  class Claim {
   public:
    Claim() = default;
    explicit Claim(ByteBudget& budget) : budget_(&budget) {}
    Claim(Claim&& other) noexcept : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
    Claim& operator=(Claim&& other) noexcept {
      if (this == &other) return *this;
      release();
      budget_ = other.budget_;
      bytes_ = std::exchange(other.bytes_, 0);
      return *this;
    }
    ~Claim() { release(); }

    /// Takes `bytes` more; false, and nothing taken, when the budget does not have them. A claim without a budget takes
    /// all.
    bool add(uint64_t bytes) {
      if (budget_ != nullptr && !budget_->take(bytes)) return false;
      bytes_ += bytes;
      return true;
    }
    /// Holds at least `bytes`.
    bool grow_to(uint64_t bytes) { return bytes <= bytes_ || add(bytes - bytes_); }
    uint64_t bytes() const { return bytes_; }

   private:
    void release() {
      if (budget_ != nullptr && bytes_ > 0) budget_->taken_.fetch_sub(bytes_, std::memory_order_relaxed);
      bytes_ = 0;
    }

    ByteBudget* budget_ = nullptr;
    uint64_t bytes_ = 0;
  };

  uint64_t taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  bool take(uint64_t bytes) {
    uint64_t before = taken_.load(std::memory_order_relaxed);
    do {
      if (bytes > bytes_max_ || before > bytes_max_ - bytes) return false;
    } while (!taken_.compare_exchange_weak(before, before + bytes, std::memory_order_relaxed));
    return true;
  }

  const uint64_t bytes_max_;
  std::atomic<uint64_t> taken_{0};
};

}  // namespace millrace::server
