// Node: one running Millrace: a data directory, its log, its pipeline, and the threads that run it. The server and the
// command line talk to this class alone.
//
// Life: open (recovers what the directory holds) → apply_pipeline (idempotent) → start → … → stop. All functions but
// open, start and stop may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel_token.h"
#include "base/env.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "base/result.h"
#include "batch/batch.h"
#include "connectors/sink.h"
#include "engine/savepoint.h"
#include "ledger/ledger.h"

namespace millrace::engine {

struct NodeOptions {
  std::string data_directory;
  uint32_t workers = 1;
  uint64_t memory_bytes = 4ULL << 30;
  Duration commit_interval = Duration::from_seconds(1);  ///< the longest a finished step waits for its commit
  uint64_t step_bytes_max = 16ULL << 20;                 ///< log bytes that one step takes, over all partitions
  uint64_t checkpoint_dirty_bytes = 256ULL << 20;        ///< a state checkpoint follows when more than this is dirty
  Duration replay_debt_max =
      Duration::from_seconds(4);  ///< and when the steps since the last one took longer than this
  /// And at least so often, with what retention then deletes.
  Duration checkpoint_interval = Duration::from_seconds(600);
  uint64_t record_bytes_max = 16ULL << 20;  ///< a longer line is rejected at ingest
  uint64_t query_rows_max = 1000000;
  uint64_t low_space_bytes = 256ULL << 20;  ///< with less free in the directory's file system, ingest is refused
  bool bounded = false;                     ///< --once: sources end, no idle timeouts
  /// Makes the destinations of sinks in place of connectors/connector.h: for tests that bring their own.
  std::function<Result<std::unique_ptr<connectors::Sink>>(std::string_view connector, const connectors::SinkSetup&)>
      make_sink = {};
};

/// Where appended records went, as the HTTP answer shows it.
struct AppendedRange {
  PartitionId partition;
  Offset first;
  Offset last;
};

struct RejectedLine {
  uint64_t line = 0;  ///< from 1
  std::string error;
};

struct AppendReceipt {
  uint64_t accepted = 0;
  std::vector<RejectedLine> rejected;
  std::vector<AppendedRange> positions;
};

/// Who sends a request and, when it says so, what it sent in it: opens the ledger's first hop (docs/ledger.md).
struct ProducerAccount {
  std::string producer;
  std::optional<Timestamp> minute;  ///< by the producer's clock; absent: when the request came
  std::optional<ledger::IdSum> sent;
};

struct AppendRequest {
  std::string idempotency_key;  ///< empty: none
  bool validate = false;        ///< reject lines that do not decode, instead of storing them
  std::optional<ProducerAccount> account;
  /// Records, by index, that must not be decoded, with the reason: they become dead letters when they are read.
  std::map<size_t, std::string> refused;
};

/// Answer to one SQL text: that of its last statement.
struct StatementResult {
  batch::Schema schema;
  std::vector<batch::Batch> batches;
  std::string message;  ///< e.g. "created view hours", for statements that return no rows
};

/// What SUBSCRIBE or EMIT CHANGES asks for: the changes of a view or table, or those of a query.
struct SubscriptionRequest {
  enum class From : uint8_t { kNow, kBeginning, kPosition };
  std::string view = {};      ///< a name; empty: the query
  std::string query = {};     ///< for DuckDB
  uint64_t query_offset = 0;  ///< where it starts in the text that errors point into
  bool on_window_close = false;
  Duration allowed_lateness = {};
  From from = From::kNow;     ///< kBeginning: what is there as +I, then the changes
  std::string position = {};  ///< of kPosition: `_position` of the last row that was seen
};

/// Committed changes of a view as they come. Each row: the view's columns, then `_op` VARCHAR (+I −U +U −D), `_commit`
/// UBIGINT and, of a view WITH (retention = …), `_position` VARCHAR, from which another subscription goes on. The node
/// outlives it.
class Subscription {
 public:
  virtual ~Subscription() = default;
  virtual const batch::Schema& schema() const = 0;
  /// Waits up to `timeout` for changes; an empty batch when there were none. Fails with kCancelled when the node stops,
  /// and with kUnavailable when changes were let go and it must subscribe again: the reader was too slow, or the node
  /// recovered from a failure.
  virtual Result<batch::Batch> next(Duration timeout) = 0;
};

/// A bounded input (WITH (load = …)) since this node's start. One that was done before is not shown.
struct LoadStatus {
  std::string stream;
  std::string path;
  uint64_t records = 0;
  uint64_t too_long = 0;  ///< of them; they are dead letters
  uint64_t bytes = 0;
  uint64_t bytes_total = 0;  ///< 0: unknown
  bool done = false;
  std::string failure;  ///< why it ended before its end
};

struct StreamStatus {
  std::string name;
  std::string kind;  ///< "stream", "table"
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t lag_records = 0;  ///< stored but not in a commit yet
  uint64_t dead = 0;
};

struct ViewStatus {
  std::string name;
  std::string kind;  ///< "view", "table", "plain view"
  std::vector<std::string> reads;
  uint64_t rows = 0;
  bool kept = true;      ///< false: only other views read it, and its rows are computed when somebody asks
  uint64_t changes = 0;  ///< emitted since the start
  uint64_t errors = 0;
  uint64_t late = 0;
};

/// What sending dead letters again came to.
struct ReplayReceipt {
  uint64_t sent = 0;
  uint64_t refused = 0;     ///< again: they are dead letters anew
  uint64_t superseded = 0;  ///< left out: their key has changed since
};

struct SinkStatus {
  std::string name;
  std::string source;
  std::string state;  ///< "running", "waiting", "failing: <reason>"
  uint64_t rows = 0;
  uint64_t lag = 0;   ///< rows that wait to be delivered; of a snapshot: commits since the one it shows
  uint64_t dead = 0;  ///< rows that the destination refused and that were not sent again
  uint64_t lost = 0;  ///< rows that were given up undelivered (give_up_after)
  std::optional<Timestamp> failing_since;  ///< the first of the failures in a row; absent when there is none
  uint64_t failed_attempts = 0;            ///< in a row
  std::string last_error;                  ///< also when it is over; empty: none since the start
  std::optional<Timestamp> delivered_at;   ///< when the destination last held all that it was given
};

/// Of the logs of tables (docs/adr/0012-compaction.md), since the start.
struct CompactionStatus {
  uint64_t passes = 0;
  uint64_t records_removed = 0;
  uint64_t bytes_freed = 0;
  std::string failure;  ///< of the last pass; empty when it went well
};

struct NodeStatus {
  std::string version;
  std::string data_directory;
  bool ready = false;
  bool bounded_done = false;
  Epoch epoch;
  uint64_t rows_in = 0;        ///< rows that steps took since the start
  double rows_per_second = 0;  ///< over the last seconds
  uint64_t lag_records = 0;
  uint64_t memory_bytes = 0;  ///< resident
  uint64_t memory_limit_bytes = 0;
  uint64_t state_bytes = 0;          ///< operator state and rows of views in memory
  uint64_t state_limit_bytes = 0;    ///< the share of the limit that it may have
  uint64_t state_evicted_bytes = 0;  ///< since the start
  uint64_t state_blocks_read = 0;    ///< blocks of stored state that lookups and scans read since the start
  uint64_t commits = 0;
  uint64_t checkpoints = 0;
  uint64_t free_bytes = 0;       ///< in the data directory's file system
  uint64_t low_space_bytes = 0;  ///< with less free, ingest is refused
  std::string failure;           ///< why no steps are made; empty while they are
  bool recovering = false;       ///< the failure is of something outside, such as the disk: tried until it works
  /// A view WITH (on_error = 'stop') met a row that fails: which view, operator and row; empty while steps are made.
  std::string stopped;
  std::string stopped_error;  ///< what is wrong with the row
  std::string stopped_hint;   ///< how to go on
  std::string safe_mode;      ///< why the node only serves reads; empty otherwise
  Duration sync_hangs;        ///< how long the oldest sync that has not come back has been running
  Duration stale;             ///< how old counts and lists below are: not 0 only while a disk that hangs holds them up
  std::vector<LoadStatus> loads;
  CompactionStatus compaction;
  std::vector<StreamStatus> streams;
  std::vector<ViewStatus> views;
  std::vector<SinkStatus> sinks;
};

class RawLog;

class Node {
 public:
  /// Locks the directory (kObjectInUse when another process holds it), checks its version, recovers.
  static Result<std::unique_ptr<Node>> open(Env& env, Metrics& metrics, NodeOptions options);
  virtual ~Node() = default;

  /// Applies the statements of a pipeline file. `variables` are --set's. Errors point into `text`.
  virtual Status apply_pipeline(std::string_view text, const std::string& base_directory,
                                const std::map<std::string, std::string>& variables) = 0;
  /// Starts the threads; ready when it returns.
  virtual Status start() = 0;
  /// Commits, lets sinks finish what is committed, stops. Called by the destructor too.
  virtual Status stop() = 0;

  /// Runs SQL: every statement but SUBSCRIBE and EMIT CHANGES. A query under way ends with kCancelled when `cancel` is.
  virtual Result<StatementResult> execute(std::string_view sql, CancelToken* cancel) = 0;
  Result<StatementResult> execute(std::string_view sql) { return execute(sql, nullptr); }
  /// What a SUBSCRIBE or EMIT CHANGES statement; nothing when `sql` is another statement.
  virtual Result<std::optional<SubscriptionRequest>> subscription_target(std::string_view sql) = 0;
  virtual Result<std::unique_ptr<Subscription>> subscribe(const SubscriptionRequest& request) = 0;

  /// Stores records of a stream or table; returns when they are durable. The views live for the call.
  virtual Result<AppendReceipt> append(std::string_view stream, const std::vector<std::string_view>& records,
                                       const AppendRequest& request) = 0;
  /// The same without waiting for the disk: calls `done` once, from this thread or from one that syncs. It may sync
  /// what nobody else is syncing before it returns. `done` must be quick and must not append.
  virtual void append_async(std::string_view stream, const std::vector<std::string_view>& records,
                            const AppendRequest& request, std::function<void(Result<AppendReceipt>)> done) {
    done(append(stream, records, request));
  }

  /// What a producer sent to a stream in one minute, in all; takes the place of what it declared before. Returns when
  /// that is durable.
  virtual Status declare(std::string_view stream, std::string_view producer, Timestamp minute,
                         const ledger::IdSum& sent) = 0;

  /// The streams and tables as topics of the Kafka protocol; null when the node only serves reads. raw_log.h
  virtual RawLog* raw_log() { return nullptr; }

  /// Returns when all that was acked so far is in every view.
  virtual Status sync() = 0;
  /// --once: reads all sources to their end, moves watermarks to the end of time, commits, delivers to every sink.
  virtual Status finish_bounded() = 0;

  /// Under Env::single_threaded(), where a node has no threads: what they would do now, on the calling thread. A step
  /// and its commit, or one try to recover from an earlier failure, and a round of each sink that is not in a pause.
  /// True when a step was made. An error that is not the outside's fault stays.
  virtual Result<bool> turn() = 0;

  /// Sends the dead letters of a sink to its destination again.
  virtual Result<ReplayReceipt> replay_dead(std::string_view sink) = 0;

  /// Copies the data directory as of the last commit. savepoint.h
  virtual Result<SavepointReceipt> create_savepoint(std::string_view name) = 0;

  /// While the disk hangs both give what was known before.
  virtual NodeStatus status() = 0;
  virtual ledger::Report ledger_report() = 0;
};

}  // namespace millrace::engine
