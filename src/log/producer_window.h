// The idempotent producers of a partition: of each the last batches, so that a batch that is sent again is known, and
// one that is missing is noticed (KIP-98; the rules are those of Kafka's brokers).
//
// Not synchronized.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "log/partition.h"
#include "log/segment_format.h"

namespace millrace::log {

/// Producers that a partition remembers; those that were silent for longest are forgotten first.
inline constexpr size_t kProducersMax = 4096;
/// Batches that a producer may have under way, as its protocol fixes it.
inline constexpr size_t kBatchesPerProducer = 5;

/// SQLSTATEs of what a producer did.
inline constexpr const char* kSequenceGap = "MR001";     ///< batches before this one are missing
inline constexpr const char* kFencedProducer = "MR002";  ///< a later epoch of this producer has written

class ProducerWindow {
 public:
  explicit ProducerWindow(size_t producers_max = kProducersMax) : producers_max_(producers_max) {}

  /// Where this batch lies already; nothing when it is the next one, or the first that is known of its producer. Errors
  /// have the SQLSTATEs above, or kInvalidParameter.
  Result<std::optional<OffsetRange>> find(const ProducerMark& batch) const;
  /// The batch got its offsets. Of those at and behind `durable_end` none is forgotten: they may yet be cut.
  void add(const ProducerMark& batch, Offset durable_end);
  /// Forgets all at and behind `end`.
  void cut(Offset end);
  size_t size() const { return producers_.size(); }

 private:
  void forget_silent();

  const size_t producers_max_;
  std::unordered_map<int64_t, std::deque<ProducerMark>> producers_;  // oldest batch first, none empty
};

ProducerSequence sequence_of(const RecordBatchView& batch);
/// Of marks in the order of their offsets, the last ones of each producer.
void keep_last_of_each(std::vector<ProducerMark>& marks);

}  // namespace millrace::log
