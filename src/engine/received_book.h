// ReceivedBook: which records were appended, on their way into the ledger's hop "received". Appends end in any order;
// the ledger takes them in the order of their offsets and without a gap, so that one number a partition says up to
// where it has them. That number is committed with the ledger, and after a crash the log is counted from there on: a
// record that became durable and was not in a commit yet is as much received as any other.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <span>
#include <utility>

#include "base/ids.h"
#include "base/time.h"
#include "engine/producer_account.h"
#include "ledger/ledger.h"

namespace millrace::engine {

/// Records first … first + count − 1 of a partition, appended at one time.
struct ReceivedRange {
  PartitionId partition;
  Offset first;
  uint32_t count = 0;
  Timestamp append_time;
  std::optional<ProducerShare> share = {};
};

/// Thread-safe.
class ReceivedBook {
 public:
  using Key = std::pair<StreamId, PartitionId>;
  using Ends = std::map<Key, Offset>;

  /// Sets where a partition begins that is not new: everything below is in the ledger.
  void begin_at(StreamId stream, PartitionId partition, Offset next);
  /// These records, all of one request, are durable.
  void add(StreamId stream, std::span<const ReceivedRange> ranges);
  /// Moves all that has no gap before it to the ledger, and the partitions' new ends to `ends`.
  void move_to(ledger::Ledger& ledger, Ends& ends);
  /// The same, but first waits, at most for `patience`, until there is no gap and nothing below `taken` is missing: a
  /// record can be read from the log a moment before the thread that appended it has said so here. What the ledger has
  /// then is whole requests. `taken` names partitions with producers only.
  void move_settled_to(ledger::Ledger& ledger, Ends& ends, const Ends& taken, Duration patience);
  void forget(StreamId stream);

 private:
  struct Range {
    uint32_t count = 0;
    Timestamp append_time;
    std::optional<ProducerShare> share;
  };
  struct Waiting {
    int64_t next = 0;
    std::map<int64_t, Range> ranges;  ///< by first offset

    /// Up to where there is no gap.
    int64_t contiguous_end() const;
  };

  // With mutex_ held.
  bool settled(const Ends& taken) const;
  void move(ledger::Ledger& ledger, Ends& ends);

  std::mutex mutex_;
  std::condition_variable added_;
  std::map<Key, Waiting> partitions_;  // guarded by mutex_
};

}  // namespace millrace::engine
