// The embedded log: all streams of a node, each a number of partitions, in DIR/log.
//
// The caller holds the lock of the data directory. A Stream stays usable (its calls fail) after it was dropped, for as
// long as somebody holds it; it must not outlive the Log. All functions may be called from any thread.
// docs/formats/log.md has the files.
//
//   MR_ASSIGN(auto log, log::Log::open(env, data_dir + "/log", {}));
//   MR_ASSIGN(auto plays, log->create_stream(StreamId{1}, "plays", {.partitions = 4}));
//   log::RecordBatchBuilder builder;
//   builder.add(std::nullopt, line, now.millis());
//   MR_ASSIGN(std::string batch, builder.finish(log::Compression::kLz4));
//   MR_ASSIGN(log::AppendResult at, plays->partition(PartitionId{0}).append_and_wait(std::move(batch)));
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"
#include "log/partition.h"
#include "log/partitioner.h"
#include "log/record_batch.h"

namespace millrace::log {

class Stream {
 public:
  Stream(StreamId id, std::string name, StreamOptions options, std::vector<std::unique_ptr<Partition>> partitions)
      : id_(id), name_(std::move(name)), options_(std::move(options)), partitions_(std::move(partitions)) {}

  StreamId id() const { return id_; }
  const std::string& name() const { return name_; }
  const StreamOptions& options() const { return options_; }
  int32_t partition_count() const { return static_cast<int32_t>(partitions_.size()); }
  /// `id` must be below partition_count().
  Partition& partition(PartitionId id) const { return *partitions_.at(static_cast<size_t>(id.value)); }

 private:
  StreamId id_;
  std::string name_;
  StreamOptions options_;
  std::vector<std::unique_ptr<Partition>> partitions_;
};

struct LogOptions {
  int32_t sync_threads = 4;  ///< how many partitions can be in fdatasync at once, besides those that callers wait for
};

/// A batch on its way to one partition.
struct PendingAppend {
  Partition* partition = nullptr;
  Ticket ticket;
};

class Log {
 public:
  /// Creates `directory` when it is missing, recovers every partition, and removes what half-made or half-dropped
  /// streams left. An acked byte that cannot be read is an error (kDataCorrupted) and nothing is changed.
  static Result<std::unique_ptr<Log>> open(Env& env, std::string directory, const LogOptions& options = {});
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// All or nothing, durable on return. The id must be new in this log, the name not in use.
  Result<std::shared_ptr<Stream>> create_stream(StreamId id, std::string_view name, const StreamOptions& options);
  /// All or nothing, durable on return. Deletes the data.
  Status drop_stream(StreamId id);
  /// Null when there is none. Names match exactly; folding of identifiers is the catalog's.
  std::shared_ptr<Stream> find(StreamId id) const;
  std::shared_ptr<Stream> find(std::string_view name) const;
  /// By id.
  std::vector<std::shared_ptr<Stream>> streams() const;

  /// Makes everything that was appended to these partitions durable, in parallel. The first error, if any; the others
  /// are finished all the same.
  Status sync(std::span<Partition* const> partitions);
  /// Waits for all of them, synced in parallel, in the order given. One result each.
  std::vector<Result<AppendResult>> wait_all(std::span<const PendingAppend> appends);
  /// The same without waiting: calls `done` once, when the last of them is settled. Before it returns it may sync one
  /// partition that nobody else is syncing, and call `done` itself; else it is called from a thread that syncs.
  void when_all(std::span<const PendingAppend> appends, std::function<void(std::vector<Result<AppendResult>>)> done);

  /// Set before the first append; one per log.
  void set_durable_listener(DurableListener listener);
  /// Closes every partition: what is queued becomes durable. The first error, if any.
  Status close();

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace millrace::log
