// INSERT, UPDATE and DELETE: a query gives the rows, and what follows from them is appended to the log of the stream or
// table. docs/adr/0014-changes-of-tables.md
#include <shared_mutex>
#include <unordered_set>

#include "base/text.h"
#include "batch/row_codec.h"
#include "engine/later_columns.h"
#include "engine/node_state.h"
#include "engine/relations.h"
#include "formats/encoder.h"
#include "sql/composed_query.h"

namespace millrace::engine {
namespace {

/// What is known of the stream or table that a statement writes to, copied under the readers' lock.
struct Target {
  StreamId id;
  std::string name;
  batch::Schema schema;
  std::vector<uint32_t> key;  ///< of its PRIMARY KEY
  bool is_table = false;
  Deletes deletes = Deletes::kNone;
  bool one_place = false;  ///< all records of a key go to one partition
  std::shared_ptr<const ColumnDefaults> defaults;  ///< null: no column was added
  std::vector<uint32_t> defaulted;                 ///< columns that were added
};

Result<Target> find_target(NodeState& node, const sql::Name& name, std::string_view verb) {
  std::shared_lock readers(node.readers_mutex);
  MR_TRY(refuse_while_restarting(node));
  MR_ASSIGN(sql::Relation relation, node.catalog.get_relation(name));
  const bool stream = relation.kind == sql::Relation::Kind::kStream;
  Target target;
  target.is_table = relation.kind == sql::Relation::Kind::kTable;
  if (!target.is_table && !(stream && verb == "inserted into")) {
    Error error =
        user_error(sqlstate::kWrongObjectType,
                   stream ? "the rows of a stream stay as they are: " + name.text
                          : "rows are " + std::string(verb) + " streams and tables, and this is neither: " + name.text);
    if (stream) error.hint = "CREATE TABLE makes what takes UPDATE and DELETE";
    return std::move(error).at(name.span);
  }
  target.id = relation.stream;
  target.name = relation.name;
  target.schema = schema_of(relation.columns);
  for (const std::string& column : relation.object->primary_key) {
    target.key.push_back(static_cast<uint32_t>(target.schema.find(column)));
  }
  RunningSource* running = node.pipeline->find_source(relation.stream);
  if (!running) return internal_error("a table is not in the pipeline: " + relation.name);
  target.deletes = running->source.deletes;
  const size_t later = running->source.later.size();
  if (later > 0) target.defaults = std::make_shared<ColumnDefaults>(running->source);
  for (size_t i = 0; i < later; ++i) {
    target.defaulted.push_back(static_cast<uint32_t>(target.schema.size() - later + i));
  }
  // Of two records of one key the later wins: by append time first, and that is sure only within a partition.
  std::vector<std::string> by = relation.object->options.columns("key");
  const std::vector<std::string>& key = relation.object->primary_key;
  bool within_key = !key.empty();
  for (const std::string& column : by) within_key &= std::find(key.begin(), key.end(), column) != key.end();
  const bool json = running->source.format == "json" || running->source.format == "ndjson";
  target.one_place = running->source.stream->partition_count() == 1 || (json && within_key);
  return target;
}

Result<size_t> find_column(const Target& target, const sql::Name& column) {
  const int index = target.schema.find(column.text);
  if (index >= 0) return static_cast<size_t>(index);
  return user_error(sqlstate::kUndefinedColumn, target.name + " has no column " + column.text).at(column.span);
}

/// For what reads the table and then changes it.
Status check_changeable(const Target& target, const sql::Name& name) {
  if (!target.one_place) {
    const bool bag = target.key.empty();
    return user_error(sqlstate::kNotSupported,
                      "this table has several partitions, and " +
                          std::string(bag ? "no primary key" : "a row of one key may be in any") +
                          ": its rows are only inserted: " + target.name)
        .at(name.span)
        .with_hint(bag ? "CREATE TABLE with a PRIMARY KEY, or with partitions = 1"
                       : "leave out the option key, or name columns of the primary key in it; format is json");
  }
  if (target.deletes == Deletes::kNone) {
    return user_error(sqlstate::kNotSupported,
                      "this table was made by an earlier version and only takes INSERT: " + target.name)
        .at(name.span)
        .with_hint("DROP it, and CREATE it anew");
  }
  return {};
}

/// The table is this statement's alone: all that was acked is in its rows, and nothing is appended until the end.
class ChangedTable {
 public:
  static Result<std::unique_ptr<ChangedTable>> open(NodeState& node, const Target& target) {
    MR_TRY(wait_for_catch_up(node));  // also of what the statement's subqueries read
    std::unique_ptr<ChangedTable> open(new ChangedTable(node.table_gates.gate_of(target.id)));
    MR_TRY(wait_for_stream(node, target.id));
    return open;
  }
  ~ChangedTable() { gate_->unlock(); }
  ChangedTable(const ChangedTable&) = delete;
  ChangedTable& operator=(const ChangedTable&) = delete;

 private:
  explicit ChangedTable(std::shared_ptr<TableGate> gate) : gate_(std::move(gate)) { gate_->lock(); }
  std::shared_ptr<TableGate> gate_;
};

/// Records that wait to be appended together.
class Records {
 public:
  explicit Records(const Target& target) : target_(target) {}

  void add(const batch::Batch& rows) { encode(target_.schema, rows, RowOperation::kAdd); }
  void take_away(const batch::Batch& rows) {
    if (target_.key.empty()) return encode(target_.schema, rows, RowOperation::kTakeEqual);
    batch::Schema schema;
    for (uint32_t column : target_.key) schema.fields.push_back(target_.schema[column]);
    encode(schema, rows.project(target_.key), RowOperation::kTakeKey);
  }

  Status append(NodeState& node, bool gate_is_held) const {
    std::vector<std::string_view> records = split_view(lines_, '\n');
    if (!records.empty() && records.back().empty()) records.pop_back();
    MR_CHECK(records.size() == operations_.size(), "a record is one line of JSON");
    if (records.empty()) return {};
    for (std::string_view record : records) {
      if (record.size() <= node.options.record_bytes_max) continue;
      return user_error(sqlstate::kTooLarge, "a row has " + std::to_string(record.size()) + " bytes; the limit is " +
                                                 std::to_string(node.options.record_bytes_max));
    }
    MR_ASSIGN(AppendReceipt receipt, append_rows(node, target_.name, records, operations_, gate_is_held));
    MR_CHECK(receipt.rejected.empty(), "the rows were small enough");
    return {};
  }

 private:
  void encode(const batch::Schema& schema, const batch::Batch& rows, RowOperation operation) {
    formats::encode_ndjson(schema, rows, lines_);
    operations_.insert(operations_.end(), rows.rows(), operation);
  }

  const Target& target_;
  std::string lines_;
  std::vector<RowOperation> operations_;
};

/// Columns [first, first + count) of all rows.
std::vector<batch::Batch> columns_of(const std::vector<batch::Batch>& rows, const std::vector<uint32_t>& columns) {
  std::vector<batch::Batch> result;
  for (const batch::Batch& batch : rows) result.push_back(batch.project(columns));
  return result;
}

std::vector<uint32_t> first_columns(size_t count) {
  std::vector<uint32_t> columns(count);
  for (uint32_t i = 0; i < count; ++i) columns[i] = i;
  return columns;
}

/// What the client gets: the rows that RETURNING asks for, and how many rows it were.
Result<StatementResult> answer(const Target& target, const std::optional<sql::Returning>& returning,
                               const std::vector<batch::Batch>& rows, std::string_view verb) {
  StatementResult result;
  uint64_t count = 0;
  for (const batch::Batch& batch : rows) count += batch.rows();
  result.message = std::string(verb) + " " + std::to_string(count) + (count == 1 ? " row" : " rows");
  if (!returning) return result;
  std::vector<uint32_t> columns = first_columns(returning->columns.empty() ? target.schema.size() : 0);
  result.schema = returning->columns.empty() ? target.schema : batch::Schema();
  for (const auto& [name, alias] : returning->columns) {
    MR_ASSIGN(size_t column, find_column(target, name));
    columns.push_back(static_cast<uint32_t>(column));
    result.schema.fields.push_back({alias, target.schema[column].type});
  }
  for (const batch::Batch& batch : rows) result.batches.push_back(batch.project(columns).clone());
  return result;
}

/// Fails before anything is changed where RETURNING names what is not there.
Status check_returning(const Target& target, const std::optional<sql::Returning>& returning) {
  if (!returning) return {};
  MR_ASSIGN(StatementResult result, answer(target, returning, {}, ""));
  return {};
}

Result<sql::QueryResult> run(NodeState& node, const sql::ComposedQuery& query, SourceSpan whole) {
  Result<sql::QueryResult> ran = run_over_rows(node, query.text(), 0);
  if (!ran.ok()) return query.original(std::move(ran).error(), whole);
  return ran;
}

/// `, CAST((expression) AS type)` for each column of SET; `places` gets where each column of the new row is found.
Status add_set(const Target& target, const sql::SetList& set, sql::ComposedQuery& query,
               std::vector<uint32_t>& places) {
  places = first_columns(target.schema.size());
  for (size_t i = 0; i < set.size(); ++i) {
    const auto& [name, expression] = set[i];
    MR_ASSIGN(size_t column, find_column(target, name));
    if (std::find(target.key.begin(), target.key.end(), column) != target.key.end()) {
      return user_error(sqlstate::kNotSupported, "a column of the primary key stays as it is: " + name.text)
          .at(name.span)
          .with_hint("DELETE the row, and INSERT it with its new key");
    }
    if (places[column] != column) {
      return user_error(sqlstate::kSyntaxError, "SET names a column twice: " + name.text).at(name.span);
    }
    places[column] = static_cast<uint32_t>(target.schema.size() + i);
    query << ", CAST((" << expression << ") AS " << target.schema[column].type.name() << ") AS "
          << quote_identifier("$" + std::to_string(i));
  }
  return {};
}

void add_from(const Target& target, const std::string& alias, const std::optional<sql::SqlText>& where,
              sql::ComposedQuery& query) {
  query << " FROM " << quote_identifier(target.name) << " AS " << quote_identifier(alias);
  if (where) query << " WHERE (" << *where << ")";
}

// ---- INSERT

/// The rows of the source, a column of NULLs for each that it does not name.
Status add_source(const Target& target, const sql::Insert& insert, sql::ComposedQuery& query) {
  std::vector<int> given(target.schema.size(), -1);
  std::string names;
  std::vector<size_t> targets = {};
  for (const sql::Name& column : insert.columns) {
    MR_ASSIGN(size_t index, find_column(target, column));
    targets.push_back(index);
  }
  for (size_t i = 0; insert.columns.empty() && i < target.schema.size(); ++i) targets.push_back(i);
  for (size_t i = 0; i < targets.size(); ++i) {
    names += (names.empty() ? "" : ", ") + quote_identifier(target.schema[targets[i]].name);
    given[targets[i]] = static_cast<int>(i);
  }
  std::string casts;
  for (size_t i = 0; i < target.schema.size(); ++i) {
    const std::string name = quote_identifier(target.schema[i].name);
    casts += (casts.empty() ? "" : ", ") + std::string("CAST(") + (given[i] < 0 ? "NULL" : name) + " AS " +
             target.schema[i].type.name() + ") AS " + name;
  }
  query << "SELECT " << casts << " FROM (" << insert.source << ") AS source(" << names << ")";
  return {};
}

/// The rows of each key once: the first of them, or an error when there are several.
Result<std::vector<batch::Batch>> one_a_key(const Target& target, const sql::OnConflict& conflict,
                                            const std::vector<batch::Batch>& rows) {
  batch::RowCodec codec(target.schema.types(), target.key);
  batch::RowBuffer keys;
  std::unordered_set<std::string> seen;
  std::vector<batch::Batch> result;
  for (const batch::Batch& batch : rows) {
    codec.encode(batch, keys);
    std::vector<uint32_t> kept;
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      if (seen.emplace(keys.row(row)).second) {
        kept.push_back(row);
      } else if (conflict.update) {
        return user_error("21000", "ON CONFLICT DO UPDATE cannot change a row twice: two rows have one key")
            .at(conflict.span)
            .with_hint("let the source give each key once, e.g. with SELECT DISTINCT ON (key)");
      }
    }
    result.push_back(batch.select(kept));
  }
  return result;
}

/// ON CONFLICT looks at the row of each key: `excluded` is a struct beside it, so that names without a table are the
/// row's own.
Status add_conflict(const Target& target, const sql::OnConflict& conflict, const sql::ComposedQuery& source,
                    sql::ComposedQuery& query) {
  std::string pack;
  std::string on;
  for (const batch::Field& field : target.schema.fields) {
    const std::string name = quote_identifier(field.name);
    pack += (pack.empty() ? "" : ", ") + name + " := " + name;
  }
  const std::string table = quote_identifier(target.name);
  for (uint32_t column : target.key) {
    const std::string name = quote_identifier(target.schema[column].name);
    on += (on.empty() ? "" : " AND ") + table + "." + name + " IS NOT DISTINCT FROM excluded." + name;
  }
  query << "SELECT ";
  std::vector<const sql::SqlText*> values(target.schema.size(), nullptr);
  for (const auto& [name, expression] : conflict.set) {
    MR_ASSIGN(size_t column, find_column(target, name));
    values[column] = &expression;
  }
  for (size_t i = 0; i < target.schema.size(); ++i) {
    const std::string name = quote_identifier(target.schema[i].name);
    query << (i == 0 ? "" : ", ") << "CASE WHEN \"$there\" THEN CAST((";
    if (values[i]) {
      query << *values[i];
    } else {
      query << table << "." << name;
    }
    query << ") AS " << target.schema[i].type.name() << ") ELSE excluded." << name << " END AS " << name;
  }
  query << " FROM (SELECT struct_pack(" << pack << ") AS excluded FROM (" << source
        << ")) LEFT JOIN (SELECT *, true AS "
        << "\"$there\" FROM " << table << ") AS " << table << " ON " << on << " WHERE ";
  if (!conflict.update) {
    query << "\"$there\" IS NULL";
  } else if (conflict.where) {
    query << "\"$there\" IS NULL OR (" << *conflict.where << ")";
  } else {
    query << "true";
  }
  return {};
}

Status check_conflict(const Target& target, const sql::OnConflict& conflict, const sql::Name& name) {
  if (target.key.empty()) {
    return user_error(sqlstate::kNotSupported, "ON CONFLICT needs a table with a PRIMARY KEY: " + target.name)
        .at(conflict.span);
  }
  MR_TRY(check_changeable(target, name));
  std::set<size_t> named;
  for (const sql::Name& column : conflict.columns) {
    MR_ASSIGN(size_t index, find_column(target, column));
    named.insert(index);
  }
  if (!named.empty() && named != std::set<size_t>(target.key.begin(), target.key.end())) {
    return user_error("42P10", "ON CONFLICT names other columns than the primary key of " + target.name)
        .at(conflict.span);
  }
  sql::ComposedQuery unused;
  std::vector<uint32_t> places;
  return add_set(target, conflict.set, unused, places);
}

Result<std::vector<batch::Batch>> insert_with_conflicts(NodeState& node, const Target& target,
                                                        const sql::Insert& insert, const sql::ComposedQuery& source) {
  const sql::OnConflict& conflict = *insert.on_conflict;
  MR_TRY(check_conflict(target, conflict, insert.table));
  sql::ComposedQuery query;
  MR_TRY(add_conflict(target, conflict, source, query));
  MR_ASSIGN(auto table, ChangedTable::open(node, target));
  MR_ASSIGN(sql::QueryResult ran, run(node, query, insert.source.span));
  MR_ASSIGN(std::vector<batch::Batch> rows, one_a_key(target, conflict, ran.batches));
  Records records(target);
  for (const batch::Batch& batch : rows) records.add(batch);
  MR_TRY(records.append(node, true));
  return rows;
}

/// Added columns that the statement does not name have their defaults.
Status fill_defaults(const Target& target, const sql::Insert& insert, std::vector<batch::Batch>& rows) {
  if (!target.defaults || insert.columns.empty()) return {};
  std::vector<uint32_t> unnamed = target.defaulted;
  for (const sql::Name& name : insert.columns) {
    MR_ASSIGN(const size_t column, find_column(target, name));
    std::erase(unnamed, static_cast<uint32_t>(column));
  }
  for (batch::Batch& batch : rows) {
    std::vector<formats::Decoder::Missing> missing;
    for (uint32_t column : unnamed) {
      for (size_t row = 0; row < batch.rows(); ++row) missing.push_back({column, row});
    }
    batch = batch.clone();
    MR_TRY(target.defaults->fill(batch, 0, missing));
  }
  return {};
}

}  // namespace

Result<StatementResult> insert_rows(NodeState& node, const sql::Insert& insert) {
  MR_ASSIGN(Target target, find_target(node, insert.table, "inserted into"));
  MR_TRY(check_returning(target, insert.returning));
  sql::ComposedQuery query;
  MR_TRY(add_source(target, insert, query));
  std::vector<batch::Batch> rows;
  if (insert.on_conflict) {
    MR_ASSIGN(rows, insert_with_conflicts(node, target, insert, query));
  } else {
    MR_ASSIGN(sql::QueryResult ran, run(node, query, insert.source.span));
    rows = std::move(ran.batches);
    MR_TRY(fill_defaults(target, insert, rows));
    Records records(target);
    for (const batch::Batch& batch : rows) records.add(batch);
    MR_TRY(records.append(node, false));
  }
  return answer(target, insert.returning, rows, "inserted");
}

Result<StatementResult> update_rows(NodeState& node, const sql::Update& update) {
  MR_ASSIGN(Target target, find_target(node, update.table, "changed in"));
  MR_TRY(check_changeable(target, update.table));
  MR_TRY(check_returning(target, update.returning));
  sql::ComposedQuery query;
  std::vector<uint32_t> places;
  query << "SELECT *";
  MR_TRY(add_set(target, update.set, query, places));
  add_from(target, update.alias, update.where, query);
  MR_ASSIGN(auto table, ChangedTable::open(node, target));
  MR_ASSIGN(sql::QueryResult ran, run(node, query, update.table.span));
  std::vector<batch::Batch> rows = columns_of(ran.batches, places);
  Records records(target);
  if (target.key.empty()) {  // with a key the new row takes the place of the old one
    for (const batch::Batch& batch : columns_of(ran.batches, first_columns(target.schema.size()))) {
      records.take_away(batch);
    }
  }
  for (const batch::Batch& batch : rows) records.add(batch);
  MR_TRY(records.append(node, true));
  return answer(target, update.returning, rows, "updated");
}

Result<StatementResult> delete_rows(NodeState& node, const sql::Delete& removal) {
  MR_ASSIGN(Target target, find_target(node, removal.table, "deleted from"));
  MR_TRY(check_changeable(target, removal.table));
  MR_TRY(check_returning(target, removal.returning));
  sql::ComposedQuery query;
  query << "SELECT *";
  add_from(target, removal.alias, removal.where, query);
  MR_ASSIGN(auto table, ChangedTable::open(node, target));
  MR_ASSIGN(sql::QueryResult ran, run(node, query, removal.table.span));
  Records records(target);
  for (const batch::Batch& batch : ran.batches) records.take_away(batch);
  MR_TRY(records.append(node, true));
  return answer(target, removal.returning, ran.batches, "deleted");
}

}  // namespace millrace::engine
