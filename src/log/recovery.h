// What a partition's directory holds after a start, a kill or a power cut. docs/formats/log.md, "Recovery".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "log/partition.h"
#include "log/segment.h"

namespace millrace::log {

struct RecoveredPartition {
  std::vector<std::shared_ptr<Segment>> segments;  ///< by base offset, at least one
  std::vector<IdempotencyMark> marks;              ///< oldest first, at most as many as asked for
  std::vector<ProducerMark> producers;             ///< oldest first, the last ones of each
  uint64_t torn_bytes = 0;                         ///< how much of a tail that was never acked was cut off
};

/// Cuts a torn tail. Refuses (kDataCorrupted) a hole, a first segment that retention did not take, and damage to acked
/// data; no acked byte is ever changed. What is left may still be in the system's cache only: SegmentWriter::open syncs
/// it.
Result<RecoveredPartition> recover_partition(Env& env, const std::string& directory, StreamId stream,
                                             PartitionId partition, const StreamOptions& options);

}  // namespace millrace::log
