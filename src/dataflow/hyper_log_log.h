// The running state of approx_count_distinct: 64 registers, filled and read as DuckDB does, so that the answers are the
// same (Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284).
#pragma once

#include <cstdint>

namespace millrace::dataflow {

struct HyperLogLog {
  static constexpr uint32_t kIndexBits = 6;
  static constexpr uint32_t kRegisters = 1 << kIndexBits;

  uint8_t registers[kRegisters];

  void add(uint64_t hash);
  int64_t estimate() const;
};

}  // namespace millrace::dataflow
