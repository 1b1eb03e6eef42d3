// Looks at every byte of a log's directory without changing one. docs/formats/log.md says what must hold.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/damage.h"
#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"

namespace millrace::log {

struct VerifiedPartition {
  std::string directory;
  Offset begin;
  Offset end;            ///< of what is good in a row from begin
  Offset compacted_end;  ///< before it, records that were superseded are not there any more; 0: all are
};

struct VerifiedLog {
  std::vector<Damage> damages;
  std::map<std::pair<StreamId, PartitionId>, VerifiedPartition> partitions;
  uint64_t bytes = 0;  ///< read of segments
};

/// The caller holds the lock of the data directory. An error is one of reading.
Result<VerifiedLog> verify_log(Env& env, const std::string& directory);

/// Visits the good batches of a verified partition, in order.
Status for_each_batch(Env& env, const VerifiedPartition& partition,
                      const std::function<Status(std::string_view batch)>& visit);

/// The folder of a stream within the log's.
std::string stream_folder(StreamId id);

}  // namespace millrace::log
