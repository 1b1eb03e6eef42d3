// From a CREATE statement to the object that it defines, with everything checked that needs no other object.
#include <algorithm>

#include "base/text.h"
#include "sql/catalog.h"
#include "sql/start_point.h"
#include "sql/suggest.h"

namespace millrace::sql {
namespace {

constexpr const char* kReservedName = "42939";
constexpr const char* kDuplicateColumn = "42701";

/// Columns that every stream or change has besides its own.
constexpr std::string_view kSystemColumns[] = {"_op",          "_commit",     "_offset",  "_partition",
                                               "_append_time", "_message_id", "_position"};
constexpr std::string_view kCompanionEndings[] = {"_dead", "_late", "_error"};
constexpr size_t kNameLengthMax = 200;

Status check_object_name(const Name& name) {
  std::string folded = to_lower_ascii(name.text);
  if (folded.size() > kNameLengthMax) {
    return user_error(sqlstate::kTooLarge, "a name is too long, bytes: " + std::to_string(folded.size()))
        .at(name.span)
        .with_hint("the most is " + std::to_string(kNameLengthMax));
  }
  if (folded.starts_with('_')) {
    return user_error(kReservedName, "names that start with _ belong to the system: " + name.text)
        .at(name.span)
        .with_hint("choose another name");
  }
  for (std::string_view ending : kCompanionEndings) {
    if (!folded.ends_with(ending)) continue;
    return user_error(kReservedName, "names that end in " + std::string(ending) + " belong to the system: " + name.text)
        .at(name.span)
        .with_hint("every stream and view has its own _dead, _late and _error; choose another name");
  }
  return {};
}

bool has_column(const std::vector<CatalogColumn>& columns, std::string_view name) {
  return std::any_of(columns.begin(), columns.end(),
                     [&](const CatalogColumn& column) { return iequals(column.name, name); });
}

/// The column as it is spelled in the definition, or an error at `span`.
Result<std::string> declared_column(const std::vector<CatalogColumn>& columns, std::string_view name, SourceSpan span) {
  std::vector<std::string> known;
  for (const CatalogColumn& column : columns) {
    if (iequals(column.name, name)) return column.name;
    known.push_back(column.name);
  }
  std::string hint = did_you_mean(name, known);
  if (hint.empty()) hint = "the columns are " + enumerate(known);
  return user_error(sqlstate::kUndefinedColumn, "there is no such column: " + std::string(name))
      .at(span)
      .with_hint(std::move(hint));
}

Status check_column_name(const ColumnDefinition& definition) {
  for (std::string_view system : kSystemColumns) {
    if (!iequals(system, definition.name)) continue;
    return user_error(kReservedName, "this column is there already, in every stream: " + definition.name)
        .at(definition.span)
        .with_hint("choose another name");
  }
  return {};
}

Result<std::vector<CatalogColumn>> define_columns(const std::vector<ColumnDefinition>& definitions) {
  std::vector<CatalogColumn> columns;
  for (const ColumnDefinition& definition : definitions) {
    SourceSpan span = definition.span;
    if (has_column(columns, definition.name)) {
      return user_error(kDuplicateColumn, "a column is there twice: " + definition.name)
          .at(span)
          .with_hint("names that differ only in case are one name");
    }
    MR_TRY(check_column_name(definition));
    columns.push_back({definition.name, definition.type_text, definition.not_null});
  }
  return columns;
}

/// Names in kColumn and kColumns options must be columns; they are kept in the spelling of the definition.
Status resolve_option_columns(CatalogObject& object, const std::vector<Option>& given) {
  for (const Option& option : given) {
    auto found = object.options.values().find(option.name);
    if (found == object.options.values().end()) continue;
    OptionValue value = found->second;
    if (value.kind != OptionKind::kColumn && value.kind != OptionKind::kColumns) continue;
    for (std::string& column : value.columns) {
      MR_ASSIGN(column, declared_column(object.columns, column, option.value_span));
    }
    if (value.kind == OptionKind::kColumn && value.columns.size() != 1) {
      return user_error(sqlstate::kInvalidParameter, "the option " + option.name + " takes one column")
          .at(option.value_span);
    }
    value.text = enumerate(value.columns, ", ");
    object.options.set(option.name, std::move(value));
  }
  return {};
}

template <typename Create>
Status define_source(CatalogObject& object, const Create& create, const OptionRegistry& registry) {
  MR_ASSIGN(object.columns, define_columns(create.columns));
  if (object.columns.empty()) {
    return user_error(sqlstate::kSyntaxError,
                      "a " + std::string(object_kind_name(object.kind)) + " without columns: " + object.name)
        .at(create.name.span)
        .with_hint("write its columns in brackets behind the name; millrace infer FILE prints them for a file");
  }
  MR_ASSIGN(object.options, registry.check(object.kind, create.name, create.options));
  MR_TRY(resolve_option_columns(object, create.options));
  if (create.watermark) {
    MR_ASSIGN(std::string column, declared_column(object.columns, create.watermark->column, create.watermark->span));
    object.watermark = CatalogWatermark{std::move(column), create.watermark->expression.text};
  }
  object.companions = {{CompanionKind::kDead, StreamId()}};
  return {};
}

Status define_primary_key(CatalogObject& object, const CreateTable& create) {
  for (const Name& name : create.primary_key) {
    MR_ASSIGN(std::string column, declared_column(object.columns, name.text, name.span));
    if (std::find(object.primary_key.begin(), object.primary_key.end(), column) != object.primary_key.end()) {
      return user_error(kDuplicateColumn, "a column is in the primary key twice: " + column)
          .at(name.span)
          .with_hint("keep one of them");
    }
    for (CatalogColumn& known : object.columns) known.not_null = known.not_null || known.name == column;
    object.primary_key.push_back(std::move(column));
  }
  return {};
}

/// Only a table with a primary key is the last row of each key: anything else would change when it is made anew.
Status check_compaction(const CatalogObject& object, const std::vector<Option>& given) {
  const bool compacts = object.options.text("cleanup_policy") == "compact";
  for (const Option& option : given) {
    const auto refuse = [&](std::string message, std::string hint) {
      return user_error(sqlstate::kInvalidParameter, std::move(message))
          .at(option.name_span)
          .with_hint(std::move(hint));
    };
    if (option.name == "min_compaction_lag" && !compacts) {
      return refuse("min_compaction_lag is of tables that are compacted", "add cleanup_policy = 'compact'");
    }
    if (compacts && (option.name == "retention" || option.name == "retention_size")) {
      return refuse("a table that is compacted has no " + option.name + ": it keeps the last row of each key",
                    "leave one of the two out");
    }
    if (option.name != "cleanup_policy" || !compacts) continue;
    if (object.primary_key.empty()) {
      return refuse("only a table with a PRIMARY KEY can be compacted, and this is none: " + object.name,
                    "readers of a stream see every row, not the last one of a key; retention deletes old ones");
    }
    if (object.watermark) {
      return refuse(
          "a table with a WATERMARK cannot be compacted: " + object.name,
          "the watermark follows from all rows, also from those that were replaced; leave one of the two out");
    }
  }
  return {};
}

/// `beginning` is what holds without the option: it is not kept, so that both mean the same.
Status define_start(CatalogObject& object, const std::vector<Option>& given) {
  for (const Option& option : given) {
    if (option.name != "start" || !object.options.has("start")) continue;
    Result<StartPoint> start = parse_start_point(option.value);
    if (!start.ok()) return std::move(start).error().at(option.value_span);
    if (start->kind == StartPoint::Kind::kBeginning) object.options.remove("start");
  }
  return {};
}

void define_query(CatalogObject& object, const Query& query) {
  object.query = query.sql.text;
  object.emit = query.emit;
  object.allowed_lateness = query.allowed_lateness.value_or(Duration{});
}

Result<std::vector<std::string>> define_query_columns(const std::vector<Name>& names) {
  std::vector<std::string> columns;
  for (const Name& name : names) {
    bool twice = std::any_of(columns.begin(), columns.end(),
                             [&](const std::string& column) { return iequals(column, name.text); });
    if (twice)
      return user_error(kDuplicateColumn, "a column is there twice: " + name.text)
          .at(name.span)
          .with_hint("choose another name");
    columns.push_back(name.text);
  }
  return columns;
}

/// Fills in what is special to one kind of CREATE.
struct Definer {
  CatalogObject& object;
  const OptionRegistry& registry;

  Status operator()(const CreateStream& create) const {
    object.kind = ObjectKind::kStream;
    MR_TRY(define_source(object, create, registry));
    return check_compaction(object, create.options);
  }
  Status operator()(const CreateTable& create) const {
    object.kind = ObjectKind::kTable;
    MR_TRY(define_source(object, create, registry));
    MR_TRY(define_primary_key(object, create));
    return check_compaction(object, create.options);
  }
  Status operator()(const CreateMaterializedView& create) const {
    object.kind = ObjectKind::kMaterializedView;
    MR_ASSIGN(object.query_columns, define_query_columns(create.columns));
    MR_ASSIGN(object.options, registry.check(object.kind, create.name, create.options));
    MR_TRY(define_start(object, create.options));
    define_query(object, create.query);
    object.companions = {{CompanionKind::kLate, StreamId()}, {CompanionKind::kError, StreamId()}};
    return {};
  }
  Status operator()(const CreateView& create) const {
    object.kind = ObjectKind::kView;
    MR_ASSIGN(object.query_columns, define_query_columns(create.columns));
    define_query(object, create.query);
    return {};
  }
  Status operator()(const CreateSink& create) const {
    object.kind = ObjectKind::kSink;
    MR_ASSIGN(object.options, registry.check(object.kind, create.name, create.options));
    object.companions = {{CompanionKind::kRefused, StreamId()}};
    if (const Name* source = std::get_if<Name>(&create.source)) {
      object.source = source->text;
    } else {
      define_query(object, std::get<Query>(create.source));
    }
    return {};
  }
  Status operator()(const CreateMacro& create) const {
    object.kind = ObjectKind::kMacro;
    object.query = "CREATE OR REPLACE MACRO " + create.definition.text;
    return {};
  }
  template <typename Other>
  Status operator()(const Other&) const {
    return internal_error("this statement creates nothing");
  }
};

}  // namespace

Result<std::optional<CatalogColumn>> define_added_column(const CatalogObject& object, const AddColumn& add) {
  MR_TRY(check_column_name(add.column));
  const CatalogColumn wanted{add.column.name, add.column.type_text, false};
  for (const CatalogColumn& there : object.columns) {
    if (!iequals(there.name, wanted.name)) continue;
    if (add.if_not_exists || iequals(there.type_text, wanted.type_text)) return std::optional<CatalogColumn>();
    return user_error(kDuplicateColumn, "column " + there.name + " is already there, as " + there.type_text)
        .at(add.column.span)
        .with_hint("choose another name");
  }
  return std::optional(wanted);
}

Result<CatalogObject> define_object(const Statement& statement, const OptionRegistry& registry) {
  const Name* name = created_name(statement);
  if (name == nullptr) return internal_error("this statement creates nothing");
  MR_TRY(check_object_name(*name));
  CatalogObject object;
  object.name = name->text;
  object.statement = statement.text;
  MR_TRY(std::visit(Definer{object, registry}, statement.body));
  return object;
}

}  // namespace millrace::sql
