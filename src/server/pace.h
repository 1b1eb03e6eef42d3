// Pace: how long a client may take for a body or an answer. A client that sends or takes a byte now and then holds
// memory and a connection as long as one that works; so beside the longest pause there is a least speed.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/env.h"

namespace millrace::server {

class Pace {
 public:
  /// `pause_max` also comes once on top of the time that the least speed allows.
  Pace(Clock& clock, Duration pause_max, uint64_t bytes_per_second_min)
      : clock_(clock), begin_(clock.monotonic()), pause_max_(pause_max), bytes_per_second_min_(bytes_per_second_min) {}

  /// How long to wait for the next bytes when `bytes` have passed; not above zero: the client is too slow.
  Duration patience(uint64_t bytes) const {
    const auto seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second_min_);
    const int64_t allowed = pause_max_.micros + static_cast<int64_t>(seconds * 1e6);
    return Duration{std::min(pause_max_.micros, begin_.micros + allowed - clock_.monotonic().micros)};
  }

 private:
  Clock& clock_;
  const Duration begin_;
  const Duration pause_max_;
  const uint64_t bytes_per_second_min_;
};

}  // namespace millrace::server
