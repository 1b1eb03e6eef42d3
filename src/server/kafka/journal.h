// Journal: what the broker itself must not forget, in a stream of its own in the node's log: the offsets that consumer
// groups committed, and which producer ids were given out. docs/formats/kafka.md has its records,
// docs/adr/0020-consumer-groups.md says why it is so.
//
// All of it is also in memory, where a change shows when it is durable, in the order of the log. When much was written
// since, everything that counts is written anew as one batch (`snapshot`), and what lies before goes.
//
// Any thread may call. A `Done` runs on the thread that made its change durable, with no lock held.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"
#include "log/log.h"

namespace millrace::server::kafka {

/// A topic is known by its stream's id: one that is dropped and made anew under its name has no offsets.
struct OffsetPlace {
  StreamId stream;
  PartitionId partition;
  auto operator<=>(const OffsetPlace&) const = default;
};

struct CommittedOffset {
  Offset offset;
  int32_t leader_epoch = -1;
  Timestamp time;
  std::string metadata;
  bool operator==(const CommittedOffset&) const = default;
};

using GroupOffsets = std::map<OffsetPlace, CommittedOffset>;

/// What is kept of one group.
struct KeptGroup {
  GroupOffsets offsets;
  std::optional<Timestamp> idle_since;  ///< nothing: it has members, or nobody has looked since
};

/// Settings of its stream.
log::StreamOptions journal_stream_options();

class Journal {
 public:
  using Done = std::function<void(Status)>;

  struct Limits {
    size_t bytes_max = size_t{64} << 20;            ///< of offsets and their metadata, in memory
    size_t in_flight_bytes_max = size_t{16} << 20;  ///< on their way to the disk
    size_t snapshot_bytes_min = size_t{4} << 20;    ///< written since the last snapshot, before there is another
  };

  /// Reads what is there. The stream has one partition and no other writer.
  static Result<std::unique_ptr<Journal>> open(Env& env, std::shared_ptr<log::Stream> stream, const Limits& limits);
  /// Waits for the changes under way.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Refused with kTooLarge at bytes_max, with kUnavailable while too much is on its way.
  void commit(std::string_view group, const GroupOffsets& offsets, Done done);
  void forget(std::string_view group, Done done);
  /// Takes away what was committed for these places until then; a commit that comes meanwhile stays.
  void remove(std::string_view group, std::vector<OffsetPlace> places, Timestamp until, Done done);
  /// Notes since when a group has no members, or that it has some.
  void mark_idle(std::string_view group, std::optional<Timestamp> since, Done done);

  /// An id that no producer had before, also after any crash.
  void take_producer_id(std::function<void(Result<int64_t>)> done);

  /// Empty when there are none.
  GroupOffsets offsets(std::string_view group) const;
  /// With offsets, by name.
  std::vector<std::string> groups() const;
  KeptGroup kept(std::string_view group) const;

  /// Whether so much was written that `snapshot` is worth it.
  bool wants_snapshot() const;
  /// Writes all that counts anew, without offsets of which `exists` is false, and lets go of what lies before. Changes
  /// wait meanwhile.
  Status snapshot(const std::function<bool(StreamId)>& exists);

 private:
  /// What one record does.
  struct Change {
    bool clears_all = false;
    bool forgets = false;
    int64_t producer_ids_end = 0;  ///< ids below it are given out, or may be
    std::string group = {};
    GroupOffsets offsets = {};
    std::vector<OffsetPlace> removed = {};
    std::optional<Timestamp> until = {};  ///< of `removed`
    bool marks = false;                   ///< sets idle_since
    std::optional<Timestamp> idle_since = {};
  };
  /// A change on its way to the disk.
  struct Pending {
    Change change;
    size_t bytes = 0;
    Done done;
    std::optional<Status> outcome;
  };

  Journal(Env& env, std::shared_ptr<log::Stream> stream, const Limits& limits);

  static std::string encode(const Change& change);
  static Result<Change> decode(std::string_view bytes);
  Status load();
  void add(Change change, Done done);
  Result<log::Ticket> append(std::string batch);
  void settled(Pending& pending, Status outcome);
  int64_t growth(const Change& change) const;
  void apply(Change change);
  void apply_to_group(Change change);
  std::optional<int64_t> next_producer_id();
  Result<std::string> snapshot_batch(const std::function<bool(StreamId)>& exists);

  Env& env_;
  const std::shared_ptr<log::Stream> stream_;  // shared with the log
  log::Partition& partition_;
  const Limits limits_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::map<std::string, KeptGroup, std::less<>> groups_;
  size_t bytes_ = 0;  // of groups_
  int64_t producer_id_next_ = 0;
  int64_t producer_ids_end_ = 0;
  std::deque<std::unique_ptr<Pending>> pending_;  // in the order of the log
  size_t pending_bytes_ = 0;
  size_t written_bytes_ = 0;  // since the last snapshot
  bool snapshotting_ = false;
  bool draining_ = false;  // somebody takes settled changes off the front of pending_
};

}  // namespace millrace::server::kafka
