#include "dataflow/hyper_log_log.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace millrace::dataflow {
namespace {

constexpr uint32_t kRankBits = 64 - HyperLogLog::kIndexBits;

/// The paper's σ.
double small_range(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double sum = x, before = 0;
  for (double factor = 1; sum != before; factor += factor) {
    x *= x;
    before = sum;
    sum += x * factor;
  }
  return sum;
}

/// The paper's τ.
double large_range(double x) {
  if (x == 0 || x == 1) return 0;
  double sum = 1 - x, before = 0;
  for (double factor = 0.5; sum != before; factor *= 0.5) {
    x = std::sqrt(x);
    before = sum;
    sum -= (1 - x) * (1 - x) * factor;
  }
  return sum / 3;
}

}  // namespace

void HyperLogLog::add(uint64_t hash) {
  uint8_t& at = registers[hash & (kRegisters - 1)];
  const uint64_t rest = (hash >> kIndexBits) | (uint64_t{1} << kRankBits);
  at = std::max(at, static_cast<uint8_t>(std::countr_zero(rest) + 1));
}

int64_t HyperLogLog::estimate() const {
  constexpr double kCount = kRegisters;
  double counts[kRankBits + 2] = {};
  for (const uint8_t rank : registers) counts[std::min<uint32_t>(rank, kRankBits + 1)] += 1;
  double z = kCount * large_range((kCount - counts[kRankBits + 1]) / kCount);
  for (uint32_t rank = kRankBits; rank >= 1; --rank) z = (z + counts[rank]) * 0.5;
  z += kCount * small_range(counts[0] / kCount);
  return std::llround(kCount * kCount / (2 * std::log(2.0) * z));
}

}  // namespace millrace::dataflow
