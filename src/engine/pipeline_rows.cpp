// Which views keep rows, and which have none yet.
#include <algorithm>

#include "base/text.h"
#include "engine/pipeline.h"

namespace millrace::engine {
namespace {

/// Some operator emits a row before any input: an aggregate without GROUP BY, a constant relation.
bool has_row_of_nothing(const plan::Plan& plan) {
  return std::any_of(plan.nodes.begin(), plan.nodes.end(), [](const plan::Node& node) {
    const auto* aggregate = std::get_if<plan::Aggregate>(&node.operation);
    return (aggregate && aggregate->group_columns.empty()) || std::holds_alternative<plan::Constant>(node.operation);
  });
}

/// The operator's answer depends on how far watermarks were when its rows came, or on which rows came with them.
bool asks_for_time(const plan::Node& node) {
  const auto* aggregate = std::get_if<plan::Aggregate>(&node.operation);
  if (aggregate) return aggregate->window.has_value();
  return std::holds_alternative<plan::Session>(node.operation) ||
         std::holds_alternative<plan::TimeJoin>(node.operation) ||
         std::holds_alternative<plan::TemporalJoin>(node.operation) ||
         std::holds_alternative<plan::LookupJoin>(node.operation);
}

/// Nobody has deleted its first records.
bool is_whole(const log::Log& log, StreamId id) {
  const std::shared_ptr<log::Stream> stream = log.find(id);
  for (int32_t p = 0; stream && p < stream->partition_count(); ++p) {
    if (stream->partition(PartitionId(p)).begin_offset() > Offset(0)) return false;
  }
  return true;
}

}  // namespace

std::set<std::string> Pipeline::closure_of(const std::string& name) const {
  std::set<std::string> names{name};
  for (auto view = views_.rbegin(); view != views_.rend(); ++view) {
    if (!names.count((*view)->name)) continue;
    for (const std::string& relation : (*view)->plan.relations()) names.insert(relation);
  }
  return names;
}

/// True when nobody but other views reads the view, and its rows can be computed from the logs at any time: these are
/// whole, and no window of time decides by when a row came.
bool Pipeline::may_go_without_rows(const PipelineSetup& setup, const PipelineView& view) const {
  if (view.is_table || view.temporary || view.keeps_changes || view.topic || setup.asked.count(view.name)) return false;
  bool feeds_a_view = false;
  for (const auto& other : views_) {
    if (other->temporary) continue;  // or the rows would have to come back when it goes
    for (const std::string& relation : other->plan.relations()) feeds_a_view |= relation == view.name;
  }
  if (!feeds_a_view) return false;
  for (const sql::CatalogObject* sink : setup.catalog->objects(sql::ObjectKind::kSink)) {
    if (iequals(sink->source, view.name)) return false;
  }
  std::set<std::string> closure = closure_of(view.name);
  for (const auto& other : views_) {
    if (!closure.count(other->name)) continue;
    const auto& nodes = other->plan.nodes;
    if (std::any_of(nodes.begin(), nodes.end(), asks_for_time)) return false;
  }
  for (const std::string& name : closure) {
    std::optional<sql::Relation> relation =
        setup.catalog->relation(name.ends_with("$raw") ? name.substr(0, name.size() - 4) : name);
    if (!relation || !relation->object || relation->companion) return false;
    const sql::Options& options = relation->object->options;
    bool trimmed = (options.has("retention") && options.duration("retention")) ||
                   options.integer("retention_size") > 0 || options.text("cleanup_policy") == "compact";
    if (relation->kind == sql::Relation::Kind::kMaterializedView) continue;
    if (trimmed || !is_whole(*setup.log, relation->stream)) return false;
  }
  return true;
}

bool Pipeline::is_fresh(const PipelineView& view) const {
  std::set<std::string> closure = closure_of(view.name);
  for (const auto& other : views_) {
    if (closure.count(other->name) && has_row_of_nothing(other->plan) && !graph_->owes_rows(other->name)) return false;
  }
  for (const RunningSource& running : sources_) {
    if (!closure.count(running.source.name)) continue;
    for (size_t p = 0; p < running.positions.size(); ++p) {
      if (running.positions[p] > running.source.stream->partition(PartitionId(static_cast<int32_t>(p))).begin_offset())
        return false;
    }
  }
  return true;
}

}  // namespace millrace::engine
