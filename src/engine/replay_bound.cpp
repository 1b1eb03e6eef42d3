#include "engine/replay_bound.h"

namespace millrace::engine {

void ReplayBound::stepped(uint64_t log_bytes, uint64_t dirty_bytes) {
  const uint64_t added = dirty_bytes - std::min(dirty_bytes, dirty_bytes_);
  dirty_bytes_ = dirty_bytes;
  if (log_bytes == 0) return;
  // A few rows may change much, or nothing: that says little about what many will do.
  const double weight = std::min(1.0, static_cast<double>(log_bytes) / kStepBytesMin);
  const double measured = static_cast<double>(added) / static_cast<double>(log_bytes);
  const double faded = dirty_per_log_byte_ * (1 - weight / 4);
  dirty_per_log_byte_ = std::max(faded, measured * weight);
}

uint64_t ReplayBound::step_bytes(uint64_t most) const {
  if (cached_) return most;
  const auto wanted = static_cast<uint64_t>(kDirtyBytesMax / std::max(dirty_per_log_byte_, 0.001));
  return std::min(most, std::max(wanted, kStepBytesMin));
}

}  // namespace millrace::engine
