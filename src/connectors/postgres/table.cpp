#include "connectors/postgres/table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "connectors/postgres/types.h"

namespace millrace::connectors::postgres {
namespace {

constexpr const char* kStage = "pg_temp.millrace_stage";

/// Of upserts, the columns of the view begin behind _op and _commit.
size_t first_column(const SinkSetup& setup) { return setup.mode == SinkMode::kUpsert ? 2 : 0; }

Result<std::optional<std::string>> kind_of(Connection& connection, const TableName& name) {
  MR_ASSIGN(Answer answer,
            connection.query("SELECT relkind FROM pg_class WHERE oid = to_regclass($1)", {name.quoted()}));
  if (answer.rows.empty()) return std::optional<std::string>();
  return answer.rows[0][0];
}

Status create(Connection& connection, const TableName& name, const SinkSetup& setup) {
  std::string sql = "CREATE TABLE " + name.quoted() + " (";
  for (size_t i = first_column(setup); i < setup.schema.size(); ++i) {
    if (i > first_column(setup)) sql += ", ";
    sql += quoted(to_lower_ascii(setup.schema[i].name)) + " " + column_type(setup.schema[i].type);
  }
  if (setup.mode == SinkMode::kUpsert) {
    MR_ASSIGN(Answer version, connection.query("SHOW server_version_num"));
    bool nulls_are_one = version.rows[0][0]->size() > 5 || *version.rows[0][0] >= "150000";
    sql += nulls_are_one ? ", UNIQUE NULLS NOT DISTINCT (" : ", PRIMARY KEY (";
    for (size_t i = 0; i < setup.key.size(); ++i)
      sql += (i > 0 ? ", " : "") + quoted(to_lower_ascii(setup.schema[setup.key[i]].name));
    sql += ")";
  }
  return connection.execute(sql + ")");
}

Result<std::vector<TableColumn>> columns_of(Connection& connection, const TableName& name) {
  MR_ASSIGN(Answer answer,
            connection.query("SELECT a.attname, b.typname, format_type(a.atttypid, a.atttypmod), e.typname, "
                             "a.atttypmod, b.typtype = 'e', a.attnotnull, a.atthasdef OR a.attidentity <> '' "
                             "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
                             "JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END "
                             "LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A' "
                             "WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped "
                             "ORDER BY a.attnum",
                             {name.quoted()}));
  std::vector<TableColumn> columns;
  for (const auto& row : answer.rows) {
    TableColumn& column = columns.emplace_back();
    column.name = row[0].value_or("");
    column.type = row[1].value_or("");
    column.shown = row[2].value_or("");
    column.element = row[3].value_or("");
    column.modifier = std::atoi(row[4].value_or("-1").c_str());
    column.is_enum = row[5] == "t";
    column.not_null = row[6] == "t";
    column.filled = row[7] == "t";
  }
  return columns;
}

const TableColumn* match(const std::vector<TableColumn>& columns, const std::string& name) {
  const TableColumn* found = nullptr;
  for (const TableColumn& column : columns) {
    if (column.name == name) return &column;
    if (iequals(column.name, name)) found = &column;
  }
  return found;
}

Error does_not_fit(const SinkSetup& setup, const TableName& name, const std::string& why) {
  return user_error(sqlstate::kWrongObjectType,
                    "sink " + setup.name + ": the table " + name.quoted() + " does not fit: " + why)
      .with_hint("change the table, or name a missing one with create_table = true");
}

/// An upsert needs a unique index over just the key, in which NULL is one value or cannot be.
Status check_key(Connection& connection, const TableName& name, const SinkSetup& setup,
                 std::vector<const TableColumn*> key) {
  MR_ASSIGN(Answer answer,
            connection.query("SELECT (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY quote_ident(a.attname) "
                             "COLLATE \"C\") FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = "
                             "ANY((i.indkey::int2[])[0:i.indnkeyatts - 1])), "
                             "coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', 'false') "
                             "FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid "
                             "AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL",
                             {name.quoted()}));
  std::vector<std::string> names;
  bool nullable = false;
  for (const TableColumn* column : key) {
    MR_ASSIGN(Answer ident, connection.query("SELECT quote_ident($1)", {column->name}));
    names.push_back(ident.rows[0][0].value_or(""));
    nullable |= !column->not_null;
  }
  std::sort(names.begin(), names.end());
  std::string wanted = join(names, ", ");
  bool found = false;
  for (const auto& row : answer.rows) {
    if (row[0] != wanted) continue;
    if (!nullable || row[1] == "true") return {};
    found = true;
  }
  if (!found) return does_not_fit(setup, name, "it has no unique index over just the view's key: " + wanted);
  return does_not_fit(setup, name, "its unique index takes several rows whose key is NULL: " + wanted)
      .with_hint("make the columns NOT NULL, or the index UNIQUE NULLS NOT DISTINCT (PostgreSQL 15)");
}

}  // namespace

std::string TableName::quoted() const {
  return (schema.empty() ? "" : postgres::quoted(schema) + ".") + postgres::quoted(name);
}

std::string TableName::beside(std::string_view other) const { return TableName{schema, std::string(other)}.quoted(); }

Result<TableName> parse_table_name(std::string_view text) {
  std::vector<std::string> parts(1);
  bool in_quotes = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"' && in_quotes && i + 1 < text.size() && text[i + 1] == '"') {
      parts.back().push_back(text[++i]);
    } else if (c == '"') {
      in_quotes = !in_quotes;
    } else if (c == '.' && !in_quotes) {
      parts.emplace_back();
    } else {
      parts.back().push_back(in_quotes ? c : to_lower_ascii(c));
    }
  }
  bool empty = std::any_of(parts.begin(), parts.end(), [](const std::string& part) { return part.empty(); });
  if (in_quotes || empty || parts.size() > 2) {
    return user_error(sqlstate::kInvalidParameter, "this is no name of a table: " + std::string(text))
        .with_hint("write table = 'hours' or table = 'schema.hours'");
  }
  if (parts.size() == 1) return TableName{"", parts[0]};
  return TableName{parts[0], parts[1]};
}

Result<Table> Table::find(Connection& connection, const TableName& name, const SinkSetup& setup, bool create_missing) {
  MR_ASSIGN(std::optional<std::string> kind, kind_of(connection, name));
  if (!kind && !create_missing) {
    return user_error(sqlstate::kUndefinedTable, "sink " + setup.name + ": there is no table " + name.quoted())
        .with_hint("create it, or add create_table = true");
  }
  if (!kind) MR_TRY(create(connection, name, setup));
  if (kind && *kind != "r" && *kind != "p") return does_not_fit(setup, name, "it is no table");
  MR_ASSIGN(std::vector<TableColumn> columns, columns_of(connection, name));
  Table table;
  table.name_ = name.quoted();
  table.as_array_.resize(setup.schema.size());
  std::vector<const TableColumn*> used(setup.schema.size(), nullptr);
  for (size_t i = first_column(setup); i < setup.schema.size(); ++i) {
    const batch::Field& field = setup.schema[i];
    used[i] = match(columns, field.name);
    if (!used[i]) return does_not_fit(setup, name, "it has no column " + field.name);
    std::string why = misfit(field.type, *used[i]);
    if (!why.empty()) return does_not_fit(setup, name, "column " + field.name + ": " + why);
    table.columns_.push_back(postgres::quoted(used[i]->name));
    table.as_array_[i] = field.type.is_nested() && !used[i]->element.empty();
  }
  for (const TableColumn& column : columns) {
    bool ours = std::find(used.begin(), used.end(), &column) != used.end();
    if (!ours && column.not_null && !column.filled)
      return does_not_fit(setup, name,
                          "its column " + column.name + " is NOT NULL, and the view has none of that name");
  }
  if (setup.mode != SinkMode::kUpsert) return table;
  std::vector<const TableColumn*> key;
  for (uint32_t column : setup.key) {
    key.push_back(used[column]);
    table.key_.push_back(postgres::quoted(used[column]->name));
  }
  MR_TRY(check_key(connection, name, setup, std::move(key)));
  return table;
}

std::string Table::copy_into_table() const { return "COPY " + name_ + " (" + join(columns_, ", ") + ") FROM STDIN"; }

std::string Table::create_stage() const {
  // Made anew with each session: the table may have changed.
  return std::string(
             "CREATE TEMPORARY TABLE millrace_stage ON COMMIT DELETE ROWS AS SELECT '+'::text AS millrace_op, ") +
         join(columns_, ", ") + " FROM " + name_ + " WITH NO DATA";
}

std::string Table::copy_into_stage() const {
  return std::string("COPY ") + kStage + " (millrace_op, " + join(columns_, ", ") + ") FROM STDIN";
}

std::string Table::key_condition(bool nulls) const {
  std::string condition;
  std::string any_null;
  for (const std::string& column : key_) {
    condition += " AND t." + column + (nulls ? " IS NOT DISTINCT FROM s." : " = s.") + column;
    any_null += (any_null.empty() ? "s." : " OR s.") + column + " IS NULL";
  }
  return nulls ? condition + " AND (" + any_null + ")" : condition;
}

std::string Table::delete_staged() const {
  return "DELETE FROM " + name_ + " t USING " + kStage + " s WHERE s.millrace_op = '-'" + key_condition(false);
}

std::string Table::delete_staged_nulls() const {
  return "DELETE FROM " + name_ + " t USING " + kStage + " s WHERE s.millrace_op = '-'" + key_condition(true);
}

std::string Table::upsert_staged() const {
  std::string all = join(columns_, ", ");
  std::string sql = "INSERT INTO " + name_ + " (" + all + ") SELECT " + all + " FROM " + kStage +
                    " WHERE millrace_op = '+' ON CONFLICT (" + join(key_, ", ") + ") DO ";
  std::string changes;
  for (const std::string& column : columns_) {
    if (std::find(key_.begin(), key_.end(), column) != key_.end()) continue;
    changes += (changes.empty() ? "" : ", ") + column + " = excluded." + column;
  }
  return sql + (changes.empty() ? "NOTHING" : "UPDATE SET " + changes);
}

}  // namespace millrace::connectors::postgres
