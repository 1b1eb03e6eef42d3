#include "engine/pipeline.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace millrace::engine {
namespace {

/// Later than any event: what --once moves the watermarks to.
constexpr Timestamp kEndOfTime{std::numeric_limits<int64_t>::max() / 4};

/// A view whose changes are kept for readers.
bool keeps_changes(const sql::CatalogObject& object) {
  return object.kind == sql::ObjectKind::kMaterializedView && object.options.has("retention") &&
         object.options.duration("retention");
}

/// True when some sink needs the view's changes one by one, not only its rows.
bool needs_changelog(const sql::Catalog& catalog, const sql::CatalogObject& view, bool append_only) {
  for (const sql::CatalogObject* sink : catalog.objects(sql::ObjectKind::kSink)) {
    if (!iequals(sink->source, view.name)) continue;
    const std::string& mode = sink->options.text("mode");
    bool snapshot = mode == "snapshot" || (mode.empty() && !append_only);
    if (!snapshot) return true;
  }
  return false;
}

}  // namespace

std::string changelog_stream_name(const std::string& view) { return view + "$changes"; }

Result<std::unique_ptr<Pipeline>> Pipeline::build(const PipelineSetup& setup) {
  std::unique_ptr<Pipeline> pipeline(new Pipeline());
  pipeline->env_ = setup.env;
  pipeline->workers_ = setup.workers;
  pipeline->ledger_ = setup.ledger;
  MR_TRY(pipeline->add_views(setup));
  if (!setup.only.empty()) {
    std::set<std::string> needed = pipeline->closure_of(setup.only);
    std::erase_if(pipeline->views_, [&](const auto& view) { return !needed.count(view->name); });
  }
  for (auto& view : pipeline->views_) {
    bool only_this = !setup.only.empty() && view->name != setup.only;
    view->kept = !only_this && (setup.only == view->name || !pipeline->may_go_without_rows(setup, *view));
    if (!view->kept) view->changelog = nullptr;
  }
  MR_TRY(pipeline->add_sources(setup));
  pipeline->link_ledger(setup);
  std::vector<dataflow::ViewPlan> plans;
  for (const auto& view : pipeline->views_) plans.push_back({view->name, &view->plan});
  dataflow::GraphOptions options;
  options.workers = setup.workers;
  Pipeline* self = pipeline.get();
  MR_ASSIGN(pipeline->graph_,
            dataflow::Graph::build(std::move(plans), options, setup.sessions,
                                   [self](const std::string& view, uint32_t worker) -> dataflow::SideOutput* {
                                     return self->find_view(view)->sides[worker].get();
                                   }));
  return pipeline;
}

Status Pipeline::add_views(const PipelineSetup& setup) {
  for (const sql::CatalogObject* object : setup.catalog->objects()) {
    bool is_table = object->kind == sql::ObjectKind::kTable;
    if (!is_table && object->kind != sql::ObjectKind::kMaterializedView) continue;
    auto view = std::make_unique<PipelineView>();
    view->name = object->name;
    view->is_table = is_table;
    view->id = object->stream;
    view->starts = object->starts;
    view->stops = object->options.text("on_error") == "stop";
    MR_ASSIGN(view->plan, plan::deserialize(object->plan, *setup.sessions[0]));
    for (uint32_t column : view->plan.root().key) {
      if (column < view->plan.columns) view->key.push_back(column);
    }
    if (view->key.size() != view->plan.root().key.size()) view->key.clear();
    const plan::Node& root = view->plan.root();
    // Rows of a table can be taken away even where an older release planned it as a bag that grows.
    view->store = std::make_unique<ViewStore>(view->plan.schema(), root.id, root.append_only && !is_table, setup.workers);
    view->temporary = object->temporary;
    view->keeps_changes = keeps_changes(*object);
    if (view->keeps_changes || needs_changelog(*setup.catalog, *object, view->plan.root().append_only))
      view->changelog = setup.log->find(object->stream);
    for (const sql::Companion& companion : object->companions) {
      if (companion.kind == sql::CompanionKind::kLate) view->late = setup.log->find(companion.stream);
      if (companion.kind == sql::CompanionKind::kError) view->error = setup.log->find(companion.stream);
      if (companion.kind == sql::CompanionKind::kTopic) view->topic = setup.log->find(companion.stream);
    }
    for (uint32_t worker = 0; worker < setup.workers; ++worker)
      view->sides.push_back(std::make_unique<SideRows>(view->name, setup.env->failpoints()));
    for (auto& side : view->sides) {
      if (view->stops) side->stop_on_error();
    }
    views_.push_back(std::move(view));
  }
  return {};
}

Status Pipeline::add_source(const PipelineSetup& setup, const sql::CatalogObject& object, std::string name) {
  std::shared_ptr<log::Stream> stream = setup.log->find(object.stream);
  if (!stream) return external_error(sqlstate::kDataCorrupted, "the log has no stream for " + object.name);
  RunningSource running;
  MR_ASSIGN(running.source, make_stream_source(object, std::move(name), std::move(stream), *setup.sessions[0]));
  sources_.push_back(std::move(running));
  return {};
}

Status Pipeline::add_companion(const PipelineSetup& setup, const sql::CatalogObject& object,
                               const sql::Companion& companion) {
  sql::CatalogObject described;
  described.name = sql::companion_name(object, companion.kind);
  described.stream = companion.stream;
  described.columns = sql::companion_columns(companion.kind);
  MR_TRY(add_source(setup, described, described.name));
  sources_.back().engine_written = true;
  return {};
}

Status Pipeline::add_sources(const PipelineSetup& setup) {
  std::vector<std::string> wanted;
  for (const auto& view : views_) {
    for (const std::string& relation : view->plan.relations()) wanted.push_back(relation);
  }
  auto is_wanted = [&](const std::string& name) {
    return std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  };
  for (const sql::CatalogObject* object : setup.catalog->objects()) {
    bool is_stream = object->kind == sql::ObjectKind::kStream;
    // Every stream is read, with or without views: what does not decode is found out and counted at once.
    bool left_out = !setup.only.empty() && !is_wanted(object->name) && !is_wanted(raw_name(object->name));
    if (left_out) continue;
    if (is_stream) MR_TRY(add_source(setup, *object, object->name));
    if (object->kind == sql::ObjectKind::kTable) {
      MR_TRY(add_source(setup, *object, raw_name(object->name)));
      PipelineView* table = find_view(object->name);
      if (table) sources_.back().source.deletes = deletes_of(table->plan);
    }
    for (const sql::Companion& companion : object->companions) {
      if (is_wanted(sql::companion_name(*object, companion.kind))) MR_TRY(add_companion(setup, *object, companion));
    }
  }
  for (RunningSource& running : sources_) {
    running.source.meta_columns = meta_columns_of(running.source.name);
    auto partitions = static_cast<size_t>(running.source.stream->partition_count());
    running.positions.assign(partitions, Offset(0));
    running.committed.assign(partitions, Offset(0));
    running.progress.resize(partitions);
    running.last_taken.assign(partitions, setup.env->clock().monotonic());
    for (uint32_t worker = 0; worker < setup.workers; ++worker) {
      running.decoders.push_back(
          std::make_unique<StreamDecoder>(running.source, *setup.sessions[worker], setup.env->failpoints()));
    }
  }
  return {};
}

/// What some view reads of the stream beside its fields.
MetaColumns Pipeline::meta_columns_of(const std::string& stream) const {
  MetaColumns wanted;
  for (const auto& view : views_) {
    for (const plan::Node& node : view->plan.nodes) {
      const auto* source = std::get_if<plan::Source>(&node.operation);
      if (!source || source->relation != stream) continue;
      for (const plan::SourceColumn& column : source->columns) {
        const std::optional<MetaColumn> meta = meta_column_of(column.kind);
        if (meta) wanted.set(static_cast<size_t>(*meta));
      }
    }
  }
  return wanted;
}

void Pipeline::link_ledger(const PipelineSetup& setup) {
  for (RunningSource& running : sources_) {
    StreamSource& source = running.source;
    source.stored_hop = setup.ledger->hop("stored");
    source.decoded_hop = setup.ledger->hop("decoded");
    source.dead_hop = setup.ledger->hop("dead");
    if (!running.engine_written) setup.ledger->link(source.id, source.name, {"received", "stored", {}});
    setup.ledger->link(source.id, source.name, {"stored", "decoded", {"dead"}});
  }
  for (const auto& view : views_) {
    if (view->temporary) continue;  // nothing of it is in the books
    for (const std::string& relation : view->plan.relations()) {
      for (const RunningSource& running : sources_) {
        if (running.source.name == relation) link_view(*setup.ledger, *view, running);
      }
    }
    link_late(*setup.ledger, *view);
  }
}

/// Where rows may be late, they carry the position that they have in one stream.
void Pipeline::link_late(ledger::Ledger& ledger, PipelineView& view) {
  for (const plan::Node& node : view.plan.nodes) {
    for (size_t port = 0; port < node.inputs.size(); ++port) {
      const std::optional<std::string> relation = plan::positions_from(view.plan, node.inputs[port]);
      for (const RunningSource& running : sources_) {
        if (running.source.name != relation) continue;
        for (auto& side : view.sides)
          side->count_late(node.id, port, running.source.id, ledger.hop("late:" + view.name));
      }
    }
  }
}

void Pipeline::link_view(ledger::Ledger& ledger, PipelineView& view, const RunningSource& running) {
  std::string hop = (view.is_table ? "table:" : "view:") + view.name;
  const std::string before = "before:" + view.name;
  ledger.link(running.source.id, running.source.name, {"decoded", hop, {before}});
  ViewTap tap;
  tap.view = view.name;
  tap.stream = running.source.id;
  tap.hop = ledger.hop(hop);
  tap.before = ledger.hop(before);
  tap.again = ledger.hop("again:" + view.name);
  for (const sql::StreamStart& start : view.starts) {
    if (start.stream == running.source.id) tap.start = start.offsets;
  }
  const std::vector<plan::Node>& nodes = view.plan.nodes;
  size_t sources = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto* source = std::get_if<plan::Source>(&nodes[i].operation);
    if (!source || source->relation != running.source.name) continue;
    if (++sources > 1) break;
    tap.source = nodes[i].id;
    const plan::Node* reader = nullptr;
    size_t readers = 0;
    for (const plan::Node& node : nodes) {
      if (std::count(node.inputs.begin(), node.inputs.end(), i) == 0) continue;
      reader = &node;
      ++readers;
    }
    if (readers == 1 && std::holds_alternative<plan::Filter>(reader->operation)) tap.filter.emplace();
  }
  if (sources > 1) tap.filter.reset();
  if (tap.filter) {
    *tap.filter = {ledger.hop("kept:" + view.name), ledger.hop("filtered:" + view.name),
                   ledger.hop("failed:" + view.name)};
    ledger.link(running.source.id, running.source.name,
                {hop, "kept:" + view.name, {"filtered:" + view.name, "failed:" + view.name}});
    for (auto& side : view.sides) tap.sides.push_back(side.get());
  }
  taps_.push_back(std::move(tap));
}

void Pipeline::merge_counted(StepInput& input) {
  for (ledger::Recorder& recorder : input.recorders()) ledger_->merge(recorder);
  for (auto& view : views_) {
    for (auto& side : view->sides) ledger_->merge(side->recorder());
  }
}

PipelineView* Pipeline::find_view(std::string_view name) {
  for (auto& view : views_) {
    if (iequals(view->name, name)) return view.get();
  }
  return nullptr;
}

RunningSource* Pipeline::find_source(StreamId id) {
  for (RunningSource& running : sources_) {
    if (running.source.id == id) return &running;
  }
  return nullptr;
}

bool Pipeline::move_watermarks(const StepInput& input, bool end_of_time) {
  Duration now = env_->clock().monotonic();  // a wall clock that jumps is no silence
  bool moved = false;
  for (size_t s = 0; s < sources_.size(); ++s) {
    RunningSource& running = sources_[s];
    std::optional<Timestamp> smallest;  // over the partitions that are not silent
    std::optional<Timestamp> largest;   // over all
    Duration shortest{std::numeric_limits<int64_t>::max()};
    for (int32_t p = 0; p < running.source.stream->partition_count(); ++p) {
      if (input.took(s, p)) running.last_taken[p] = now;
      const auto partition = static_cast<size_t>(p);
      shortest = std::min(shortest, silence(running, partition));
      std::optional<Timestamp> watermark = input.progress(s, p).watermark;
      if (watermark) largest = largest ? std::max(*largest, *watermark) : *watermark;
      const bool idle = is_idle(running, partition);
      if (!watermark && !idle) smallest = Timestamp{std::numeric_limits<int64_t>::min()};
      if (watermark && !idle) smallest = smallest ? std::min(*smallest, *watermark) : *watermark;
    }
    Timestamp& current =
        watermarks_.try_emplace(running.source.name, Timestamp{std::numeric_limits<int64_t>::min()}).first->second;
    Timestamp next = current;
    if (smallest) next = *smallest;
    if (!smallest && largest) next = *largest + shortest;  // all are silent: time passes as if rows came
    if (end_of_time) next = kEndOfTime;
    if (next <= current) continue;
    current = next;
    moved = true;
  }
  return moved;
}

Status Pipeline::run(StepInput& input, ThreadPool& pool) { return graph_->step(input, watermarks_, *this, pool); }

Result<bool> Pipeline::step(size_t bytes_max, bool end_of_time, bool force, ThreadPool& pool, StepRecord& record) {
  StepInput input(sources_, taps_, workers_, env_->failpoints());
  MR_ASSIGN(bool has_rows, input.take(bytes_max, pool));
  MR_TRY(input.decode(pool));
  std::map<std::string, Timestamp> before = watermarks_;
  bool moved = move_watermarks(input, end_of_time);
  // While all is silent the time passes by itself: only when that closes something is it worth a commit.
  if (!has_rows && !force && !owes_rows() && !(moved && (end_of_time || graph_->due_at(watermarks_)))) {
    watermarks_ = std::move(before);
    return false;
  }
  MR_TRY(run(input, pool));
  record.ends = input.ends();
  record.watermarks = watermarks_;
  for (auto& dead : input.take_dead()) dead_.push_back(std::move(dead));
  merge_counted(input);
  bytes_taken_ += input.bytes();
  input.finish();
  rows_taken_ += input.rows();
  return true;
}

std::optional<StoppedAt> Pipeline::stopped_at() const {
  for (const auto& view : views_) {
    std::optional<SideRows::Failure> first;
    for (const auto& side : view->sides) {
      std::optional<SideRows::Failure> failed = side->first_failure();
      if (failed && (!first || failed->order < first->order)) first = std::move(failed);
    }
    if (!first) continue;
    StoppedAt at{view->id, view->name, {}, first->order, first->operator_text, first->message, first->row};
    std::set<std::string> closure = closure_of(view->name);
    std::vector<std::string> streams;
    for (const RunningSource& running : sources_) {
      if (closure.count(running.source.name)) streams.push_back(running.source.name);
    }
    if (streams.size() == 1) at.stream = streams[0].substr(0, streams[0].rfind("$raw"));
    return at;
  }
  return std::nullopt;
}

Status Pipeline::replay(const StepRecord& record, ThreadPool& pool) {
  StepInput input(sources_, taps_, workers_, env_->failpoints());
  input.set_counting(false, false);
  MR_TRY(input.take_recorded(record, pool));
  MR_TRY(input.decode(pool));
  watermarks_ = record.watermarks;
  MR_TRY(run(input, pool));
  input.finish();
  clear_sides();
  return apply_staged(pool);
}

bool Pipeline::has_side_rows() const {
  return std::any_of(views_.begin(), views_.end(), [](const auto& view) {
    return std::any_of(view->sides.begin(), view->sides.end(), [](const auto& side) { return side->has_rows(); });
  });
}

void Pipeline::clear_sides() {
  for (auto& view : views_) {
    for (auto& side : view->sides) side->clear();
  }
}

Status Pipeline::apply_staged(ThreadPool& pool) {
  MR_TRY(pool.run_on_all([&](size_t shard) -> Status {
    for (auto& view : views_) view->store->apply(static_cast<uint32_t>(shard));
    return {};
  }));
  for (auto& view : views_) view->store->clear_staged();
  return {};
}

Status Pipeline::emit(uint32_t worker, const std::string& view, const batch::Batch& batch) {
  PipelineView* to = find_view(view);
  if (to->kept) to->store->stage(worker, batch);
  return {};
}

std::vector<state::TableRef> Pipeline::tables() {
  std::vector<state::TableRef> all = graph_->tables();
  for (auto& view : views_) {
    if (!view->kept) continue;
    for (const state::TableRef& table : view->store->tables()) all.push_back(table);
  }
  return all;
}

std::vector<state::TableId> Pipeline::table_ids() {
  std::vector<state::TableId> ids;
  for (const state::TableRef& table : tables()) ids.push_back(table.id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

Status Pipeline::restore(state::TableId id, const state::Entry& entry) {
  if (!ViewStore::owns(id)) return graph_->restore(id, entry);
  for (auto& view : views_) {
    if (view->plan.root().id == id.op) return view->store->restore(id, entry);
  }
  return internal_error("a checkpoint holds rows of a view that is not there");
}

}  // namespace millrace::engine
