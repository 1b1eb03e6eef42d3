#include "engine/node_replace.h"

#include "base/text.h"
#include "engine/relations.h"
#include "sql/suggest.h"

namespace millrace::engine {
namespace {

/// Materialized views that read `name`, each behind what it reads.
std::vector<sql::CatalogObject> views_over(const sql::Catalog& catalog, const std::string& name) {
  std::vector<sql::CatalogObject> views;
  for (const sql::CatalogObject* object : catalog.dependents(name)) {
    if (object->kind == sql::ObjectKind::kMaterializedView) views.insert(views.begin(), *object);
  }
  return views;
}

std::string names_of(const std::vector<const sql::CatalogObject*>& objects) {
  std::vector<std::string> names;
  for (const sql::CatalogObject* object : objects) {
    names.push_back(std::string(sql::object_kind_name(object->kind)) + " " + object->name);
  }
  return sql::enumerate(names);
}

/// What a reader of changes could not go on with.
Status check_readers_of_changes(NodeState& node, const sql::CatalogObject& there, const sql::CatalogObject& now) {
  {
    std::lock_guard steps(node.step_mutex);
    const PipelineView* running = node.pipeline->find_view(there.name);
    if (running && running->topic) {
      return user_error(sqlstate::kDependentObjects,
                        "the changes of " + there.name +
                            " are kept one by one, for the Kafka clients that read it: it cannot be replaced, nor what "
                            "it reads")
          .with_hint("delete the topic " + there.name + " with a Kafka client, which keeps the view; then replace it");
    }
  }
  for (const sql::CatalogObject* sink : node.catalog.objects(sql::ObjectKind::kSink)) {
    if (!iequals(sink->source, there.name) || sink->options.text("mode") != "upsert") continue;
    if (there.primary_key == now.primary_key) continue;
    return user_error(sqlstate::kDependentObjects, "view " + there.name + " would have another key than sink " +
                                                       sink->name + " writes by: " + sql::enumerate(there.primary_key))
        .with_hint("keep the key, or DROP the sink and its destination's rows first");
  }
  const bool keeps_changes = there.options.has("retention") && there.options.duration("retention");
  if (!keeps_changes || there.columns == now.columns) return {};
  return user_error(sqlstate::kDependentObjects, "the changes of " + there.name +
                                                     " are kept, for its retention, and its columns would be others")
      .with_hint("keep the names and types of its columns, or DROP it and CREATE it anew");
}

Status check_columns(const sql::Catalog& catalog, const sql::CatalogObject& there, const sql::CatalogObject& now) {
  std::vector<const sql::CatalogObject*> readers = catalog.dependents(there.name);
  if (readers.empty() || there.columns == now.columns) return {};
  return user_error(sqlstate::kDependentObjects,
                    "view " + there.name + " would have other columns, and others read it: " + names_of(readers))
      .with_hint("keep the names and types of its columns, or drop these first");
}

bool is_append_only(NodeState& node, const sql::CatalogObject& view) {
  Result<plan::Plan> plan = plan::deserialize(view.plan, *node.ddl_session);
  return plan.ok() && plan->root().append_only;
}

/// A sink without a mode takes it from the view.
Status check_sinks(NodeState& node, const sql::CatalogObject& there, const sql::CatalogObject& now) {
  if (is_append_only(node, there) == is_append_only(node, now)) return {};
  for (const sql::CatalogObject* sink : node.catalog.objects(sql::ObjectKind::kSink)) {
    if (!iequals(sink->source, there.name) || !sink->options.text("mode").empty()) continue;
    return user_error(sqlstate::kDependentObjects, "sink " + sink->name + " would get another mode, for " + there.name +
                                                       " begins or ceases to change rows")
        .with_hint("give the sink a mode, or drop it first");
  }
  return {};
}

Status check_cycle(const sql::CatalogObject& now, const std::vector<sql::CatalogObject>& readers) {
  for (const std::string& name : now.dependencies) {
    bool reads = iequals(name, now.name);
    for (const sql::CatalogObject& reader : readers) reads |= iequals(name, reader.name);
    if (!reads) continue;
    return user_error(sqlstate::kDependentObjects, "view " + now.name + " would read itself, through " + name);
  }
  return {};
}

Result<sql::BoundObject> bind_again(NodeState& node, const sql::Catalog& catalog, const sql::CatalogObject& view) {
  sql::CreateMaterializedView create;
  create.name.text = view.name;
  for (const std::string& column : view.query_columns) create.columns.push_back({column, {}});
  create.query.sql = {view.query, {0, view.query.size()}};
  create.query.emit = view.emit;
  if (view.allowed_lateness.micros > 0) create.query.allowed_lateness = view.allowed_lateness;
  const sql::Statement statement{view.statement, {}, std::move(create)};
  Result<sql::BoundObject> bound = bind_statement(node, catalog, statement);
  if (bound.ok()) return bound;
  Error error = std::move(bound).error();
  error.position.reset();
  return std::move(error).within("view " + view.name + ", which reads it");
}

void add_operators(const sql::CatalogObject& object, std::vector<OperatorId>& operators) {
  for (uint32_t id = object.operators.first.value; id < object.operators.end.value; ++id) operators.emplace_back(id);
}

}  // namespace

Status describe_plain_views(NodeState& node, const std::string& altered, sql::Catalog& catalog) {
  const std::vector<const sql::CatalogObject*> readers = node.catalog.dependents(altered);
  for (auto reader = readers.rbegin(); reader != readers.rend(); ++reader) {  // each behind what it reads
    if ((*reader)->kind != sql::ObjectKind::kView) continue;
    sql::CreateView create;
    create.name.text = (*reader)->name;
    for (const std::string& column : (*reader)->query_columns) create.columns.push_back({column, {}});
    create.query.sql = {(*reader)->query, {0, (*reader)->query.size()}};
    Result<sql::BoundObject> bound = bind_statement(node, catalog, {(*reader)->statement, {}, std::move(create)});
    if (!bound.ok()) {
      Error error = std::move(bound).error();
      error.position.reset();
      return std::move(error).within("view " + (*reader)->name + ", which reads it");
    }
    MR_TRY(catalog.set_plan((*reader)->name, std::move(bound).value()));
  }
  return {};
}

std::vector<std::string> replanned_views(const sql::Catalog& before, const sql::Catalog& catalog) {
  std::vector<std::string> names;
  for (const sql::CatalogObject* object : catalog.objects(sql::ObjectKind::kMaterializedView)) {
    const sql::CatalogObject* there = before.find(object->name);
    if (there && there->stream == object->stream && !(there->operators == object->operators)) {
      names.push_back(object->name);
    }
  }
  return names;
}

Result<std::vector<OperatorId>> plan_replacement(NodeState& node, const sql::CatalogChange& change,
                                                 sql::Catalog& catalog) {
  const sql::CatalogObject& there = change.removed[0];
  const sql::CatalogObject now = *catalog.find(there.name);
  const std::vector<sql::CatalogObject> readers = views_over(node.catalog, there.name);
  MR_TRY(check_cycle(now, readers));
  MR_TRY(check_columns(node.catalog, there, now));
  MR_TRY(check_sinks(node, there, now));
  MR_TRY(check_readers_of_changes(node, there, now));
  std::vector<OperatorId> dropped;
  add_operators(there, dropped);
  for (const sql::CatalogObject& reader : readers) {
    MR_ASSIGN(sql::BoundObject bound, bind_again(node, catalog, reader));
    MR_TRY(catalog.set_plan(reader.name, std::move(bound)));
    const sql::CatalogObject& again = *catalog.find(reader.name);
    MR_TRY(check_columns(node.catalog, reader, again));
    MR_TRY(check_sinks(node, reader, again));
    MR_TRY(check_readers_of_changes(node, reader, again));
    add_operators(reader, dropped);
  }
  // What is filled anew reads stored rows: those of the views that it reads must be there.
  std::set<std::string> replaced{now.name};
  for (const sql::CatalogObject& reader : readers) replaced.insert(reader.name);
  std::vector<std::string> read;
  for (const sql::CatalogObject& reader : readers) {
    for (const std::string& name : catalog.find(reader.name)->dependencies) {
      if (!replaced.count(name)) read.push_back(name);
    }
  }
  MR_TRY(keep_rows(node, read));
  return dropped;
}

}  // namespace millrace::engine
