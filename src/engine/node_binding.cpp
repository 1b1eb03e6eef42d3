// What CREATE statements need to know of their query: columns, key, plan, and what it reads.
#include "base/text.h"
#include "engine/node_state.h"
#include "engine/relations.h"
#include "engine/view_start.h"
#include "formats/encoder.h"
#include "sql/macros.h"

namespace millrace::engine {
namespace {

std::vector<sql::CatalogColumn> catalog_columns(const batch::Schema& schema) {
  std::vector<sql::CatalogColumn> columns;
  for (const batch::Field& field : schema.fields) columns.push_back({field.name, field.type.name(), false});
  return columns;
}

Result<sql::BoundObject> bound_plan(const sql::Catalog& catalog, plan::Plan plan, const Relations& relations) {
  sql::BoundObject bound;
  bound.dependencies = relations.used();
  batch::Schema schema = plan.schema();
  bound.columns = catalog_columns(schema);
  for (uint32_t column : plan.root().key) {
    if (column >= plan.columns) {
      bound.key.clear();
      break;
    }
    bound.key.push_back(schema[column].name);
  }
  bound.operators.first = catalog.next_operator();
  bound.operators.end = OperatorId(bound.operators.first.value + static_cast<uint32_t>(plan.nodes.size()));
  bound.notices = sql::notices(plan);
  MR_ASSIGN(bound.plan, plan::serialize(plan));
  return bound;
}

Result<sql::BoundObject> bind_view(NodeState& node, const sql::Catalog& catalog,
                                   const sql::CreateMaterializedView& create) {
  Relations relations(node, catalog);
  sql::ViewOptions options;
  options.emit_on_window_close = create.query.emit == sql::Emit::kOnWindowClose;
  options.allowed_lateness = create.query.allowed_lateness.value_or(Duration{});
  for (const sql::Name& column : create.columns) options.column_names.push_back(column.text);
  options.first_operator = catalog.next_operator();
  options.text_offset = create.query.sql.span.offset;
  Result<plan::Plan> plan = sql::bind_view(*node.ddl_session, relations, create.query.sql.text, options);
  if (!plan.ok()) {
    Error error = std::move(plan).error();
    return error.position ? error : std::move(error).at(create.query.sql.span);  // DuckDB does not tell every place
  }
  MR_ASSIGN(std::vector<sql::StreamStart> starts, find_starts(node, catalog, *plan, create.options));
  MR_ASSIGN(sql::BoundObject bound, bound_plan(catalog, std::move(plan).value(), relations));
  bound.starts = std::move(starts);
  return bound;
}

/// A table is the view of its raw rows that keeps the last one of each key.
Result<sql::BoundObject> bind_table(NodeState& node, sql::Catalog catalog, const sql::Statement& statement,
                                    const sql::CreateTable& create) {
  // The raw rows are described by the table's own definition: put it into a scratch copy of the catalog first.
  MR_ASSIGN(sql::CatalogChange change, catalog.apply(statement, node.registry));
  (void)change;
  std::string columns;
  for (const auto& column : create.columns) columns += (columns.empty() ? "" : ", ") + quote_identifier(column.name);
  std::string keys;
  for (const auto& key : create.primary_key) keys += (keys.empty() ? "" : ", ") + quote_identifier(key.text);
  std::string from = " FROM " + quote_identifier(raw_name(create.name.text));
  std::string query = "SELECT " + columns + from;
  if (!keys.empty()) {
    const std::string last = "SELECT DISTINCT ON (" + keys + ") " + columns + ", " + sql::kDeletedColumn + from +
                             " ORDER BY " + keys + ", _append_time DESC, _partition DESC, _offset DESC";
    query = "SELECT " + columns + " FROM (" + last + ") WHERE NOT " + sql::kDeletedColumn;
  }
  Relations relations(node, catalog, create.name.text);
  sql::ViewOptions options;
  options.first_operator = catalog.next_operator();
  MR_ASSIGN(plan::Plan plan, sql::bind_view(*node.ddl_session, relations, query, options));
  MR_ASSIGN(sql::BoundObject bound, bound_plan(catalog, std::move(plan), relations));
  bound.dependencies.clear();
  bound.columns.clear();
  bound.key.clear();
  return bound;
}

Result<sql::BoundObject> bind_plain_view(NodeState& node, const sql::Catalog& catalog, const sql::CreateView& create) {
  Relations relations(node, catalog);
  MR_ASSIGN(batch::Schema schema,
            sql::describe_query(*node.ddl_session, relations, create.query.sql.text, create.query.sql.span.offset));
  sql::BoundObject bound;
  bound.dependencies = relations.used();
  bound.columns = catalog_columns(schema);
  if (create.columns.size() > schema.size()) {
    return user_error(sqlstate::kSyntaxError,
                      "the view names more columns than its query has: " + std::to_string(schema.size()))
        .at(create.columns[schema.size()].span)
        .with_hint("leave the name out, or add a column to the query");
  }
  for (size_t i = 0; i < create.columns.size(); ++i) bound.columns[i].name = create.columns[i].text;
  return bound;
}

/// The default is computed once: a JSON object with the column.
Result<sql::BoundObject> bind_default(NodeState& node, const sql::Catalog& catalog, const sql::AddColumn& add) {
  sql::BoundObject bound;
  if (!add.default_value) return bound;
  const std::string before = "SELECT CAST((";
  MR_ASSIGN(const batch::Type type, batch::Type::parse(add.column.type_text));
  const std::string query = before + add.default_value->text + ") AS " + type.name() + ") AS " +
                            quote_identifier(add.column.name);
  batch::Session session(*node.instance);
  Relations relations(node, catalog);
  const uint64_t at = add.default_value->span.offset;
  MR_ASSIGN(const sql::QueryResult row, sql::run_query(session, relations, query, at - std::min(at, before.size()), 1));
  if (!relations.used().empty() || row.rows() != 1) {
    return user_error(sqlstate::kNotSupported, "a default is a constant")
        .at(add.default_value->span)
        .with_hint("write a value, such as DEFAULT 0; what follows from other columns a view computes");
  }
  if (row.batches[0].column(0).is_null(0)) return bound;
  formats::encode_ndjson(row.schema, row.batches[0], bound.default_value);
  return bound;
}

Status check_types(const sql::Statement& statement) {
  const std::vector<sql::ColumnDefinition>* columns = nullptr;
  if (auto* stream = std::get_if<sql::CreateStream>(&statement.body)) columns = &stream->columns;
  if (auto* table = std::get_if<sql::CreateTable>(&statement.body)) columns = &table->columns;
  std::vector<sql::ColumnDefinition> added;
  if (auto* add = std::get_if<sql::AddColumn>(&statement.body)) columns = &(added = {add->column});
  if (!columns) return {};
  for (const sql::ColumnDefinition& column : *columns) {
    Result<batch::Type> type = batch::Type::parse(column.type_text);
    if (!type.ok()) return std::move(type).error().at(column.type_span);
  }
  return {};
}

/// So that an error in it points into the statement.
Status check_watermark(NodeState& node, const sql::Statement& statement) {
  auto check = [&](const auto& create) -> Status {
    if (!create.watermark) return {};
    batch::Schema schema;
    for (const sql::ColumnDefinition& column : create.columns) {
      MR_ASSIGN(batch::Type type, batch::Type::parse(column.type_text));
      schema.fields.push_back({column.name, type});
    }
    const sql::SqlText& text = create.watermark->expression;
    auto bound = sql::bind_scalar(*node.ddl_session, schema, text.text, batch::Type(batch::TypeId::kTimestamp));
    if (bound.ok()) return {};
    Error error = std::move(bound).error();
    bool verbatim = text.span.length == text.text.size();  // not so for DELAY
    if (!verbatim || !error.position) return std::move(error).at(text.span);
    error.position->offset += text.span.offset;
    return error;
  };
  if (auto* stream = std::get_if<sql::CreateStream>(&statement.body)) return check(*stream);
  if (auto* table = std::get_if<sql::CreateTable>(&statement.body)) return check(*table);
  return {};
}

}  // namespace

Result<sql::BoundObject> bind_statement(NodeState& node, const sql::Catalog& catalog, const sql::Statement& statement) {
  MR_TRY(check_types(statement));
  MR_TRY(check_watermark(node, statement));
  if (auto* view = std::get_if<sql::CreateMaterializedView>(&statement.body)) return bind_view(node, catalog, *view);
  if (auto* table = std::get_if<sql::CreateTable>(&statement.body)) return bind_table(node, catalog, statement, *table);
  if (auto* view = std::get_if<sql::CreateView>(&statement.body)) return bind_plain_view(node, catalog, *view);
  if (auto* add = std::get_if<sql::AddColumn>(&statement.body)) return bind_default(node, catalog, *add);
  if (auto* macro = std::get_if<sql::CreateMacro>(&statement.body)) {
    MR_TRY(sql::check_macro(*node.ddl_session, *macro));
  }
  return sql::BoundObject();
}

}  // namespace millrace::engine
