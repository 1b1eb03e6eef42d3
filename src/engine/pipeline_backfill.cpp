// Filling a view from the history of what it reads.
#include <algorithm>

#include "engine/pipeline.h"

namespace millrace::engine {
namespace {

/// Feeds one new view from its sources' history: streams in pieces, views from their stored rows, once.
class HistoryFeed final : public dataflow::SourceFeed {
 public:
  HistoryFeed(StepInput& input, Pipeline& pipeline, bool with_views)
      : input_(input), pipeline_(pipeline), with_views_(with_views) {}

  Status feed(uint32_t worker, const std::string& view, const plan::Node& node, dataflow::Output& out) override {
    const auto& source = std::get<plan::Source>(node.operation);
    PipelineView* upstream = pipeline_.find_view(source.relation);
    if (!upstream) return input_.feed(worker, view, node, out);
    if (!with_views_ || worker != 0) return {};
    ViewStore::Snapshot snapshot = upstream->store->snapshot();
    std::vector<uint32_t> columns;
    for (const auto& column : source.columns) columns.push_back(column.field);
    batch::Batch rows(upstream->store->schema());
    ViewStore::Snapshot::Position at;
    while (!snapshot.at_end(at)) {
      MR_TRY(snapshot.read(at, rows));
      MR_TRY(out.push(rows.project(columns)));
    }
    return {};
  }

 private:
  StepInput& input_;
  Pipeline& pipeline_;
  bool with_views_;
};

/// Whether the query looks at how far the stream's watermark was when a row came.
bool looks_at_watermark(const plan::Plan& plan, const std::string& relation) {
  return std::any_of(plan.nodes.begin(), plan.nodes.end(), [&](const plan::Node& node) {
    const auto* source = std::get_if<plan::Source>(&node.operation);
    return source && source->relation == relation &&
           std::any_of(source->columns.begin(), source->columns.end(), [](const plan::SourceColumn& column) {
             return column.kind == plan::SourceColumnKind::kWatermark;
           });
  });
}

/// From where on a backfill reads the partitions: from the start of the view when nothing before matters to it.
std::vector<Offset> first_offsets(const PipelineView& view, const RunningSource& running) {
  std::vector<Offset> first;
  for (size_t p = 0; p < running.positions.size(); ++p) {
    first.push_back(running.source.stream->partition(PartitionId(static_cast<int32_t>(p))).begin_offset());
  }
  for (const sql::StreamStart& start : view.starts) {
    if (start.stream != running.source.id) continue;
    const bool has_rows = !std::equal(start.offsets.begin(), start.offsets.end(), running.positions.begin(),
                                      [](Offset from, Offset taken) { return from >= taken; });
    if (has_rows && looks_at_watermark(view.plan, running.source.name)) continue;
    for (size_t p = 0; p < first.size(); ++p) first[p] = std::max(first[p], start.offsets[p]);
  }
  return first;
}

}  // namespace

Status Pipeline::run_history_of(const Pipeline& like, size_t bytes_max, ThreadPool& pool) {
  for (RunningSource& running : sources_) {
    for (const RunningSource& other : like.sources_) {
      if (other.source.id == running.source.id) running.committed = other.positions;
    }
    running.engine_written = true;  // bounds the reading by `committed`
  }
  for (bool first = true;; first = false) {
    StepInput input(sources_, taps_, workers_, env_->failpoints());
    input.set_counting(false, false);
    MR_ASSIGN(bool has_rows, input.take(bytes_max, pool));
    if (!has_rows && !first) return {};
    MR_TRY(input.decode(pool));
    MR_TRY(run(input, pool));
    input.finish();
    MR_TRY(apply_staged(pool));
  }
}

/// Rows that were decoded once and that a backfill did not read, as they are gone or before the view's start: they are
/// owed to it no more.
void Pipeline::book_what_is_before(const PipelineView& view, StreamId stream) {
  std::map<Timestamp, ledger::IdSum> rows;
  const std::string again = "again:" + view.name;
  for (const ledger::Ledger::Row& row : ledger_->rows()) {
    if (row.stream != stream || (row.hop != "decoded" && row.hop != again)) continue;
    const bool adds = row.hop == "decoded";
    ledger::IdSum& sum = rows[row.minute];
    sum.count += adds ? row.count : 0 - row.count;
    sum.fingerprint += adds ? row.fingerprint : 0 - row.fingerprint;
  }
  ledger::Recorder recorder;
  for (const auto& [minute, sum] : rows) recorder.add_ids(ledger_->hop("before:" + view.name), stream, minute, sum);
  ledger_->merge(recorder);
}

Status Pipeline::backfill(const std::string& name, size_t bytes_max, ThreadPool& pool) {
  PipelineView* view = find_view(name);
  std::map<StreamId, std::vector<Offset>> from;
  std::map<StreamId, std::vector<Offset>> ends;
  std::vector<StreamId> read_in_part;
  for (const std::string& relation : view->plan.relations()) {
    for (const RunningSource& running : sources_) {
      if (running.source.name != relation) continue;
      ends[running.source.id] = running.positions;
      const std::vector<Offset>& first = from[running.source.id] = first_offsets(*view, running);
      const bool whole = std::all_of(first.begin(), first.end(), [](Offset offset) { return offset == Offset(0); });
      if (!whole && !view->temporary) read_in_part.push_back(running.source.id);
    }
  }
  StepInput input(sources_, taps_, workers_, env_->failpoints());
  input.set_counting(false, true);
  if (!read_in_part.empty()) input.count_again();
  bool first = true;
  for (bool more = true; more; first = false) {
    MR_ASSIGN(more, input.take_history(from, ends, bytes_max, pool));
    MR_TRY(input.decode(pool));
    HistoryFeed feed(input, *this, first);
    MR_TRY(graph_->backfill_step(name, feed, input.history_watermarks(from, ends, watermarks_), *this, pool));
    if (auto at = stopped_at()) return at->error();
    input.take_dead();
    if (!view->stops) merge_counted(input);  // else nothing is counted until it is sure that no row fails
    input.finish();
    MR_TRY(apply_staged(pool));
  }
  if (view->stops) merge_counted(input);
  for (StreamId stream : read_in_part) book_what_is_before(*view, stream);
  if (!read_in_part.empty()) ledger_->drop_hop("again:" + name);
  return {};
}

}  // namespace millrace::engine
