// Changing the pipeline while it runs: statements build the next pipeline beside the present one, move the state over,
// backfill what is new, and swap.
#include "base/text.h"
#include "engine/given_schema.h"
#include "engine/node_replace.h"
#include "engine/node_state.h"
#include "engine/replaced_changes.h"
#include "engine/view_topic.h"

namespace millrace::engine {
namespace {

log::StreamOptions source_options(const sql::CatalogObject& object) {
  log::StreamOptions options;
  options.partitions =
      static_cast<int32_t>(object.options.has("partitions") ? object.options.integer("partitions", 1) : 1);
  if (object.options.has("retention")) options.retention = object.options.duration("retention");
  if (object.options.has("retention_size")) {
    options.retention_bytes = static_cast<uint64_t>(object.options.integer("retention_size"));
    if (*options.retention_bytes == 0) options.retention_bytes.reset();
  }
  if (object.options.has("segment_size")) {
    options.segment_bytes = static_cast<uint64_t>(object.options.integer("segment_size"));
  }
  if (object.options.text("cleanup_policy") == "compact") {
    options.compaction.emplace();
    options.compaction->lag = object.options.duration("min_compaction_lag").value_or(Duration{});
  }
  return options;
}

Status create_if_missing(NodeState& node, StreamId id, const std::string& name, const log::StreamOptions& options) {
  if (node.log->find(id)) return {};
  MR_ASSIGN(auto stream, node.log->create_stream(id, name, options));
  (void)stream;
  return {};
}

/// The view in another pipeline, when it is there with the same plan.
PipelineView* same_view(Pipeline& pipeline, const PipelineView& view) {
  PipelineView* other = pipeline.find_view(view.name);
  return other && other->plan.root().id == view.plan.root().id ? other : nullptr;
}

/// A stream that is new, or in `anew`, starts where its log starts; what it holds is taken by the next steps.
void move_positions(Pipeline& from, Pipeline& to, const std::vector<sql::CatalogObject>& anew) {
  for (RunningSource& now : to.sources()) {
    const RunningSource* old = from.find_source(now.source.id);
    const bool begins = std::any_of(anew.begin(), anew.end(),
                                    [&](const sql::CatalogObject& stream) { return stream.stream == now.source.id; });
    if (!old || begins) {
      begin_anew(now);
      continue;
    }
    now.positions = old->positions;
    now.committed = old->committed;
    now.progress = old->progress;
    now.last_taken = old->last_taken;
  }
}

/// Copies watermarks and operator state of everything that both pipelines have.
/// Entries in memory are copied unless there are many; the rest is on disk.
Status move_state(NodeState& node, Pipeline& from, Pipeline& to, const std::vector<sql::CatalogObject>& anew) {
  const std::vector<state::TableId> known = to.table_ids();
  std::vector<state::TableId> unknown = known;  // no former table has their entries: what is on disk is void
  std::set<state::TableId> complete;
  uint64_t bytes = 0;
  for (const state::TableRef& ref : from.tables()) {
    bytes += ref.table->memory_bytes();
    std::erase(unknown, ref.id);
    complete.insert(ref.id);
  }
  const bool copies = bytes <= shares_of(node.options.memory_bytes).state_bytes / 2;
  for (const state::TableRef& ref : from.tables()) {
    if (ref.table->partial() || !copies) complete.erase(ref.id);
    if (!copies || !std::binary_search(known.begin(), known.end(), ref.id)) continue;
    Status status;
    ref.table->for_each_resident([&](const state::Entry& entry) {
      if (status.ok()) status = to.restore(ref.id, entry);
    });
    MR_TRY(std::move(status));
  }
  MR_TRY(node.store->drop_tables(unknown));
  attach_state(node, to.tables(), complete);
  std::set<std::string> unfilled;
  for (auto& view : to.views()) {
    if (!same_view(from, *view)) unfilled.insert(view->name);
  }
  std::map<std::string, Timestamp> watermarks = from.watermarks();
  for (const sql::CatalogObject& stream : anew) watermarks.erase(stream.name);
  to.set_watermarks(std::move(watermarks), unfilled);
  for (auto& view : to.views()) {
    PipelineView* old = same_view(from, *view);
    if (!old) continue;
    if (view->kept && old->kept) view->store->set_rows(old->store->rows());
    view->changes = old->changes;
    view->errors = old->errors;
    view->late_rows = old->late_rows;
  }
  return {};
}

}  // namespace

PipelineSetup pipeline_setup(NodeState& node, const sql::Catalog& catalog) {
  PipelineSetup setup;
  setup.env = &node.env;
  setup.log = node.log.get();
  setup.ledger = &node.ledger;
  setup.catalog = &catalog;
  setup.workers = node.options.workers;
  setup.asked = node.asked;
  for (batch::Session& session : node.sessions) setup.sessions.push_back(&session);
  return setup;
}

Status create_log_streams(NodeState& node, const sql::CatalogObject& object) {
  if (object.temporary) return {};
  switch (object.kind) {
    case sql::ObjectKind::kStream:
      MR_TRY(create_if_missing(node, object.stream, object.name, source_options(object)));
      break;
    case sql::ObjectKind::kTable:
      MR_TRY(create_if_missing(node, object.stream, raw_name(object.name), source_options(object)));
      break;
    case sql::ObjectKind::kMaterializedView:
      MR_TRY(create_if_missing(node, object.stream, changelog_stream_name(object.name), source_options(object)));
      break;
    case sql::ObjectKind::kSink: break;
    default: return {};
  }
  for (const sql::Companion& companion : object.companions) {
    const bool topic = companion.kind == sql::CompanionKind::kTopic;
    MR_TRY(create_if_missing(node, companion.stream, sql::companion_name(object, companion.kind),
                             topic ? topic_options(object) : log::StreamOptions()));
  }
  return {};
}

void drop_hops(NodeState& node, const std::string& object) {
  for (const char* hop :
       {"view:", "table:", "kept:", "filtered:", "failed:", "late:", "sink:", "dead:", "lost:", "before:", "again:"}) {
    node.ledger.drop_hop(hop + object);
  }
}

Status drop_log_stream(NodeState& node, StreamId id) {
  std::erase_if(node.written, [id](const auto& entry) { return entry.first.first == id; });
  {
    std::unique_lock readers(node.readers_mutex);
    std::erase_if(node.committed_ends, [id](const auto& entry) { return entry.first.first == id; });
  }
  node.received.forget(id);
  node.ledger.drop(id);
  return node.log->find(id) ? node.log->drop_stream(id) : Status();
}

Status drop_log_streams(NodeState& node, const sql::CatalogObject& object) {
  MR_TRY(drop_log_stream(node, object.stream));
  node.table_gates.forget(object.stream);
  for (const sql::Companion& companion : object.companions) MR_TRY(drop_log_stream(node, companion.stream));
  drop_hops(node, object.name);
  return {};
}

namespace {

Status keep_rows_of(NodeState& node, PipelineView& view) {
  node.asked.insert(view.name);
  // Rows that a former keeping left on disk are none of these.
  std::vector<state::TableId> tables;
  for (const state::TableRef& ref : view.store->tables()) tables.push_back(ref.id);
  MR_TRY(node.store->drop_tables(tables));
  if (!node.pipeline->is_fresh(view)) {
    PipelineSetup setup = pipeline_setup(node, node.catalog);
    setup.only = view.name;
    MR_ASSIGN(std::unique_ptr<Pipeline> shadow, Pipeline::build(setup));
    MR_TRY(shadow->run_history_of(*node.pipeline, node.options.step_bytes_max, *node.pool));
    std::unique_lock readers(node.readers_mutex);
    view.store = std::move(shadow->find_view(view.name)->store);
  }
  view.kept = true;
  attach_state(node, view.store->tables());
  return {};
}

}  // namespace

Status keep_rows(NodeState& node, const std::vector<std::string>& views) {
  std::lock_guard steps(node.step_mutex);
  MR_TRY(refuse_in_doubt(node));
  for (const std::string& name : views) {
    if (!node.safe_mode.empty()) return external_error(sqlstate::kUnavailable, "views have no rows in safe mode");
    PipelineView* view = node.pipeline->find_view(name);
    if (view && !view->kept) MR_TRY(keep_rows_of(node, *view));
  }
  return {};
}

namespace {

void drop_counts(NodeState& node, const std::vector<std::string>& views) {
  for (const std::string& view : views) {
    for (const char* hop : {"view:", "kept:", "filtered:", "failed:", "late:", "before:", "again:"}) {
      node.ledger.drop_hop(hop + view);
    }
  }
}

/// A view without rows that has them in the next pipeline: they are computed now, and move like others.
Status keep_rows_that_are_wanted(NodeState& node, const PipelineSetup& setup) {
  const auto& views = node.pipeline->views();
  if (std::all_of(views.begin(), views.end(), [](const auto& view) { return view->kept; })) return {};
  MR_ASSIGN(std::unique_ptr<Pipeline> next, Pipeline::build(setup));
  for (const auto& view : next->views()) {
    PipelineView* now = same_view(*node.pipeline, *view);
    if (now && view->kept && !now->kept) MR_TRY(keep_rows_of(node, *now));
  }
  return {};
}

/// Views that are planned anew count their rows anew. When nothing comes of it, the books are as before.
class BooksOfReplaced {
 public:
  BooksOfReplaced(NodeState& node, std::vector<std::string> views) : node_(node), views_(std::move(views)) {
    if (views_.empty()) return;
    before_ = node.ledger.snapshot();
    drop_counts(node, views_);
  }
  ~BooksOfReplaced() {
    if (views_.empty()) return;
    count_anew(node_, views_);
    (void)node_.ledger.restore(before_);
  }
  void keep() { views_.clear(); }
  BooksOfReplaced(const BooksOfReplaced&) = delete;
  BooksOfReplaced& operator=(const BooksOfReplaced&) = delete;

 private:
  NodeState& node_;
  std::vector<std::string> views_;
  std::string before_;
};

/// Of the views that are planned anew and whose changes somebody reads; both pipelines have all their rows.
Result<std::vector<std::unique_ptr<ReplacedChanges>>> replaced_changes(NodeState& node, Pipeline& next,
                                                                       const std::vector<std::string>& replanned) {
  std::vector<std::unique_ptr<ReplacedChanges>> all;
  for (const std::string& name : replanned) {
    const PipelineView* before = node.pipeline->find_view(name);
    const PipelineView* after = next.find_view(name);
    if (!before || !after || !before->changelog || !after->changelog) continue;
    MR_ASSIGN(std::unique_ptr<ReplacedChanges> changes, ReplacedChanges::between(*before, *after));
    MR_TRY(changes->check_sinks(node.catalog));
    all.push_back(std::move(changes));
  }
  return all;
}

/// Behind all records that a step has taken or can take before the next pipeline is there.
std::vector<Offset> ends_of(NodeState& node, StreamId id) {
  std::vector<Offset> ends;
  std::shared_ptr<log::Stream> stream = node.log->find(id);
  for (int32_t p = 0; stream && p < stream->partition_count(); ++p) {
    ends.push_back(stream->partition(PartitionId(p)).end_offset());
  }
  return ends;
}

}  // namespace

void count_anew(NodeState& node, const std::vector<std::string>& views) {
  if (views.empty()) return;
  drop_counts(node, views);
  (void)Pipeline::build(pipeline_setup(node, node.catalog));  // links the hops of the running one again
}

Status rebuild(NodeState& node, sql::Catalog catalog) {
  std::lock_guard steps(node.step_mutex);
  MR_TRY(refuse_in_doubt(node));
  // Rows that are kept stay kept, also when from now on only a view reads them: its backfill starts from them.
  for (const auto& view : node.pipeline->views()) {
    if (view->kept && !view->is_table && !view->temporary && !node.pipeline->is_fresh(*view))
      node.asked.insert(view->name);
  }
  // A DROP that a crash ended behind its durable part leaves books, which are not those of what has the name now.
  for (const sql::CatalogObject* object : catalog.objects()) {
    if (!node.catalog.find(object->name)) drop_hops(node, object->name);
  }
  catalog.set_added_since([&](const sql::CatalogObject& stream) { return ends_of(node, stream.stream); });
  const std::vector<std::string> replanned = replanned_views(node.catalog, catalog);
  PipelineSetup setup = pipeline_setup(node, catalog);
  setup.asked.insert(replanned.begin(), replanned.end());  // what is filled with them reads their rows
  MR_TRY(keep_rows_that_are_wanted(node, setup));
  const std::vector<sql::CatalogObject> given = streams_given_schema(node.catalog, catalog);
  // What is dirty must be on disk before it moves: restored entries count as clean. And no commit that took a stream's
  // records as bytes may be run again when they are rows, nor one that has nothing of a new view in its books.
  const bool may_be_replayed = node.epoch != node.checkpointed_epoch;
  if (!node.pipeline->views().empty() || !given.empty() || may_be_replayed) MR_TRY(checkpoint(node));
  BooksOfReplaced books(node, replanned);
  MR_ASSIGN(std::unique_ptr<Pipeline> next, Pipeline::build(setup));
  move_positions(*node.pipeline, *next, given);
  MR_TRY(move_state(node, *node.pipeline, *next, given));
  std::vector<std::string> fresh;
  for (auto& view : next->views()) {
    if (!same_view(*node.pipeline, *view)) fresh.push_back(view->name);
  }
  for (const std::string& view : fresh) {
    if (!next->is_fresh(*next->find_view(view))) MR_TRY(next->backfill(view, node.options.step_bytes_max, *node.pool));
  }
  MR_TRY(node.env.failpoints().point("engine.change.filled").check());
  MR_ASSIGN(const auto changes, replaced_changes(node, *next, replanned));
  books.keep();
  node.in_doubt = true;  // until memory has what the disk may have from here on
  for (const auto& of_view : changes) MR_TRY(of_view->write(node, catalog));
  MR_TRY(node.env.failpoints().point("engine.change.changes").check());
  MR_TRY(persist_catalog(node, catalog));
  MR_TRY(node.env.failpoints().point("engine.change.durable").check());
  for (const sql::CatalogObject& stream : given) MR_TRY(forget_bytes(node, stream));
  {
    std::unique_lock readers(node.readers_mutex);
    node.pipeline = std::move(next);
    node.catalog = std::move(catalog);
    node.asked.insert(replanned.begin(), replanned.end());
  }
  node.in_doubt = false;
  MR_TRY(node.env.failpoints().point("engine.change.swapped").check());
  if (fresh.empty() && given.empty()) return {};
  if (node.pipeline->has_side_rows()) MR_TRY(commit(node));  // of the backfill
  return checkpoint(node);
}

}  // namespace millrace::engine
