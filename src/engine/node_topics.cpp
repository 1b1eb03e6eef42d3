// Giving views their topics, on a running node.
#include <shared_mutex>

#include "base/text.h"
#include "engine/node_state.h"
#include "engine/view_topic.h"

namespace millrace::engine {
namespace {

/// The first commit of the topic copies all rows.
Status check_size(NodeState& node, const PipelineView& view) {
  const uint64_t bytes_max = shares_of(node.options.memory_bytes).copy_bytes;
  std::shared_lock readers(node.readers_mutex);
  if (!view.store->snapshot(bytes_max).cut) return node.store->status();
  return user_error(sqlstate::kTooLarge, "the rows of " + view.name + " do not fit into the " +
                                             format_bytes(bytes_max) + " that may be copied at a time")
      .with_hint("start the node with more --memory");
}

/// Puts the catalog in place; from here on a failure is for a recovery to sort out. With step_mutex held.
Status swap_catalog(NodeState& node, sql::Catalog catalog, PipelineView& view, std::shared_ptr<log::Stream> topic) {
  node.in_doubt = true;
  Status stored = persist_catalog(node, catalog);
  if (stored.ok()) stored = node.env.failpoints().point("engine.topic.durable").check();
  if (!stored.ok()) {
    note_failure(node, stored.error());
    return stored;
  }
  std::unique_lock readers(node.readers_mutex);
  node.catalog = std::move(catalog);
  view.topic = std::move(topic);
  node.in_doubt = false;
  return {};
}

Status give_topic(NodeState& node, const std::string& name) {
  MR_TRY(keep_rows(node, {name}));
  std::lock_guard steps(node.step_mutex);
  MR_TRY(refuse_in_doubt(node));
  PipelineView* view = node.pipeline->find_view(name);
  if (!view) return user_error(sqlstate::kUndefinedTable, "there is no view named " + name);
  MR_TRY(check_size(node, *view));
  MR_TRY(checkpoint(node));  // the rows are kept from now on, also after a restart
  sql::Catalog catalog = node.catalog;
  catalog.add_topic(name);
  const sql::CatalogObject& object = *catalog.find(name);
  MR_TRY(create_log_streams(node, object));
  return swap_catalog(node, catalog, *view, node.log->find(*sql::topic_stream(object)));
}

}  // namespace

Status serve_topic(NodeState& node, const std::string& name) {
  std::lock_guard ddl(node.ddl_mutex);
  const sql::CatalogObject* object = node.catalog.find(name);
  if (object == nullptr || object->kind != sql::ObjectKind::kMaterializedView) {
    return user_error(sqlstate::kUndefinedTable, "there is no materialized view named " + name);
  }
  if (sql::topic_stream(*object)) return {};
  MR_TRY(give_topic(node, object->name));
  MR_ASSIGN([[maybe_unused]] bool stepped, step_and_commit(node, true));
  return {};
}

Result<bool> drop_topic(NodeState& node, const std::string& name) {
  std::lock_guard ddl(node.ddl_mutex);
  std::lock_guard steps(node.step_mutex);
  MR_TRY(refuse_in_doubt(node));
  const sql::CatalogObject* object = node.catalog.find(name);
  const std::optional<StreamId> topic = object ? sql::topic_stream(*object) : std::nullopt;
  PipelineView* view = node.pipeline->find_view(name);
  if (!topic || !view) return false;
  sql::Catalog catalog = node.catalog;
  catalog.remove_topic(name);
  MR_TRY(swap_catalog(node, std::move(catalog), *view, nullptr));
  MR_TRY(drop_log_stream(node, *topic));
  return true;
}

}  // namespace millrace::engine
