// Ledger: closed books. Every hop that messages pass counts and fingerprints the rows that it holds itself, per minute
// of append time; comparing two hops names what was lost, repeated or swapped between them, exactly.
//
// A row's identity is (stream, partition, offset). A cell is one hop × stream × minute: a count, the sum modulo 2^64 of
// mix64-based fingerprints, and, while hops differ, a small invertible sketch from which the differing identities
// themselves can be read (sketch.h), so that a verdict has exact numbers and a place to look. docs/ledger.md.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace::ledger {

/// Fingerprint of one row: a 64-bit mix of (stream, partition, offset).
uint64_t fingerprint(StreamId stream, PartitionId partition, Offset offset);

/// A hop's number within one Ledger; cheap to pass on the hot path.
using HopId = uint32_t;

/// Names a hop: "received", "stored", "decoded", "dead", "view:hours", "filtered:hours", "late:hours", "sink:lake" …
using HopName = std::string;

enum class VerdictKind : uint8_t { kClosed, kInFlight, kLost, kRepeated, kSwapped, kMixed };

struct Verdict {
  HopName from;
  HopName to;
  StreamId stream;
  Timestamp minute;
  VerdictKind kind = VerdictKind::kClosed;
  uint64_t lost = 0;      ///< rows in `from` that `to` and its side hops do not have
  uint64_t repeated = 0;  ///< rows that `to` has more often than `from`
  uint64_t in_flight = 0;
  std::string detail;  ///< e.g. the first few positions
};

/// Messages as their producer knows them, by id: how many, and the sum modulo 2^64 of the XXH3-64 of each id.
struct IdSum {
  uint64_t count = 0;
  uint64_t fingerprint = 0;
  void add(std::string_view message_id);
  bool operator==(const IdSum&) const = default;
};

struct HopTotal {
  HopName hop;
  StreamId stream;
  std::string stream_name;
  uint64_t count = 0;
  uint64_t fingerprint = 0;
};

struct Report {
  bool closed = false;
  std::vector<HopTotal> totals;
  std::vector<Verdict> open;  ///< every verdict that is not kClosed
};

/// What one worker counted since the last merge. No locks; one thread.
class Recorder {
 public:
  Recorder();
  ~Recorder();
  Recorder(Recorder&&) noexcept;
  Recorder& operator=(Recorder&&) noexcept;

  /// Offsets first … first + count − 1 passed the hop. All were appended at `append_time` (a batch has one).
  void add(HopId hop, StreamId stream, PartitionId partition, Timestamp append_time, Offset first, uint32_t count);
  /// These offsets did, in any order, repeats counted.
  void add_rows(HopId hop, StreamId stream, PartitionId partition, Timestamp append_time,
                std::span<const int64_t> offsets);
  /// Messages named by id, in the minute that their producer gives them. Such a hop has count and fingerprint alone.
  void add_ids(HopId hop, StreamId stream, Timestamp minute, const IdSum& ids);
  void clear();
  bool empty() const;

 private:
  friend class Ledger;
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

/// How a hop relates to the one before it: `from` = `to` + all `sides` (+ what is in flight when `lags` is set).
struct Link {
  HopName from;
  HopName to;
  std::vector<HopName> sides;  ///< dead, filtered, late …: rows that left the path here on purpose
};

/// The books of one node. Thread-safe.
class Ledger {
 public:
  Ledger();
  ~Ledger();

  HopId hop(std::string_view name);
  /// Which hops are compared, for one stream. Repeating a link changes nothing.
  void link(StreamId stream, std::string stream_name, Link link);
  /// Forgets the links and cells of hops of a dropped object.
  void drop(StreamId stream);
  void drop_hop(std::string_view name);
  /// Forgets the cells of a hop in one stream, whose rows pass it anew. Not part of take_changes: whoever goes back to
  /// an older snapshot does it again.
  void drop_cells(StreamId stream, std::string_view hop);

  /// Adds what a recorder counted and clears it.
  void merge(Recorder& recorder);

  /// Opens the account of a producer: hops `sent:<producer>` (as it declares), `received:<producer>` and
  /// `rejected:<producer>` (as the node counts its messages by id). Minutes with a `sent` are compared, sent = received
  /// + rejected. False when there are `producers_max` other accounts.
  bool open_account(std::string_view producer, size_t producers_max);
  /// What the producer sent in that minute, in all; it takes the place of what it declared before.
  void declare(StreamId stream, std::string stream_name, std::string_view producer, Timestamp minute,
               const IdSum& sent);

  /// The cells that changed since the last call, for the commit record; apply_changes puts them back after a crash.
  std::string take_changes();
  Status apply_changes(std::string_view bytes);
  /// Everything, for a state checkpoint.
  std::string snapshot() const;
  Status restore(std::string_view bytes);

  /// Compares every link. A difference in which `to` only lacks rows that lie at or behind `committed_end` of their
  /// partition is in flight, not lost.
  Report report(const std::map<std::pair<StreamId, PartitionId>, Offset>& committed_end) const;
  /// One row a hop, stream and minute, for SELECT * FROM _ledger and the page.
  struct Row {
    HopName hop;
    StreamId stream;
    std::string stream_name;
    Timestamp minute;
    uint64_t count = 0;
    uint64_t fingerprint = 0;
  };
  std::vector<Row> rows() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace millrace::ledger
