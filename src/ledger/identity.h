// Fingerprints of rows. The 64-bit values are on disk in sums: they never change.
#pragma once

#include <cstdint>

#include "base/hash.h"
#include "base/ids.h"

namespace millrace::ledger {

/// What all rows of a partition have in common: computed once a call, so that a row costs one mix.
inline uint64_t fingerprint_base(StreamId stream, PartitionId partition) {
  return mix64(mix64(uint64_t{stream.value} + 1) + static_cast<uint32_t>(partition.value));
}

inline uint64_t fingerprint_at(uint64_t base, int64_t offset) { return mix64(base + static_cast<uint64_t>(offset)); }

/// The sum of the fingerprints of offsets first … first + count − 1.
inline uint64_t fingerprint_sum(uint64_t base, int64_t first, uint64_t count) {
  uint64_t sum = 0;
  const uint64_t begin = base + static_cast<uint64_t>(first);
  for (uint64_t i = 0; i < count; ++i) sum += mix64(begin + i);
  return sum;
}

}  // namespace millrace::ledger
