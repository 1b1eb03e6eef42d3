// The batches that one write and one fdatasync make durable together. Guarded by the partition's mutex, except that
// `batches` belongs to the writing thread once the group is in flight.
#pragma once

#include <condition_variable>
#include <functional>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "log/partition.h"
#include "log/segment_writer.h"

namespace millrace::log {

struct AppendGroup {
  explicit AppendGroup(Offset begin) : first(begin) {}

  const Offset first;  ///< of its first batch
  std::vector<QueuedBatch> batches;
  size_t bytes = 0;
  std::vector<IdempotencyMark> marks;                 ///< in the order of their offsets
  std::unordered_map<uint64_t, size_t> mark_of_hash;  ///< place in marks
  std::vector<std::function<void(const AppendGroup&)>> callbacks;
  bool wants_pool = false;  ///< somebody counts on it being synced without waiting for it

  bool done = false;
  Status status;          ///< when done
  Timestamp append_time;  ///< when done
  std::condition_variable settled;

  Result<AppendResult> result(Offset first, Offset last, bool duplicate) const {
    if (!status.ok()) return status.error();
    return AppendResult{first, last, duplicate ? Timestamp{} : append_time, duplicate};
  }
};

}  // namespace millrace::log
