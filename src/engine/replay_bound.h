// ReplayBound: how much a start may have to replay when it must read from the disk what each changed entry was before.
// A start finds no state in memory, and a lookup there costs ten times what it cost the step that is replayed; so the
// measured time of steps is no measure of it, their changes are. Nothing is bound while the cache of blocks will hold
// what is stored: then each block is read once.
//
// Belongs to the step lock.
#pragma once

#include <algorithm>
#include <cstdint>

namespace millrace::engine {

class ReplayBound {
 public:
  /// Of entries, changed since the last checkpoint, when it is time for the next; and what a step should add at most.
  static constexpr uint64_t kDirtyBytesMax = 2 << 20;
  /// What a step may take in any case, of the log.
  static constexpr uint64_t kStepBytesMin = 256 << 10;

  /// After a start: how many bytes a step changes is not known yet, so the first ones are small.
  void restarted(bool cached, uint64_t dirty_bytes) {
    cached_ = cached;
    dirty_bytes_ = dirty_bytes;
    dirty_per_log_byte_ = kFirstGuess;
  }
  void checkpointed(bool cached) {
    cached_ = cached;
    dirty_bytes_ = 0;
  }
  /// A step took so much of the log, and now so much is changed in all.
  void stepped(uint64_t log_bytes, uint64_t dirty_bytes);

  /// How much of the log the next step may take, of at most `most`.
  uint64_t step_bytes(uint64_t most) const;
  bool wants_checkpoint() const { return !cached_ && dirty_bytes_ > kDirtyBytesMax; }

 private:
  static constexpr double kFirstGuess = static_cast<double>(kDirtyBytesMax) / kStepBytesMin;

  bool cached_ = true;
  uint64_t dirty_bytes_ = 0;
  double dirty_per_log_byte_ = kFirstGuess;  // of the steps that changed most of late
};

}  // namespace millrace::engine
