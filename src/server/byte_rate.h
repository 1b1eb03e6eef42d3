// ByteRate: how fast somebody may send or be sent bytes, over all of its connections. Any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

#include "base/time.h"

namespace millrace::server {

class ByteRate {
 public:
  /// 0: without a limit.
  explicit ByteRate(uint64_t bytes_per_second = 0) : bytes_per_second_(bytes_per_second) {}

  bool limited() const { return bytes_per_second_ > 0; }

  /// These bytes are about to pass: how long to hold them back. What was not used of the last second may be used now.
  Duration take(uint64_t bytes, Duration now) {
    if (!limited()) return {};
    constexpr int64_t kBurstMicros = 1'000'000;
    const auto cost = static_cast<int64_t>(static_cast<double>(bytes) / static_cast<double>(bytes_per_second_) * 1e6);
    const std::lock_guard lock(mutex_);
    used_until_micros_ = std::max(used_until_micros_, now.micros - kBurstMicros) + cost;
    return Duration{std::max<int64_t>(0, used_until_micros_ - now.micros)};
  }

 private:
  const uint64_t bytes_per_second_;
  std::mutex mutex_;
  int64_t used_until_micros_ = 0;
};

}  // namespace millrace::server
