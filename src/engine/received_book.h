// ReceivedBook: which records were appended, on their way into the ledger's hop "received". Appends end in any order;
// the ledger takes them in the order of their offsets and without a gap, so that one number a partition says up to
// where it has them. That number is committed with the ledger, and after a crash the log is counted from there on: a
// record that became durable and was not in a commit yet is as much received as any other.
#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "base/ids.h"
#include "base/time.h"
#include "ledger/ledger.h"

namespace millrace::engine {

/// Thread-safe.
class ReceivedBook {
 public:
  using Key = std::pair<StreamId, PartitionId>;
  using Ends = std::map<Key, Offset>;

  /// Sets where a partition begins that is not new: everything below is in the ledger.
  void begin_at(StreamId stream, PartitionId partition, Offset next);
  /// Records first … first + count − 1 are durable.
  void add(StreamId stream, PartitionId partition, Offset first, uint32_t count, Timestamp append_time);
  /// Moves all that has no gap before it to the ledger, and the partitions' new ends to `ends`.
  void move_to(ledger::Ledger& ledger, Ends& ends);
  void forget(StreamId stream);

 private:
  struct Range {
    uint32_t count = 0;
    Timestamp append_time;
  };
  struct Waiting {
    int64_t next = 0;
    std::map<int64_t, Range> ranges;  ///< by first offset
  };

  std::mutex mutex_;
  std::map<Key, Waiting> partitions_;  // guarded by mutex_
};

}  // namespace millrace::engine
