// Pipeline: the sources, views and graph that a node runs, and one step of them. It knows nothing of commits.
//
// Built from the catalog; rebuilt when a statement changes the catalog, keeping the state of what stays. Everything
// here is called by one thread at a time (the node's step lock), but view stores may be read by others under the node's
// readers' lock.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "batch/instance.h"
#include "dataflow/graph.h"
#include "engine/side_rows.h"
#include "engine/step_input.h"
#include "engine/stopped_at.h"
#include "engine/view_store.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "sql/catalog.h"

namespace millrace::engine {

/// The raw rows of a table are a stream of this name.
inline std::string raw_name(const std::string& table) { return table + "$raw"; }

struct PipelineView {
  std::string name;
  bool is_table = false;
  /// Its rows are kept. Not so for a view that only other views read, until somebody asks for its rows.
  bool kept = true;
  plan::Plan plan;
  std::vector<uint32_t> key;
  std::unique_ptr<ViewStore> store;
  std::shared_ptr<log::Stream> changelog;  // null: nobody reads it
  std::shared_ptr<log::Stream> topic;      // null: no Kafka client has read it
  std::shared_ptr<log::Stream> late;
  std::shared_ptr<log::Stream> error;
  std::vector<std::unique_ptr<SideRows>> sides;  // by worker
  StreamId id;                                   // of its catalog object
  std::vector<sql::StreamStart> starts;          // rows before are not of it
  bool stops = false;                            // on_error = 'stop'
  bool temporary = false;                        // of a query that somebody follows
  bool keeps_changes = false;  // it has a retention: all changes since it was made are in the changelog
  uint64_t changes = 0;
  uint64_t errors = 0;
  uint64_t late_rows = 0;

  /// What pairs the changes of a commit. Where rows only come there is nothing to pair.
  std::vector<uint32_t> pairing_key() const { return store->append_only() ? std::vector<uint32_t>() : key; }
};

struct PipelineSetup {
  Env* env = nullptr;
  log::Log* log = nullptr;
  ledger::Ledger* ledger = nullptr;
  const sql::Catalog* catalog = nullptr;
  uint32_t workers = 1;
  std::vector<batch::Session*> sessions;  ///< one a worker
  std::set<std::string> asked;            ///< views whose rows somebody asked for: they are kept
  /// Only this view and what it reads, and only its rows are kept: for computing them from the log.
  std::string only;
};

class Pipeline final : public dataflow::ViewSink {
 public:
  static Result<std::unique_ptr<Pipeline>> build(const PipelineSetup& setup);

  std::vector<RunningSource>& sources() { return sources_; }
  std::vector<std::unique_ptr<PipelineView>>& views() { return views_; }
  PipelineView* find_view(std::string_view name);
  RunningSource* find_source(StreamId id);

  /// Takes what is there, runs it, and says what it took. Nothing is taken and nothing runs when there is no input, the
  /// watermarks stand still and `force` is false: then the record is empty and false is returned.
  Result<bool> step(size_t bytes_max, bool end_of_time, bool force, ThreadPool& pool, StepRecord& record);
  /// Runs a recorded step again. Side rows and dead records are dropped: the first run wrote them.
  Status replay(const StepRecord& record, ThreadPool& pool);
  /// Rows that were late or failed, for the next commit.
  bool has_side_rows() const;
  /// Forgets those that a commit which is replayed has written.
  void clear_sides();
  /// From the beginning of the logs up to the positions of `like`, counting nothing; at least one step.
  Status run_history_of(const Pipeline& like, size_t bytes_max, ThreadPool& pool);
  /// No row was taken yet from the streams that this view reads, directly or through others, and none of those views
  /// has emitted what it emits without input.
  bool is_fresh(const PipelineView& view) const;
  /// An aggregate without GROUP BY that never ran: its row comes with the next step, which needs no input.
  bool owes_rows() const { return graph_->owes_rows({}); }
  /// Feeds a new view with all rows that its sources hold from its start up to the positions. The view stores' rows
  /// must be applied. A row at which the view stops is an error.
  Status backfill(const std::string& view, size_t bytes_max, ThreadPool& pool);

  /// The row of the last step at which a view stops: the step must not be committed.
  std::optional<StoppedAt> stopped_at() const;
  std::vector<StepInput::DeadOf> take_dead() { return std::exchange(dead_, {}); }
  /// Applies what the steps staged to the view stores; readers excluded.
  Status apply_staged(ThreadPool& pool);

  std::vector<state::TableRef> tables();
  Status restore(state::TableId id, const state::Entry& entry);
  /// All table ids, each once.
  std::vector<state::TableId> table_ids();
  std::vector<dataflow::Graph::NodeReport> report() const { return graph_->report(); }

  const std::map<std::string, Timestamp>& watermarks() const { return watermarks_; }
  /// The streams whose smallest watermark is the view's.
  std::set<std::string> watermarked_by(const std::string& view) const { return graph_->watermarked_by(view); }
  /// The partition was silent for the stream's idle_timeout: it holds back nobody.
  bool is_idle(const RunningSource& source, size_t partition) const {
    return source.source.idle_timeout && silence(source, partition) >= *source.source.idle_timeout;
  }
  /// After a restore. The views in `unfilled` are to be filled from the history: their operators are not told yet, or
  /// all rows of windows that are closed by now would be late.
  void set_watermarks(std::map<std::string, Timestamp> watermarks, const std::set<std::string>& unfilled) {
    watermarks_ = std::move(watermarks);
    graph_->advance(watermarks_, unfilled);
  }
  uint64_t rows_taken() const { return rows_taken_; }
  uint64_t bytes_taken() const { return bytes_taken_; }  ///< of the log

  Status emit(uint32_t worker, const std::string& view, const batch::Batch& batch) override;

 private:
  Pipeline() = default;
  /// This view, and all views and tables that it reads, by name.
  std::set<std::string> closure_of(const std::string& view) const;
  bool may_go_without_rows(const PipelineSetup& setup, const PipelineView& view) const;
  Status add_sources(const PipelineSetup& setup);
  Status add_views(const PipelineSetup& setup);
  Status add_source(const PipelineSetup& setup, const sql::CatalogObject& object, std::string name);
  Status add_companion(const PipelineSetup& setup, const sql::CatalogObject& object, const sql::Companion& companion);
  MetaColumns meta_columns_of(const std::string& stream) const;
  void link_ledger(const PipelineSetup& setup);
  void link_view(ledger::Ledger& ledger, PipelineView& view, const RunningSource& running);
  void link_late(ledger::Ledger& ledger, PipelineView& view);
  void merge_counted(StepInput& input);
  void book_what_is_before(const PipelineView& view, StreamId stream);
  bool move_watermarks(const StepInput& input, bool end_of_time);
  Duration silence(const RunningSource& source, size_t partition) const {
    return Duration{env_->clock().monotonic().micros - source.last_taken[partition].micros};
  }
  Status run(StepInput& input, ThreadPool& pool);

  Env* env_ = nullptr;
  uint32_t workers_ = 1;
  ledger::Ledger* ledger_ = nullptr;
  std::vector<RunningSource> sources_;
  std::vector<std::unique_ptr<PipelineView>> views_;  // every view behind the views it reads
  std::vector<ViewTap> taps_;
  std::unique_ptr<dataflow::Graph> graph_;
  std::map<std::string, Timestamp> watermarks_;  // by stream name, as the graph has them
  std::vector<StepInput::DeadOf> dead_;
  uint64_t rows_taken_ = 0;
  uint64_t bytes_taken_ = 0;
};

/// The watermark column of a stream source's rows, and so on, from the catalog's definition.
Result<StreamSource> make_stream_source(const sql::CatalogObject& object, std::string name,
                                        std::shared_ptr<log::Stream> stream, batch::Session& session);
/// What a checkpoint calls a view whose state it has: of another plan, the state is another.
inline std::string note_name(const PipelineView& view) {
  return view.name + '\n' + std::to_string(view.plan.root().id.value);
}
/// How the plan of a table takes rows away. Not at all, when an older version planned it.
Deletes deletes_of(const plan::Plan& table);
batch::Schema schema_of(const std::vector<sql::CatalogColumn>& columns);
/// The committed log stream name of a companion or changelog.
std::string changelog_stream_name(const std::string& view);

}  // namespace millrace::engine
