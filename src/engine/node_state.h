// NodeState: what a node consists of, and which lock guards it. Private to engine/; node.h is the contract.
//
// Locks, always taken in this order:
//   ddl_mutex      one statement that changes the catalog at a time
//   step_mutex     one step, commit or rebuild of the pipeline at a time
//   sinks_mutex    the list of sinks; a checkpoint takes it under the step lock
//   readers_mutex  view stores, catalog and pipeline: shared by readers, exclusive while a commit applies or a rebuild
//   swaps
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/env.h"
#include "base/fair_mutex.h"
#include "base/metrics.h"
#include "base/thread_pool.h"
#include "batch/instance.h"
#include "engine/commit_record.h"
#include "engine/node.h"
#include "engine/node_raw_log.h"
#include "engine/pipeline.h"
#include "engine/received_book.h"
#include "engine/replay_bound.h"
#include "engine/space_guard.h"
#include "engine/start_record.h"
#include "engine/table_gates.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "sql/bind.h"
#include "sql/catalog.h"
#include "state/store.h"

namespace millrace::engine {

class Compactor;
class Loader;
class SinkRunner;

/// Where committed changes of one view are queued for one subscriber.
struct SubscriberQueue {
  SubscriberQueue(std::string view, batch::Schema schema)
      : view(std::move(view)), schema(std::move(schema)), batches(256, 64 << 20) {}
  std::string view;
  batch::Schema schema;  ///< changes_schema of the view
  BoundedQueue<batch::Batch> batches;
  std::atomic<bool> overrun{false};

  /// What comes instead of more changes.
  void fail(const Error& error) {
    {
      std::lock_guard guard(failure_mutex);
      if (!failed) failed = error;
    }
    batches.close();
  }
  std::optional<Error> failure() {
    std::lock_guard guard(failure_mutex);
    return failed;
  }

 private:
  std::mutex failure_mutex;
  std::optional<Error> failed;
};

struct NodeState {
  NodeState(Env& env, Metrics& metrics, NodeOptions options);
  ~NodeState();

  // Fixed once open.
  Env& env;
  Metrics& metrics;
  Histogram& step_times;  ///< of steps with their commits and, where one was due, their checkpoints
  NodeOptions options;
  std::unique_ptr<FileLock> lock;
  SpaceGuard space;
  std::mutex starts_mutex;            ///< the innermost of all
  std::optional<StartRecord> starts;  ///< guarded by starts_mutex once threads run
  std::string safe_mode;              ///< why nothing but reading is allowed; empty: it is
  std::string identity;               ///< of the data directory
  std::unique_ptr<batch::SqlInstance> instance;
  std::vector<batch::Session> sessions;  ///< one a worker
  std::unique_ptr<batch::Session> ddl_session;
  sql::OptionRegistry registry;
  std::unique_ptr<log::Log> log;
  std::shared_ptr<log::Stream> commits;
  std::unique_ptr<state::Store> store;
  std::unique_ptr<ThreadPool> pool;
  ledger::Ledger ledger;
  ReceivedBook received;
  DurableWatch durable_watch;

  TableGates table_gates;  // a gate comes before all locks but ddl_mutex; a DDL statement holds none

  std::mutex ddl_mutex;

  FairMutex step_mutex;
  // Guarded by step_mutex; the pointers and the catalog also by readers_mutex (exclusive to change).
  std::unique_ptr<Pipeline> pipeline;
  sql::Catalog catalog;
  std::string base_directory;   ///< of the pipeline file that was applied last, maybe by an earlier process
  std::set<std::string> asked;  ///< views whose rows somebody asked for
  Epoch epoch;
  Epoch checkpointed_epoch;  ///< of the last checkpoint
  std::vector<StepRecord> uncommitted;
  std::map<std::pair<StreamId, PartitionId>, Offset>
      written;  ///< committed ends of what the engine writes;
                ///< of producers' streams: up to where the ledger has "received"
  /// `written` as of the last commit; guarded by readers_mutex. What is behind it may be written anew, with other rows.
  std::map<std::pair<StreamId, PartitionId>, Offset> committed_ends;
  bool in_doubt = false;    ///< a step or commit began and did not end: memory is ahead of the disk
  bool restarting = false;  ///< as the pipeline: its rows are not complete
  bool bounded_end = false;
  bool end_of_time_wanted = false;
  Duration checkpointed_at;  ///< by the monotonic clock
  Duration replay_debt;  ///< how long the steps since the last checkpoint took: what recovery would have to do again
  ReplayBound replay_bound;

  std::shared_mutex readers_mutex;

  // Signals between threads.
  std::mutex signal_mutex;
  std::condition_variable signal;    ///< new data, a commit, a stop
  uint64_t data_signals = 0;         ///< guarded by signal_mutex
  Epoch committed_epoch;             ///< guarded by signal_mutex
  std::optional<Error> failure;      ///< guarded by signal_mutex: why no steps are made now
  std::optional<StoppedAt> stopped;  ///< guarded by signal_mutex: no steps are made until this view is gone
  std::atomic<bool> stopping{false};
  std::atomic<bool> ready{false};

  std::atomic<uint64_t> temporary_views{0};  ///< made since the start
  std::mutex subscribers_mutex;
  std::vector<std::weak_ptr<SubscriberQueue>>
      subscribers;  // weak: a subscriber that is gone is dropped at the next commit

  std::mutex sinks_mutex;
  std::vector<std::shared_ptr<SinkRunner>> sinks;  // shared with the thread that runs it
  std::thread step_thread;
  std::unique_ptr<Loader> loader;
  std::unique_ptr<Compactor> compactor;  ///< none in safe mode; its own lock comes before all of the above

  std::atomic<uint64_t> copied_bytes{0};  ///< see MemoryShares

  // For status().
  std::atomic<uint64_t> commits_made{0};
  std::atomic<uint64_t> checkpoints_made{0};
  std::atomic<uint64_t> state_evicted_bytes{0};
  std::atomic<double> rows_per_second{0};
};

// node_open.cpp
/// Stops half-way, with safe_mode set, when the starts before this one failed.
Status open_directory(NodeState& node);
/// Safe mode: log and catalog, without recovery. The lock is held.
Status open_to_read(NodeState& node);
Status recover(NodeState& node);
Status persist_catalog(NodeState& node, const sql::Catalog& catalog);
/// Where relative paths of sources and sinks begin, from now on and at later starts.
Status set_base_directory(NodeState& node, const std::string& directory);
/// Reads it from the disk, makes the log's streams that it lacks and drops those that no object owns.
Status load_catalog(NodeState& node);

// node_memory.cpp
/// How NodeOptions::memory_bytes is divided. What is left is for the rest: the log, sinks, the program itself.
struct MemoryShares {
  uint64_t state_bytes = 0;  ///< operator state and rows of views in tables; filters and indexes of what is stored
  uint64_t dirty_bytes = 0;  ///< of that: changed since the last checkpoint
  uint64_t block_bytes = 0;  ///< blocks of stored state
  uint64_t query_bytes = 0;  ///< DuckDB
  uint64_t copy_bytes = 0;   ///< rows of views and tables that queries have copied
  uint64_t step_bytes = 0;   ///< log bytes that one step takes
};
MemoryShares shares_of(uint64_t memory_bytes);
/// Tells tables where the entries are that they do not hold. Those named in `complete` hold all of theirs.
void attach_state(NodeState& node, const std::vector<state::TableRef>& tables,
                  const std::set<state::TableId>& complete = {});
Status open_store(NodeState& node);
/// The cache of blocks will hold all blocks of stored state. Asks the file system.
bool blocks_are_cached(NodeState& node);
/// Of all tables: what changed since the last checkpoint.
uint64_t dirty_bytes_of(NodeState& node);
/// Takes what is clean out of memory when the state is over its share. Between steps, readers excluded.
void evict_clean_state(NodeState& node);
/// The same, readers being excluded here, and makes a checkpoint when the rest is too much.
Status bound_state(NodeState& node);
/// The cache of blocks has what tables leave of their share: after a start, when they are empty, nearly all of it.
void lend_free_table_bytes(NodeState& node);

// node_step.cpp
/// Takes, runs and commits one step. True when there was something to do.
Result<bool> step_and_commit(NodeState& node, bool force);
/// A step when some view shows rows before any input and has not yet.
Status give_first_rows(NodeState& node);
Status commit(NodeState& node);
Status checkpoint(NodeState& node);
void step_loop(NodeState& node);
void wake(NodeState& node);
/// Waits until all that is durable in the pipeline's streams now is committed.
Status wait_for_catch_up(NodeState& node);
/// The same of one stream.
Status wait_for_stream(NodeState& node, StreamId stream);
std::optional<Error> failure_of(NodeState& node);

/// Keeps it until a recovery in place works, and tells who waits. Of several the first.
void note_failure(NodeState& node, const Error& error);
/// One turn of all threads on the calling one. node.h
Result<bool> take_turn(NodeState& node);

// node_restart.cpp
/// Recovers in place from the last commit, once; then the failure is over.
Status restart(NodeState& node);
/// After a failure of the disk: recovers in place from the last commit, again and again with growing pauses (at most 4
/// s) until it works; then the failure is over. `failures`: how many there were in a row. False when the node stops.
bool restart_until_it_works(NodeState& node, uint32_t failures);
/// An error while memory is ahead of the disk: no steps, commits, checkpoints or changes of the catalog. With
/// step_mutex.
Status refuse_in_doubt(const NodeState& node);
/// An error while the rows in memory are not complete: no queries, no appends. With a readers' lock.
Status refuse_while_restarting(const NodeState& node);

// node_stopped.cpp
std::optional<StoppedAt> stopped_at(NodeState& node);
/// After a step: an error, and from now on the node is stopped, when a view stops at one of its rows. With step_mutex.
Status stop_when_a_row_failed(NodeState& node);
/// The step thread, while the node is stopped: goes back to the last commit and waits. False when the node ends.
bool stay_stopped(NodeState& node);
/// Steps are made again when the view that stopped is among these.
void go_on_without(NodeState& node, const std::vector<sql::CatalogObject>& removed);

// node_rebuild.cpp
/// Makes the pipeline again from `catalog`, keeps the state of what stays, backfills what is new, swaps it in.
Status rebuild(NodeState& node, sql::Catalog catalog);
PipelineSetup pipeline_setup(NodeState& node, const sql::Catalog& catalog);
/// Computes and from now on keeps the rows of these views, where they are not kept yet. With ddl_mutex held.
Status keep_rows(NodeState& node, const std::vector<std::string>& views);
Status create_log_streams(NodeState& node, const sql::CatalogObject& object);
/// Takes a view, table or sink out of the books.
void drop_hops(NodeState& node, const std::string& object);
Status drop_log_streams(NodeState& node, const sql::CatalogObject& object);
/// With step_mutex held.
Status drop_log_stream(NodeState& node, StreamId id);

// node_binding.cpp
/// Of a CREATE statement; fails where its text is wrong.
Result<sql::BoundObject> bind_statement(NodeState& node, const sql::Catalog& catalog, const sql::Statement& statement);

// node_statements.cpp
/// The view of a query that is followed; its name. It is in memory alone.
Result<std::string> create_temporary_view(NodeState& node, const SubscriptionRequest& request);
Status drop_temporary_view(NodeState& node, const std::string& name);
Result<StatementResult> execute_statement(NodeState& node, const sql::Statement& statement,
                                          CancelToken* cancel = nullptr);

// node_query.cpp
class QueryRelations;
/// What a query reads, as of the last commit. Views that only other views read keep no rows until a query asks for
/// them: that is now.
Result<std::unique_ptr<QueryRelations>> relations_of(NodeState& node, batch::Session& session, std::string_view query,
                                                     uint64_t text_offset);
Result<sql::QueryResult> run_over_rows(NodeState& node, std::string_view query, uint64_t text_offset,
                                       CancelToken* cancel = nullptr);

// node_changes.cpp
Result<StatementResult> insert_rows(NodeState& node, const sql::Insert& insert);
Result<StatementResult> update_rows(NodeState& node, const sql::Update& update);
Result<StatementResult> delete_rows(NodeState& node, const sql::Delete& removal);

// node_ingest.cpp
Result<AppendReceipt> append_records(NodeState& node, std::string_view stream,
                                     const std::vector<std::string_view>& records, const AppendRequest& request);
void append_records_async(NodeState& node, std::string_view stream, const std::vector<std::string_view>& records,
                          const AppendRequest& request, std::function<void(Result<AppendReceipt>)> done);
/// What a record of SQL does to its table.
enum class RowOperation : uint8_t {
  kAdd,        ///< a row as JSON
  kTakeKey,    ///< the key columns as JSON
  kTakeEqual,  ///< a row as JSON
};
/// Stores records of JSON; returns when they are durable. Of a table the caller holds the gate, or says that it does
/// not.
Result<AppendReceipt> append_rows(NodeState& node, std::string_view stream,
                                  const std::vector<std::string_view>& records,
                                  const std::vector<RowOperation>& operations, bool gate_is_held);
Status declare_sent(NodeState& node, std::string_view stream, std::string_view producer, Timestamp minute,
                    const ledger::IdSum& sent);

}  // namespace millrace::engine
