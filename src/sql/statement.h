// Statements of Millrace's SQL as plain data, and the parser that makes them.
//
// The parser knows the outside of each statement (names, columns, options, EMIT, …). Types, expressions and queries
// stay text: DuckDB parses them when they are bound. Every span counts bytes from the start of the text that was given
// to parse_statements, so any error can be shown with a caret in it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace::sql {

/// A name with its quotes removed, spelled as written.
struct Name {
  std::string text;
  SourceSpan span;
};

/// A piece of SQL for DuckDB. Byte i of `text` stands at byte span.offset + i of the parsed text.
struct SqlText {
  std::string text;
  SourceSpan span;
};

struct ColumnDefinition {
  std::string name;
  std::string type_text;  ///< as DuckDB reads it, e.g. `DECIMAL(38,2)`, `STRUCT(a INT, "end" VARCHAR[])`
  bool not_null = false;
  SourceSpan span;       ///< of the whole column definition
  SourceSpan type_span;  ///< of the type as written
};

/// WATERMARK FOR column AS expression.
struct WatermarkDefinition {
  std::string column;
  SqlText expression;  ///< for `DELAY i` it is `"column" - (i)`, and its span covers the clause
  SourceSpan span;
};

enum class OptionValueKind : uint8_t { kString, kNumber, kBoolean, kWord };

/// One `name = value` of a WITH list. The catalog knows which names and values are allowed.
struct Option {
  std::string name;   ///< in lower case
  std::string value;  ///< a string without its quotes; `true` or `false`; else as written
  OptionValueKind kind = OptionValueKind::kString;
  SourceSpan name_span;
  SourceSpan value_span;
};

/// When a query's results come out.
enum class Emit : uint8_t {
  kDefault,        ///< not said: every change for a view, a snapshot for a SELECT
  kChanges,        ///< EMIT CHANGES
  kOnWindowClose,  ///< EMIT ON WINDOW CLOSE, EMIT FINAL
};

/// A query. What DuckDB does not know (EMIT, ALLOW LATENESS, a trailing WITH list) is blanked out in `sql.text`, byte
/// for byte.
struct Query {
  SqlText sql;
  Emit emit = Emit::kDefault;
  std::optional<SourceSpan> emit_span;
  std::optional<Duration> allowed_lateness;
};

/// What IF NOT EXISTS and OR REPLACE say; at most one of them is set.
struct CreateMode {
  bool if_not_exists = false;
  bool or_replace = false;
};

struct CreateStream {
  CreateMode mode;
  Name name;
  std::vector<ColumnDefinition> columns;
  std::optional<WatermarkDefinition> watermark;
  std::vector<Option> options;
};

struct CreateTable {
  CreateMode mode;
  Name name;
  std::vector<ColumnDefinition> columns;
  std::vector<Name> primary_key;  ///< empty: the table is a bag
  std::optional<WatermarkDefinition> watermark;
  std::vector<Option> options;
};

struct CreateMaterializedView {
  CreateMode mode;
  Name name;
  std::vector<Name> columns;  ///< new names of the query's columns; empty: the query's own
  Query query;
  std::vector<Option> options;
};

/// A plain view: its query is put in place of its name.
struct CreateView {
  CreateMode mode;
  Name name;
  std::vector<Name> columns;
  Query query;
};

struct CreateSink {
  CreateMode mode;
  Name name;
  std::variant<Name, Query> source;  ///< FROM name, or AS query
  std::vector<Option> options;
};

struct CreateMacro {
  CreateMode mode;
  Name name;
  SqlText definition;  ///< from the name on: `CREATE MACRO ` before it makes what DuckDB takes
};

enum class ObjectKind : uint8_t { kStream, kTable, kView, kMaterializedView, kSink, kMacro };

/// `materialized view`, as messages name it.
std::string_view object_kind_name(ObjectKind kind);
/// `MATERIALIZED VIEW`, as SQL writes it.
std::string_view object_kind_sql(ObjectKind kind);

struct Drop {
  ObjectKind kind = ObjectKind::kStream;
  std::vector<Name> names;
  bool if_exists = false;
  bool cascade = false;
};

/// ALTER STREAM name ADD COLUMN …
struct AddColumn {
  Name name;
  bool if_not_exists = false;
  ColumnDefinition column;
  std::optional<SqlText> default_value;
};

enum class ShowKind : uint8_t {
  kAll,  ///< SHOW ALL: every object
  kStreams,
  kTables,
  kViews,  ///< plain and materialized ones
  kMaterializedViews,
  kSinks,
  kMacros,
  kWatermarks,
  kConnectors,
  kCreate,   ///< SHOW CREATE [kind] name
  kSetting,  ///< SHOW name: a setting, as PostgreSQL's clients ask for
};

struct Show {
  ShowKind kind = ShowKind::kAll;
  std::optional<Name> name;  ///< of kCreate and kSetting
};

struct Describe {
  std::variant<Name, Query> target;
};

struct Statement;

enum class ExplainFormat : uint8_t { kText, kJson };

struct Explain {
  bool analyze = false;
  bool scale = false;  ///< EXPLAIN SCALE: how far the plan can be spread over machines
  ExplainFormat format = ExplainFormat::kText;
  std::optional<Name> name;                    ///< of an existing object, or
  std::shared_ptr<const Statement> statement;  ///< a statement: shared so that statements can be copied
};

struct Select {
  Query query;
};

enum class SubscribeFrom : uint8_t { kNow, kBeginning, kPosition };

struct Subscribe {
  std::variant<Name, Query> source;
  SubscribeFrom from = SubscribeFrom::kNow;
  std::string position;  ///< of kPosition: as a former SUBSCRIBE printed it
};

/// RETURNING * | column [AS alias], …: of the rows as they are then, of DELETE as they were.
struct Returning {
  struct Column {
    Name name;
    std::string alias;
  };
  std::vector<Column> columns;  ///< empty: all
  SourceSpan span;
};

/// SET column = expression, …
using SetList = std::vector<std::pair<Name, SqlText>>;

struct OnConflict {
  SourceSpan span;
  std::vector<Name> columns;  ///< the primary key, or empty
  bool update = false;        ///< DO UPDATE, else DO NOTHING
  SetList set;
  std::optional<SqlText> where;
};

struct Insert {
  Name table;
  std::vector<Name> columns;  ///< empty: all, in order
  SqlText source;             ///< VALUES … or a query
  std::optional<OnConflict> on_conflict;
  std::optional<Returning> returning;
};

/// DELETE FROM table [AS alias] [WHERE condition].
struct Delete {
  Name table;
  std::string alias;  ///< the table's name when there is none
  std::optional<SqlText> where;
  std::optional<Returning> returning;
};

/// UPDATE table [AS alias] SET column = expression, … [WHERE condition].
struct Update {
  Name table;
  std::string alias;
  SetList set;
  std::optional<SqlText> where;
  std::optional<Returning> returning;
};

/// SYNC, FLUSH.
struct Sync {};

struct Statement {
  using Body = std::variant<CreateStream, CreateTable, CreateMaterializedView, CreateView, CreateSink, CreateMacro,
                            AddColumn, Drop, Show, Describe, Explain, Select, Subscribe, Insert, Update, Delete, Sync>;
  std::string text;  ///< as written, without the semicolon
  SourceSpan span;
  Body body;
};

/// The name that a CREATE statement makes, or null for any other statement.
const Name* created_name(const Statement& statement);

/// All statements of `text`, in order; the semicolon behind the last one may be missing. The first mistake is the
/// error: SQLSTATE 42601 (0A000 for what is understood and refused), with position and, for usual slips, a hint.
Result<std::vector<Statement>> parse_statements(std::string_view text);

}  // namespace millrace::sql
