// SplitMix64 (Steele, Lea, Flood 2014): equal seeds give equal numbers in any language, with 64-bit integers only.
#pragma once

#include <cstdint>

#include "base/hash.h"

namespace millrace::connectors {

class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    return mix64(state_);
  }
  /// Uniform in [0, bound): the high half of the 128-bit product. `bound` > 0.
  int64_t below(int64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<int64_t>((static_cast<Wide>(next()) * static_cast<uint64_t>(bound)) >> 64);
  }
  bool chance(int64_t parts_per_million) { return below(1'000'000) < parts_per_million; }

 private:
  uint64_t state_;
};

}  // namespace millrace::connectors
