// What CREATE and DROP do to the catalog.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sql/catalog.h"
#include "sql/suggest.h"

namespace millrace::sql {
namespace {

const CreateMode& mode_of(const Statement& statement) {
  static const CreateMode kPlain;
  if (const auto* create = std::get_if<CreateStream>(&statement.body)) return create->mode;
  if (const auto* create = std::get_if<CreateTable>(&statement.body)) return create->mode;
  if (const auto* create = std::get_if<CreateMaterializedView>(&statement.body)) return create->mode;
  if (const auto* create = std::get_if<CreateView>(&statement.body)) return create->mode;
  if (const auto* create = std::get_if<CreateSink>(&statement.body)) return create->mode;
  if (const auto* create = std::get_if<CreateMacro>(&statement.body)) return create->mode;
  return kPlain;
}

/// `stream plays`.
std::string described(const CatalogObject& object) {
  return std::string(object_kind_name(object.kind)) + ' ' + object.name;
}

std::string described(const std::vector<const CatalogObject*>& objects) {
  std::vector<std::string> names;
  for (const CatalogObject* object : objects) names.push_back(described(*object));
  return enumerate(names);
}

std::string drop_sql(const CatalogObject& object) {
  return "DROP " + std::string(object_kind_sql(object.kind)) + ' ' + object.name;
}

CatalogChange unchanged(const CatalogObject& object) {
  return CatalogChange{CatalogChange::Action::kNone, {}, {}, described(object) + " is already there, unchanged"};
}

Error already_there(const CatalogObject& there, const CatalogObject& wanted, const std::string& difference,
                    const Name& name) {
  std::string replace =
      "write CREATE OR REPLACE " + std::string(object_kind_sql(wanted.kind)) + ", or " + drop_sql(there) + " first";
  if (there.kind != wanted.kind) replace = "choose another name, or " + drop_sql(there) + " first";
  return user_error(sqlstate::kDuplicateTable,
                    described(there) + " is already there with another definition: " + difference)
      .at(name.span)
      .with_hint(std::move(replace));
}

Status check_replaceable(const CatalogObject& there, const CatalogObject& wanted,
                         const std::vector<const CatalogObject*>& readers, const Name& name) {
  if (there.kind != wanted.kind) {
    return user_error(sqlstate::kWrongObjectType,
                      "a " + std::string(object_kind_name(wanted.kind)) + " cannot replace " + described(there))
        .at(name.span)
        .with_hint("choose another name, or " + drop_sql(there) + " first");
  }
  if (readers.empty()) return {};
  return user_error(sqlstate::kDependentObjects,
                    described(there) + " cannot be replaced while others read it: " + described(readers))
      .at(name.span)
      .with_hint("drop these first, or all with " + drop_sql(there) + " CASCADE, and create them again");
}

bool contains(const std::vector<const CatalogObject*>& objects, const CatalogObject* object) {
  return std::find(objects.begin(), objects.end(), object) != objects.end();
}

}  // namespace

Result<CatalogChange> Catalog::check(const Statement& statement, const OptionRegistry& registry) const {
  if (const auto* drop = std::get_if<Drop>(&statement.body)) return drop_change(*drop);
  if (const auto* add = std::get_if<AddColumn>(&statement.body)) return add_column_change(statement, *add);
  return create_change(statement, registry);
}

Result<CatalogChange> Catalog::apply(const Statement& statement, const OptionRegistry& registry, BoundObject bound) {
  MR_ASSIGN(CatalogChange change, check(statement, registry));
  if (change.action == CatalogChange::Action::kAltered) {
    change.added[0].added.back().default_value = std::move(bound.default_value);
  } else if (!change.added.empty()) {
    CatalogObject& object = change.added.front();
    MR_ASSIGN(bound, check_binding(object, std::move(bound)));
    if (object.source.empty()) object.dependencies = std::move(bound.dependencies);
    if (!bound.columns.empty()) object.columns = std::move(bound.columns);
    if (!bound.key.empty()) object.primary_key = std::move(bound.key);
    object.operators = bound.operators;
    object.plan = std::move(bound.plan);
    object.starts = std::move(bound.starts);
    next_operator_ = std::max(next_operator_, bound.operators.end);
    const bool same_log = change.action == CatalogChange::Action::kGivenSchema ||
                          (!change.removed.empty() && object.kind == ObjectKind::kMaterializedView);
    if (same_log) {
      object.stream = change.removed[0].stream;
      object.companions = change.removed[0].companions;
      object.changelog_end = change.removed[0].changelog_end;
    } else {
      give_ids(object);
    }
    if (change.action == CatalogChange::Action::kGivenSchema) {
      object.operators = {next_operator_, next_operator_.next()};
      next_operator_ = next_operator_.next();
    }
  }
  for (const CatalogObject& object : change.removed) map_of(object.kind).erase(to_lower_ascii(object.name));
  for (const CatalogObject& object : change.added) map_of(object.kind)[to_lower_ascii(object.name)] = object;
  return change;
}

Result<CatalogChange> Catalog::create_change(const Statement& statement, const OptionRegistry& registry) const {
  MR_ASSIGN(CatalogObject wanted, define_object(statement, registry));
  const Name& name = *created_name(statement);
  const CreateMode& mode = mode_of(statement);
  const CatalogObject* there = wanted.kind == ObjectKind::kMacro ? find_macro(name.text) : find(name.text);
  if (there != nullptr && mode.if_not_exists) return unchanged(*there);
  if (const auto* sink = std::get_if<CreateSink>(&statement.body)) {
    if (const Name* source = std::get_if<Name>(&sink->source)) MR_TRY(check_sink_source(wanted, *source));
  }
  CatalogChange change;
  change.action = CatalogChange::Action::kCreated;
  if (there != nullptr) {
    std::string difference = describe_difference(*there, wanted);
    if (difference.empty()) return unchanged(*there);
    const bool gives_schema = is_raw_topic(*there) && !is_raw_topic(wanted) && wanted.kind == there->kind &&
                              wanted.options.text("connector") == there->options.text("connector");
    if (gives_schema) return schema_change(*there, std::move(wanted), name);
    if (!mode.or_replace) return already_there(*there, wanted, difference, name);
    // A materialized view keeps its id: whoever replaces it looks after its readers.
    const bool keeps_readers = wanted.kind == ObjectKind::kMaterializedView && there->kind == wanted.kind;
    MR_TRY(check_replaceable(*there, wanted,
                             keeps_readers ? std::vector<const CatalogObject*>() : dependents(name.text), name));
    change.action = CatalogChange::Action::kReplaced;
    change.removed.push_back(*there);
  }
  change.message = (there != nullptr ? "replaced " : "created ") + described(wanted);
  change.added.push_back(std::move(wanted));
  return change;
}

/// Its records are read anew as rows, so nobody may have read them as bytes.
Result<CatalogChange> Catalog::schema_change(const CatalogObject& topic, CatalogObject wanted, const Name& name) const {
  MR_TRY(check_replaceable(topic, wanted, dependents(topic.name), name));
  MR_TRY(take_log_of(topic, wanted, name));
  CatalogChange change;
  change.action = CatalogChange::Action::kGivenSchema;
  change.message = "created " + described(wanted) + " over the topic of that name";
  change.removed.push_back(topic);
  change.added.push_back(std::move(wanted));
  return change;
}

Status Catalog::check_sink_source(CatalogObject& sink, const Name& source) const {
  const CatalogObject* object = find(source.text);
  if (object != nullptr && object->kind == ObjectKind::kView) {
    return user_error(sqlstate::kWrongObjectType,
                      "a plain view keeps no changes that a sink could read: " + object->name)
        .at(source.span)
        .with_hint("make it a materialized view, or write AS SELECT * FROM " + object->name);
  }
  MR_ASSIGN(Relation relation, get_relation(source));
  sink.source = relation.name;
  if (relation.object != nullptr) sink.dependencies = {relation.object->name};
  return {};
}

/// Puts dependencies into the spelling of the catalog, each once, and checks what a caller must not get wrong.
Result<BoundObject> Catalog::check_binding(const CatalogObject& object, BoundObject bound) const {
  std::vector<std::string> dependencies;
  for (const std::string& name : bound.dependencies) {
    const CatalogObject* found = find(name);
    if (found == nullptr) {
      std::optional<Relation> relation = this->relation(name);
      if (!relation) return internal_error("a plan reads what is not in the catalog: " + name);
      found = relation->object;
    }
    if (found == nullptr) continue;
    if (iequals(found->name, object.name)) return internal_error("a plan reads its own result: " + name);
    if (std::find(dependencies.begin(), dependencies.end(), found->name) == dependencies.end())
      dependencies.push_back(found->name);
  }
  bound.dependencies = std::move(dependencies);
  bool no_operators = bound.operators.first == bound.operators.end;
  if (no_operators) bound.operators = OperatorRange{};
  bool owned = bound.operators.first >= object.operators.first && bound.operators.end <= object.operators.end;
  bool fresh = bound.operators.first == next_operator_ && bound.operators.end > bound.operators.first;
  if (!no_operators && !owned && !fresh)
    return internal_error("a plan's operators are not the next ones, from " +
                          std::to_string(bound.operators.first.value));
  return bound;
}

Status Catalog::set_plan(std::string_view name, BoundObject bound) {
  auto found = objects_.find(to_lower_ascii(name));
  if (found == objects_.end()) return internal_error("no object to keep the plan of: " + std::string(name));
  CatalogObject& object = found->second;
  MR_ASSIGN(bound, check_binding(object, std::move(bound)));
  next_operator_ = std::max(next_operator_, bound.operators.end);
  if (object.source.empty()) object.dependencies = std::move(bound.dependencies);
  object.columns = std::move(bound.columns);
  object.primary_key = std::move(bound.key);
  object.operators = bound.operators;
  object.plan = std::move(bound.plan);
  return {};
}

void Catalog::set_added_since(const std::function<std::vector<Offset>(const CatalogObject&)>& ends) {
  for (auto& [name, object] : objects_) {
    for (AddedColumn& added : object.added) {
      if (added.since.empty()) added.since = ends(object);
    }
  }
}

void Catalog::set_changelog_end(std::string_view view, Offset end) {
  auto found = objects_.find(to_lower_ascii(view));
  if (found != objects_.end()) found->second.changelog_end = end;
}

void Catalog::set_temporary(std::string_view name) {
  auto found = objects_.find(to_lower_ascii(name));
  if (found == objects_.end()) return;
  found->second.temporary = true;
  found->second.companions.clear();
}

void Catalog::give_ids(CatalogObject& object) {
  auto next = [this] { return std::exchange(next_stream_, next_stream_.next()); };
  object.stream = next();
  for (Companion& companion : object.companions) companion.stream = next();
}

Result<CatalogChange> Catalog::add_column_change(const Statement& statement, const AddColumn& add) const {
  MR_ASSIGN(const CatalogObject* there, get(add.name));
  if (there->kind != ObjectKind::kStream) {
    return user_error(sqlstate::kWrongObjectType, there->name + " is a " + std::string(object_kind_name(there->kind)))
        .at(add.name.span)
        .with_hint("ALTER adds columns to streams; write CREATE OR REPLACE for a view");
  }
  MR_ASSIGN(std::optional<CatalogColumn> column, define_added_column(*there, add));
  CatalogChange change;
  if (!column) {
    change.message = "column " + add.column.name + " of " + described(*there) + " is already there, unchanged";
    return change;
  }
  if (there->options.text("format") == "raw") {
    return user_error(sqlstate::kNotSupported, "a stream of format raw has one column: " + there->name)
        .at(add.column.span)
        .with_hint("take the bytes apart in a view");
  }
  change.action = CatalogChange::Action::kAltered;
  change.message = "added column " + column->name + " to " + described(*there);
  CatalogObject altered = *there;
  altered.added.push_back({static_cast<uint32_t>(altered.columns.size()), {}, {}});
  altered.columns.push_back(*std::move(column));
  altered.statement += "; " + statement.text;  // for SHOW CREATE: both, in this order, make what is there
  change.added.push_back(std::move(altered));
  return change;
}

Result<CatalogChange> Catalog::drop_change(const Drop& drop) const {
  std::vector<const CatalogObject*> named;
  for (const Name& name : drop.names) MR_TRY(add_drops(drop, name, named));
  std::vector<const CatalogObject*> dropped = named;
  for (size_t i = 0; i < named.size() && drop.kind != ObjectKind::kMacro; ++i) {
    std::vector<const CatalogObject*> readers = dependents(named[i]->name);
    std::erase_if(readers, [&](const CatalogObject* reader) { return contains(dropped, reader); });
    if (!readers.empty() && !drop.cascade) {
      return user_error(sqlstate::kDependentObjects,
                        described(*named[i]) + " cannot be dropped while others read it: " + described(readers))
          .at(drop.names.front().span)
          .with_hint("drop these first, or add CASCADE to drop them too");
    }
    dropped.insert(dropped.end(), readers.begin(), readers.end());
  }
  CatalogChange change;
  if (dropped.empty()) {
    change.message = "nothing to drop";
    return change;
  }
  std::sort(dropped.begin(), dropped.end(),
            [](const CatalogObject* a, const CatalogObject* b) { return a->stream > b->stream; });
  change.action = CatalogChange::Action::kDropped;
  change.message = "dropped " + described(dropped);
  for (const CatalogObject* object : dropped) change.removed.push_back(*object);
  return change;
}

/// Adds the object that DROP names, after checking that it is of the kind that DROP says.
Status Catalog::add_drops(const Drop& drop, const Name& name, std::vector<const CatalogObject*>& dropped) const {
  bool macro = drop.kind == ObjectKind::kMacro;
  const CatalogObject* object = macro ? find_macro(name.text) : find(name.text);
  if (object == nullptr) {
    std::optional<Relation> relation = macro ? std::nullopt : this->relation(name.text);
    if (relation) {
      bool companion = relation->object != nullptr;
      return user_error(sqlstate::kWrongObjectType,
                        relation->name + " belongs to " + (companion ? described(*relation->object) : "the system"))
          .at(name.span)
          .with_hint(companion ? "it goes when that is dropped" : "it cannot be dropped");
    }
    if (drop.if_exists) return {};
    std::string hint = did_you_mean(name.text);
    return user_error(sqlstate::kUndefinedTable,
                      "there is no such " + std::string(object_kind_name(drop.kind)) + ": " + name.text)
        .at(name.span)
        .with_hint(hint.empty() ? "DROP … IF EXISTS does nothing for a missing one" : std::move(hint));
  }
  if (object->kind != drop.kind) {
    return user_error(sqlstate::kWrongObjectType, object->name + " is a " + std::string(object_kind_name(object->kind)))
        .at(name.span)
        .with_hint("write " + drop_sql(*object));
  }
  if (!contains(dropped, object)) dropped.push_back(object);
  return {};
}

}  // namespace millrace::sql
