// SQL statements on a running node.
#include <fmt/format.h>

#include <shared_mutex>

#include "base/text.h"
#include "engine/loader.h"
#include "engine/node_replace.h"
#include "engine/node_state.h"
#include "engine/relations.h"
#include "engine/sink_runner.h"
#include "engine/subscriptions.h"
#include "engine/text_answer.h"
#include "engine/view_start.h"
#include "engine/watermark_report.h"
#include "formats/encoder.h"
#include "sql/macros.h"
#include "sql/secrets.h"

namespace millrace::engine {
namespace {

/// A new view over rows that were there before starts from the rows of the views that it reads.
Status keep_rows_that_a_backfill_needs(NodeState& node, const std::vector<std::string>& dependencies) {
  std::vector<std::string> needed;
  {
    std::lock_guard steps(node.step_mutex);
    MR_TRY(refuse_in_doubt(node));  // before anything of the new object is made
    for (const std::string& name : dependencies) {
      PipelineView* view = node.pipeline->find_view(name);
      if (view && !view->kept && !node.pipeline->is_fresh(*view)) needed.push_back(name);
    }
  }
  return keep_rows(node, needed);
}

/// What the catalog could do and the engine cannot. A stream, table or view whose rows are stored makes place for
/// another of its name by DROP alone.
Status refuse_unsupported(const sql::CatalogChange& planned) {
  if (planned.added.empty()) return {};
  const sql::CatalogObject& object = planned.added.front();
  if (object.kind == sql::ObjectKind::kSink && object.source.empty()) {
    return user_error(sqlstate::kNotSupported, "CREATE SINK … AS a query is not part of this version: " + object.name)
        .with_hint("CREATE MATERIALIZED VIEW with the query first, then CREATE SINK … FROM it");
  }
  if (planned.removed.empty()) return {};
  const bool replaces = object.kind != sql::ObjectKind::kStream && object.kind != sql::ObjectKind::kTable;
  if (replaces || planned.action == sql::CatalogChange::Action::kGivenSchema) return {};
  std::string kind(sql::object_kind_name(object.kind));
  return user_error(sqlstate::kNotSupported,
                    "OR REPLACE of a " + kind + " by another definition is not part of this version: " + object.name)
      .with_hint("DROP it, then CREATE it anew; a view is filled from the rows that its sources hold");
}

Status apply_change(NodeState& node, const sql::CatalogChange& change, sql::Catalog catalog) {
  MR_TRY(node.env.failpoints().point("engine.change.before").check());
  for (const sql::CatalogObject& object : change.added) MR_TRY(create_log_streams(node, object));
  MR_TRY(node.env.failpoints().point("engine.change.streams").check());
  return rebuild(node, std::move(catalog));
}

/// A plain view is written out, macros and all, whenever it is read; a plan holds what they were.
Status refuse_macros_in_use(const NodeState& node, const sql::CatalogChange& planned) {
  if (!planned.added.empty()) return {};
  for (const sql::CatalogObject& macro : planned.removed) {
    if (macro.kind != sql::ObjectKind::kMacro) continue;
    for (const sql::CatalogObject* object : node.catalog.objects()) {
      const bool reads = object->kind == sql::ObjectKind::kView || object->kind == sql::ObjectKind::kMacro;
      const bool gone = std::find(planned.removed.begin(), planned.removed.end(), *object) != planned.removed.end();
      if (!reads || gone || !sql::calls_macro(object->query, macro.name)) continue;
      if (object->name == macro.name) continue;
      return user_error(sqlstate::kDependentObjects,
                        "macro " + macro.name + " cannot be dropped while others use it: " +
                            std::string(sql::object_kind_name(object->kind)) + " " + object->name)
          .with_hint("drop these first");
    }
  }
  return {};
}

/// The macros that queries can use are those of the catalog.
Status follow_macros(NodeState& node, const sql::CatalogChange& change) {
  for (const sql::CatalogObject& object : change.removed) {
    if (object.kind == sql::ObjectKind::kMacro) MR_TRY(sql::drop_macro(*node.ddl_session, object.name));
  }
  for (const sql::CatalogObject& object : change.added) {
    if (object.kind == sql::ObjectKind::kMacro) MR_TRY(sql::define_macro(*node.ddl_session, object.query));
  }
  return {};
}

/// Takes back what was made of the new objects. When the disk may have them, a recovery in place finds out, and makes
/// it again.
Error change_failed(NodeState& node, const sql::CatalogChange& change, const Error& error) {
  std::lock_guard steps(node.step_mutex);
  for (const sql::CatalogObject& object : change.added) {
    if (node.catalog.find(object.name)) continue;  // it is there, or another of its name
    if (!node.in_doubt) (void)drop_log_streams(node, object);
    drop_hops(node, object.name);
  }
  if (node.in_doubt) note_failure(node, error);
  return error;
}

Status book_what_is_gone(NodeState& node, const std::vector<sql::CatalogObject>& added) {
  for (const sql::CatalogObject& object : added) {
    if (object.kind != sql::ObjectKind::kSink || is_off(object)) continue;
    MR_ASSIGN(auto runner, SinkRunner::make(node, object));
    MR_TRY(runner->book_what_is_gone());
  }
  return {};
}

/// The rows of some views are others, without a change of them: subscribers begin again, and sinks see a new commit.
Status tell_of_replacement(NodeState& node, const sql::Catalog& before) {
  for (const std::string& view : replanned_views(before, node.catalog)) {
    end_subscriptions(node, &view,
                      user_error(sqlstate::kUnavailable, "the view was replaced").with_hint("subscribe again"));
  }
  if (!node.ready || stopped_at(node)) return {};
  MR_ASSIGN(bool stepped, step_and_commit(node, true));
  (void)stepped;
  return {};
}

Result<StatementResult> change_catalog(NodeState& node, const sql::Statement& statement, bool temporary = false) {
  std::lock_guard ddl(node.ddl_mutex);
  sql::Catalog catalog = node.catalog;
  MR_ASSIGN(sql::CatalogChange planned, catalog.check(statement, node.registry));
  StatementResult result;
  if (planned.action == sql::CatalogChange::Action::kNone) {
    result.message = planned.message;
    return result;
  }
  MR_TRY(refuse_unsupported(planned));
  MR_TRY(refuse_macros_in_use(node, planned));
  MR_ASSIGN(sql::BoundObject bound, bind_statement(node, catalog, statement));
  const std::vector<std::string> notices = bound.notices;
  MR_TRY(keep_rows_that_a_backfill_needs(node, bound.dependencies));
  MR_ASSIGN(sql::CatalogChange change, catalog.apply(statement, node.registry, std::move(bound)));
  std::vector<OperatorId> dropped;
  const bool replaces = replaces_view(change);
  const sql::Catalog before = node.catalog;
  if (replaces) {
    MR_ASSIGN(dropped, plan_replacement(node, change, catalog));
  }
  if (change.action == sql::CatalogChange::Action::kAltered) {
    MR_TRY(describe_plain_views(node, change.added[0].name, catalog));
  }
  if (temporary) {
    catalog.set_temporary(change.added[0].name);
    change.added[0] = *catalog.find(change.added[0].name);
  }
  for (const sql::CatalogObject& object : change.added) {
    if (object.kind == sql::ObjectKind::kSink) MR_TRY(check_sink(node, object));
  }
  Status changed = apply_change(node, change, std::move(catalog));
  if (!changed.ok()) return change_failed(node, change, changed.error());
  MR_TRY(follow_macros(node, change));
  go_on_without(node, change.removed);
  MR_TRY(node.env.failpoints().point("engine.change.rebuilt").check());
  MR_TRY(book_what_is_gone(node, change.added));
  MR_TRY(follow_sinks(node));
  node.loader->follow();
  const bool keeps_log = replaces || change.action == sql::CatalogChange::Action::kGivenSchema;
  for (const sql::CatalogObject& object : change.removed) {
    if (keeps_log) break;
    end_subscriptions(node, &object.name, user_error(sqlstate::kUndefinedTable, "what was followed is dropped"));
    std::lock_guard steps(node.step_mutex);
    MR_TRY(drop_log_streams(node, object));
    for (uint32_t id = object.operators.first.value; id < object.operators.end.value; ++id)
      dropped.push_back(OperatorId(id));
  }
  MR_TRY(node.env.failpoints().point("engine.change.dropped").check());
  if (!dropped.empty()) MR_TRY(node.store->drop(dropped));
  if (node.ready) MR_TRY(give_first_rows(node));
  if (replaces) MR_TRY(tell_of_replacement(node, before));
  result.message = change.message;
  for (const std::string& notice : notices) result.message += "\nnotice: " + notice;
  return result;
}

Result<StatementResult> select(NodeState& node, const sql::Query& query, CancelToken* cancel) {
  if (query.emit != sql::Emit::kDefault) {
    return user_error(sqlstate::kNotSupported, "EMIT CHANGES streams its answer")
        .with_hint("send it to POST /v1/sql, or use millrace sql");
  }
  MR_ASSIGN(sql::QueryResult answer, run_over_rows(node, query.sql.text, query.sql.span.offset, cancel));
  return StatementResult{std::move(answer.schema), std::move(answer.batches), {}};
}

/// The names of what it reads, and from where on.
std::vector<std::string> reads_of(const sql::Catalog& catalog, const sql::CatalogObject& object) {
  std::vector<std::string> reads;
  for (const std::string& name : object.dependencies) {
    const sql::CatalogObject* read = catalog.find(name);
    reads.push_back(read ? describe_start(object, read->stream, name) : name);
  }
  return reads;
}

Result<StatementResult> show(NodeState& node, const sql::Show& show) {
  if (show.kind == sql::ShowKind::kWatermarks) return show_watermarks(node);
  std::shared_lock readers(node.readers_mutex);
  if (show.kind == sql::ShowKind::kCreate) {
    MR_ASSIGN(const sql::CatalogObject* object, node.catalog.get(*show.name));
    return text_table({"statement"}, {{sql::mask_passwords(object->statement)}});
  }
  if (show.kind == sql::ShowKind::kConnectors) {
    std::vector<std::vector<std::string>> rows;
    for (const sql::OptionGroup& group : node.registry.connectors()) rows.push_back({group.name, group.doc});
    return text_table({"connector", "what it is"}, rows);
  }
  if (show.kind == sql::ShowKind::kSetting) {
    return user_error(sqlstate::kInvalidParameter, "there is no setting named " + show.name->text).at(show.name->span);
  }
  auto wanted = [&](sql::ObjectKind kind) {
    switch (show.kind) {
      case sql::ShowKind::kStreams: return kind == sql::ObjectKind::kStream;
      case sql::ShowKind::kTables: return kind == sql::ObjectKind::kTable;
      case sql::ShowKind::kViews: return kind == sql::ObjectKind::kView || kind == sql::ObjectKind::kMaterializedView;
      case sql::ShowKind::kMaterializedViews: return kind == sql::ObjectKind::kMaterializedView;
      case sql::ShowKind::kSinks: return kind == sql::ObjectKind::kSink;
      case sql::ShowKind::kMacros: return kind == sql::ObjectKind::kMacro;
      default: return true;
    }
  };
  std::vector<std::vector<std::string>> rows;
  for (const sql::CatalogObject* object : node.catalog.objects()) {
    if (!wanted(object->kind) || object->temporary) continue;
    std::string reads = object->source.empty() ? join(reads_of(node.catalog, *object), ", ") : object->source;
    rows.push_back({object->name, std::string(sql::object_kind_name(object->kind)), reads});
  }
  return text_table({"name", "kind", "reads"}, rows);
}

Result<StatementResult> describe(NodeState& node, const sql::Describe& describe) {
  std::shared_lock readers(node.readers_mutex);
  std::vector<std::vector<std::string>> rows;
  if (auto* query = std::get_if<sql::Query>(&describe.target)) {
    batch::Session session(*node.instance);
    Relations relations(node, node.catalog);
    MR_ASSIGN(batch::Schema schema, sql::describe_query(session, relations, query->sql.text, query->sql.span.offset));
    for (const batch::Field& field : schema.fields) rows.push_back({field.name, field.type.name(), ""});
    return text_table({"column", "type", "key"}, rows);
  }
  const auto& name = std::get<sql::Name>(describe.target);
  std::vector<sql::CatalogColumn> columns;
  std::vector<std::string> key;
  const sql::CatalogObject* object = node.catalog.find(name.text);
  if (object && object->kind == sql::ObjectKind::kView) {
    columns = object->columns;
  } else {
    MR_ASSIGN(sql::Relation relation, node.catalog.get_relation(name));
    columns = relation.columns;
    if (relation.object && !relation.companion) key = relation.object->primary_key;
  }
  for (const sql::CatalogColumn& column : columns) {
    bool is_key =
        std::any_of(key.begin(), key.end(), [&](const std::string& part) { return iequals(part, column.name); });
    rows.push_back({column.name, column.type_text, is_key ? "key" : ""});
  }
  return text_table({"column", "type", "key"}, rows);
}

std::string explain_plan(const plan::Plan& plan) {
  std::string text = sql::explain(plan);
  for (const std::string& notice : sql::notices(plan)) text += "notice: " + notice + "\n";
  return text;
}

/// The plan, and with ANALYZE what each operator did since the start.
std::string explain_view(NodeState& node, const PipelineView& view, bool analyze) {
  std::string text = explain_plan(view.plan);
  if (!analyze) return text;
  text +=
      "\noperator                      rows in    rows out    filtered  failed    late  groups touched  state rows  "
      "rows read\n";
  for (const auto& report : node.pipeline->report()) {
    if (report.view != view.name) continue;
    const plan::Node& op = view.plan.nodes[report.node_index];
    text +=
        fmt::format("#{:<5}{:<18}{:>13}{:>12}{:>12}{:>8}{:>8}{:>16}{:>12}{:>11}\n", op.id.value, op.kind(),
                    report.stats.rows_in, report.stats.rows_out, report.stats.rows_filtered, report.stats.rows_failed,
                    report.stats.rows_late, report.stats.groups_touched, report.state_entries, report.state_rows_read);
  }
  return text;
}

Result<StatementResult> explain(NodeState& node, const sql::Explain& explain) {
  if (explain.scale) {
    return user_error(sqlstate::kNotSupported, "EXPLAIN SCALE needs the Kafka log and the Flink target")
        .with_hint("this version runs on one machine");
  }
  if (explain.format != sql::ExplainFormat::kText) {
    return user_error(sqlstate::kNotSupported, "EXPLAIN gives text; FORMAT JSON is not part of this version");
  }
  if (explain.name) {
    std::lock_guard steps(node.step_mutex);
    PipelineView* view = node.pipeline->find_view(explain.name->text);
    if (!view) {
      return user_error(sqlstate::kUndefinedTable, "there is no materialized view or table named " + explain.name->text)
          .at(explain.name->span);
    }
    return lines_table("plan", explain_view(node, *view, explain.analyze));
  }
  std::lock_guard ddl(node.ddl_mutex);
  Relations relations(node, node.catalog);
  sql::ViewOptions options;
  options.first_operator = node.catalog.next_operator();
  const sql::Query* query = nullptr;
  if (auto* select = std::get_if<sql::Select>(&explain.statement->body)) query = &select->query;
  if (auto* view = std::get_if<sql::CreateMaterializedView>(&explain.statement->body)) query = &view->query;
  if (!query)
    return user_error(sqlstate::kNotSupported,
                      "EXPLAIN takes a query, a CREATE MATERIALIZED VIEW, or the name of a view");
  options.text_offset = query->sql.span.offset;
  options.emit_on_window_close = query->emit == sql::Emit::kOnWindowClose;
  MR_ASSIGN(plan::Plan plan, sql::bind_view(*node.ddl_session, relations, query->sql.text, options));
  return lines_table("plan", explain_plan(plan));
}

struct Run {
  NodeState& node;
  const sql::Statement& statement;
  CancelToken* cancel;

  using Answer = Result<StatementResult>;
  Answer operator()(const sql::Select& body) const { return select(node, body.query, cancel); }
  Answer operator()(const sql::Insert& body) const { return insert_rows(node, body); }
  Answer operator()(const sql::Update& body) const { return update_rows(node, body); }
  Answer operator()(const sql::Delete& body) const { return delete_rows(node, body); }
  Answer operator()(const sql::Show& body) const { return show(node, body); }
  Answer operator()(const sql::Describe& body) const { return describe(node, body); }
  Answer operator()(const sql::Explain& body) const { return explain(node, body); }
  Answer operator()(const sql::Sync&) const {
    MR_TRY(wait_for_catch_up(node));
    StatementResult result;
    result.message = "in sync";
    return result;
  }
  Answer operator()(const sql::Subscribe&) const {
    return user_error(sqlstate::kNotSupported, "SUBSCRIBE streams its answer")
        .with_hint("send it to POST /v1/sql, or use millrace sql");
  }
  template <typename Create>
  Answer operator()(const Create&) const {
    return change_catalog(node, statement);
  }
};

}  // namespace

Result<std::string> create_temporary_view(NodeState& node, const SubscriptionRequest& request) {
  sql::CreateMaterializedView create;
  create.name.text = "$" + std::to_string(node.temporary_views.fetch_add(1) + 1);
  create.query.sql = {request.query, {request.query_offset, request.query.size()}};
  create.query.emit = request.on_window_close ? sql::Emit::kOnWindowClose : sql::Emit::kChanges;
  if (request.allowed_lateness.micros > 0) create.query.allowed_lateness = request.allowed_lateness;
  std::string name = create.name.text;
  const sql::Statement statement{request.query, create.query.sql.span, std::move(create)};
  MR_ASSIGN(StatementResult created, change_catalog(node, statement, true));
  return name;
}

Status drop_temporary_view(NodeState& node, const std::string& name) {
  sql::Drop drop{sql::ObjectKind::kMaterializedView, {{name, {}}}, true, false};
  MR_ASSIGN(StatementResult dropped, change_catalog(node, {"DROP", {}, std::move(drop)}));
  return {};
}

Result<StatementResult> execute_statement(NodeState& node, const sql::Statement& statement, CancelToken* cancel) {
  return std::visit(Run{node, statement, cancel}, statement.body);
}

}  // namespace millrace::engine
