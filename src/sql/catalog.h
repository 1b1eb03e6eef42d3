// The catalog: everything that CREATE statements made in one data directory, with ids that are never used twice.
//
// A plain value without locks, I/O or clock: copy it, apply a statement to the copy, persist encode(), then swap. Names
// are compared without case and keep their spelling; streams, tables, views, materialized views and sinks share one
// space of names, macros have their own. On disk: docs/formats/catalog.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "sql/options.h"
#include "sql/statement.h"

namespace millrace::sql {

/// A column of anything that can stand in FROM.
struct CatalogColumn {
  std::string name;
  std::string type_text;
  bool not_null = false;
  bool operator==(const CatalogColumn&) const = default;
};

/// Operators [first, end) belong to one object.
struct OperatorRange {
  OperatorId first;
  OperatorId end;
  bool operator==(const OperatorRange&) const = default;
};

struct CatalogWatermark {
  std::string column;
  std::string expression;
  bool operator==(const CatalogWatermark&) const = default;
};

/// A relation that comes with an object: what did not decode, came late, or threw; of a sink, what its destination
/// refused. The topic of a view is there once a Kafka client has read it; SQL does not see it.
enum class CompanionKind : uint8_t { kDead, kLate, kError, kRefused, kTopic };

struct Companion {
  CompanionKind kind = CompanionKind::kDead;
  StreamId stream;
  bool operator==(const Companion&) const = default;
};

/// Where a materialized view begins to read a stream: rows before are not of it (WITH (start = …)).
struct StreamStart {
  StreamId stream;
  std::vector<Offset> offsets;  ///< by partition
  bool operator==(const StreamStart&) const = default;
};

/// A column that ALTER … ADD COLUMN put behind the others. Records before `since` are read as if it were not there.
struct AddedColumn {
  uint32_t column = 0;          ///< index into the columns
  std::string default_value;    ///< a JSON object with the column; empty: NULL
  std::vector<Offset> since;    ///< by partition
  bool operator==(const AddedColumn&) const = default;
};

/// One object. Fields that its kind does not have are empty.
struct CatalogObject {
  ObjectKind kind = ObjectKind::kStream;
  std::string name;       ///< as spelled in its CREATE
  std::string statement;  ///< the CREATE's text, for SHOW CREATE
  StreamId stream;        ///< its log (stream, table) or changelog (materialized view); unique for every object
  std::vector<Companion> companions;
  std::vector<CatalogColumn> columns;    ///< of a view: from its binding
  std::vector<std::string> primary_key;  ///< of a table as declared, of a materialized view as derived; empty: a bag
  std::optional<CatalogWatermark> watermark;
  Options options;
  std::string query;                       ///< of a view, or of a sink made AS SELECT: DuckDB's part of it
  std::vector<std::string> query_columns;  ///< the column list of a view
  Emit emit = Emit::kDefault;
  Duration allowed_lateness;
  std::string source;                     ///< of a sink made FROM a name
  std::vector<std::string> dependencies;  ///< names of objects that it reads
  OperatorRange operators;          ///< of a stream that got its schema over a topic: one, which says that it did
  std::string plan;                 ///< opaque to the catalog
  std::vector<StreamStart> starts;  ///< of a materialized view; others are read from their beginning
  std::vector<AddedColumn> added;   ///< of a stream, in the order of its columns
  Offset changelog_end;             ///< of a replaced view: its changelog is committed up to here; 0: commits say it
  bool temporary = false;  ///< not stored: the view of a query that somebody follows
  bool operator==(const CatalogObject&) const = default;
};

/// What binding a view's or sink's query gave; the catalog keeps it with the object.
struct BoundObject {
  /// Every name that the resolver found for the query, plain views included, in any spelling. Companions count for
  /// their owner, system relations not at all. Ignored for a sink made FROM a name.
  std::vector<std::string> dependencies;
  std::vector<CatalogColumn> columns;
  std::vector<std::string> key;
  OperatorRange operators;  ///< first == Catalog::next_operator(); empty: none
  std::string plan;
  std::vector<std::string> notices = {};  ///< of the plan: for the answer, not kept
  std::vector<StreamStart> starts = {};
  std::string default_value = {};  ///< of an added column: AddedColumn
};

/// Something that can stand in FROM: a stream, table, materialized view, companion or system relation. (Plain views are
/// replaced by their query before.)
struct Relation {
  enum class Kind : uint8_t { kStream, kTable, kMaterializedView, kCompanion, kSystem };
  Kind kind = Kind::kStream;
  std::string name;
  std::vector<CatalogColumn> columns;
  StreamId stream;  ///< not of kSystem
  const CatalogObject* object =
      nullptr;  ///< of a companion: its owner; null for kSystem. Valid until the catalog changes
  std::optional<CompanionKind> companion = std::nullopt;
};

struct CatalogChange {
  /// kGivenSchema: a stream of raw bytes became one of rows, with the same log.
  enum class Action : uint8_t { kNone, kCreated, kReplaced, kGivenSchema, kAltered, kDropped };
  Action action = Action::kNone;
  std::vector<CatalogObject> added;
  std::vector<CatalogObject> removed;  ///< dependents before what they depend on
  std::string message;                 ///< `created stream plays`, `stream plays is already there, unchanged`
};

class Catalog {
 public:
  /// What `statement` (a CREATE, ALTER or DROP) would do, without doing it: everything apply can refuse except by the
  /// binding.
  /// Call it before binding: for kNone there is nothing to bind.
  Result<CatalogChange> check(const Statement& statement, const OptionRegistry& registry) const;
  /// Does it. A CREATE that is there already with the same meaning changes nothing; another meaning under the same name
  /// is refused with what differs. On an error the catalog is as before.
  Result<CatalogChange> apply(const Statement& statement, const OptionRegistry& registry, BoundObject bound = {});
  /// Replaces the stored plan of an object, after planning it again. The operators must be new, or those it has. Where
  /// it starts to read its streams stays.
  Status set_plan(std::string_view name, BoundObject bound);

  /// Gives a materialized view a topic, or takes it away.
  void add_topic(std::string_view view);
  void remove_topic(std::string_view view);
  /// From which offsets on the columns hold that ALTER added and that have none yet: `ends` gives those of a stream.
  void set_added_since(const std::function<std::vector<Offset>(const CatalogObject&)>& ends);

  void set_changelog_end(std::string_view view, Offset end);

  /// It is not stored, and comes without companions.
  void set_temporary(std::string_view name);

  const CatalogObject* find(std::string_view name) const;
  const CatalogObject* find_macro(std::string_view name) const;
  std::optional<Relation> relation(std::string_view name) const;
  /// The object, or 42P01 at the name's position with "did you mean".
  Result<const CatalogObject*> get(const Name& name) const;
  Result<Relation> get_relation(const Name& name) const;
  /// In order of creation, but each behind what it reads.
  std::vector<const CatalogObject*> objects() const;
  std::vector<const CatalogObject*> objects(ObjectKind kind) const;
  /// Everything that reads `name`, directly or through others; dependents before what they depend on.
  std::vector<const CatalogObject*> dependents(std::string_view name) const;
  /// Names that can stand in FROM, system relations and companions included.
  std::vector<std::string> relation_names() const;
  /// `did you mean hours?`, or empty.
  std::string did_you_mean(std::string_view name) const;

  /// A relation that the program itself fills, e.g. `_ledger`. Not stored: add it at every start.
  void add_system_relation(std::string name, std::vector<CatalogColumn> columns);

  OperatorId next_operator() const { return next_operator_; }
  StreamId next_stream() const { return next_stream_; }

  std::string encode() const;
  /// Fails on damage (XX001) and on a version that this program does not read (0A000); never half-way.
  static Result<Catalog> decode(std::string_view bytes);

  /// Everything stored is equal; system relations do not count.
  bool operator==(const Catalog& other) const;

 private:
  using ObjectMap = std::map<std::string, CatalogObject, std::less<>>;  ///< by name in lower case

  struct SystemRelation {
    std::string name;
    std::vector<CatalogColumn> columns;
  };

  Result<CatalogChange> create_change(const Statement& statement, const OptionRegistry& registry) const;
  Result<CatalogChange> schema_change(const CatalogObject& topic, CatalogObject wanted, const Name& name) const;
  Result<CatalogChange> add_column_change(const Statement& statement, const AddColumn& add) const;
  Result<CatalogChange> drop_change(const Drop& drop) const;
  Status add_drops(const Drop& drop, const Name& name, std::vector<const CatalogObject*>& dropped) const;
  Status check_sink_source(CatalogObject& sink, const Name& source) const;
  Result<BoundObject> check_binding(const CatalogObject& object, BoundObject bound) const;
  ObjectMap& map_of(ObjectKind kind) { return kind == ObjectKind::kMacro ? macros_ : objects_; }
  /// With what it reads before it.
  void place(const CatalogObject& object, std::vector<const CatalogObject*>& placed) const;
  void give_ids(CatalogObject& object);
  static Result<Catalog> decode_file(std::string_view bytes);
  Status check_loaded() const;

  ObjectMap objects_;
  ObjectMap macros_;
  std::map<std::string, SystemRelation, std::less<>> system_;
  StreamId next_stream_{1};
  OperatorId next_operator_{1};
};

/// The log of its topic; nothing when there is none.
std::optional<StreamId> topic_stream(const CatalogObject& view);
/// `plays_dead`.
std::string companion_name(const CatalogObject& owner, CompanionKind kind);
/// The fixed columns of companions.
const std::vector<CatalogColumn>& companion_columns(CompanionKind kind);

/// A stream as a Kafka client makes it: `(value BLOB)` in the format `raw`. A CREATE STREAM gives it a schema.
bool is_raw_topic(const CatalogObject& object);
/// What is fixed about the topic's log holds for the stream that takes its place: `wanted` gets what its statement does
/// not say. Refused where it says something else.
Status take_log_of(const CatalogObject& topic, CatalogObject& wanted, const Name& name);

/// What a CREATE statement defines, without ids: names checked, options checked and filled in.
Result<CatalogObject> define_object(const Statement& statement, const OptionRegistry& registry);
/// The column that a statement adds, checked against those that are there; nothing: it is there already.
Result<std::optional<CatalogColumn>> define_added_column(const CatalogObject& object, const AddColumn& add);
/// How two definitions of one name differ, e.g. `column seconds: INT there, BIGINT here`; empty when they mean the
/// same. White space, comments, the case of keywords and names, and options given with their default value do not
/// count.
std::string describe_difference(const CatalogObject& there, const CatalogObject& here);

}  // namespace millrace::sql
