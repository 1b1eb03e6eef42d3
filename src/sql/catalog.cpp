// Look-ups. catalog_apply.cpp changes the catalog.
#include "sql/catalog.h"

#include <algorithm>

#include "base/text.h"
#include "sql/suggest.h"

namespace millrace::sql {
namespace {

constexpr std::pair<CompanionKind, std::string_view> kCompanionSuffixes[] = {{CompanionKind::kDead, "_dead"},
                                                                             {CompanionKind::kLate, "_late"},
                                                                             {CompanionKind::kError, "_error"},
                                                                             {CompanionKind::kRefused, "_dead"},
                                                                             {CompanionKind::kTopic, "$topic"}};

Relation::Kind relation_kind(ObjectKind kind) {
  if (kind == ObjectKind::kStream) return Relation::Kind::kStream;
  return kind == ObjectKind::kTable ? Relation::Kind::kTable : Relation::Kind::kMaterializedView;
}

std::string name_hint(const Catalog& catalog, std::string_view name) {
  std::string meant = catalog.did_you_mean(name);
  return meant.empty() ? "SHOW ALL lists what there is" : meant;
}

bool older(const CatalogObject* a, const CatalogObject* b) { return a->stream < b->stream; }

}  // namespace

std::string companion_name(const CatalogObject& owner, CompanionKind kind) {
  return owner.name + std::string(kCompanionSuffixes[static_cast<size_t>(kind)].second);
}

const std::vector<CatalogColumn>& companion_columns(CompanionKind kind) {
  static const std::vector<CatalogColumn> kDead = {{"source_partition", "INTEGER", true},
                                                   {"source_offset", "BIGINT", true},
                                                   {"source_time", "TIMESTAMP", true},
                                                   {"reason", "VARCHAR", true},
                                                   {"raw", "BLOB", false}};
  static const std::vector<CatalogColumn> kLate = {
      {"source", "VARCHAR", true},        {"source_partition", "INTEGER", true}, {"source_offset", "BIGINT", true},
      {"source_time", "TIMESTAMP", true}, {"event_time", "TIMESTAMP", false},    {"watermark", "TIMESTAMP", false},
      {"row_json", "VARCHAR", true}};
  static const std::vector<CatalogColumn> kError = {
      {"source", "VARCHAR", true},        {"source_partition", "INTEGER", true}, {"source_offset", "BIGINT", true},
      {"source_time", "TIMESTAMP", true}, {"operator", "VARCHAR", true},         {"message", "VARCHAR", true},
      {"row_json", "VARCHAR", true}};
  static const std::vector<CatalogColumn> kRefused = {
      {"source_offset", "BIGINT", true}, {"source_time", "TIMESTAMP", true}, {"op", "VARCHAR", true},
      {"commit", "UBIGINT", true},       {"reason", "VARCHAR", true},        {"attempts", "INTEGER", true},
      {"payload", "VARCHAR", true}};
  if (kind == CompanionKind::kDead) return kDead;
  if (kind == CompanionKind::kRefused) return kRefused;
  return kind == CompanionKind::kLate ? kLate : kError;
}

const CatalogObject* Catalog::find(std::string_view name) const {
  auto found = objects_.find(to_lower_ascii(name));
  return found == objects_.end() ? nullptr : &found->second;
}

const CatalogObject* Catalog::find_macro(std::string_view name) const {
  auto found = macros_.find(to_lower_ascii(name));
  return found == macros_.end() ? nullptr : &found->second;
}

std::optional<Relation> Catalog::relation(std::string_view name) const {
  std::string folded = to_lower_ascii(name);
  if (auto system = system_.find(folded); system != system_.end()) {
    return Relation{Relation::Kind::kSystem, system->second.name, system->second.columns, StreamId(), nullptr};
  }
  if (const CatalogObject* object = find(folded)) {
    if (object->kind == ObjectKind::kView || object->kind == ObjectKind::kSink) return std::nullopt;
    return Relation{relation_kind(object->kind), object->name, object->columns, object->stream, object};
  }
  for (const auto& [kind, suffix] : kCompanionSuffixes) {
    if (kind == CompanionKind::kTopic || !folded.ends_with(suffix)) continue;
    const CatalogObject* owner = find(folded.substr(0, folded.size() - suffix.size()));
    if (owner == nullptr) continue;
    for (const Companion& companion : owner->companions) {
      if (companion.kind != kind) continue;
      return Relation{Relation::Kind::kCompanion,
                      companion_name(*owner, kind),
                      companion_columns(kind),
                      companion.stream,
                      owner,
                      kind};
    }
  }
  return std::nullopt;
}

Result<const CatalogObject*> Catalog::get(const Name& name) const {
  if (const CatalogObject* object = find(name.text)) return object;
  return user_error(sqlstate::kUndefinedTable, "there is no such object: " + name.text)
      .at(name.span)
      .with_hint(name_hint(*this, name.text));
}

Result<Relation> Catalog::get_relation(const Name& name) const {
  if (std::optional<Relation> found = relation(name.text)) return *std::move(found);
  if (const CatalogObject* object = find(name.text)) {
    bool is_view = object->kind == ObjectKind::kView;
    return user_error(sqlstate::kWrongObjectType,
                      "a " + std::string(object_kind_name(object->kind)) + " has no rows of its own: " + object->name)
        .at(name.span)
        .with_hint(is_view ? "write a query over it: SELECT * FROM " + object->name : "read what the sink reads");
  }
  return user_error(sqlstate::kUndefinedTable, "there is no such stream, table or view: " + name.text)
      .at(name.span)
      .with_hint(name_hint(*this, name.text));
}

void Catalog::place(const CatalogObject& object, std::vector<const CatalogObject*>& placed) const {
  if (std::find(placed.begin(), placed.end(), &object) != placed.end()) return;
  const auto at = static_cast<std::ptrdiff_t>(placed.size());
  placed.push_back(&object);  // so that a circle ends
  for (const std::string& name : object.dependencies) {
    const CatalogObject* read = find(name);
    if (read != nullptr) place(*read, placed);
  }
  std::rotate(placed.begin() + at, placed.begin() + at + 1, placed.end());
}

std::vector<const CatalogObject*> Catalog::objects() const {
  std::vector<const CatalogObject*> found;
  for (const ObjectMap* map : {&objects_, &macros_}) {
    for (const auto& [name, object] : *map) found.push_back(&object);
  }
  std::sort(found.begin(), found.end(), older);
  std::vector<const CatalogObject*> placed;
  for (const CatalogObject* object : found) place(*object, placed);
  return placed;
}

std::vector<const CatalogObject*> Catalog::objects(ObjectKind kind) const {
  std::vector<const CatalogObject*> found = objects();
  std::erase_if(found, [kind](const CatalogObject* object) { return object->kind != kind; });
  return found;
}

/// What reads an object is always younger than it: so one pass from old to new finds all, and the reverse is the order
/// to drop in.
std::vector<const CatalogObject*> Catalog::dependents(std::string_view name) const {
  std::vector<const CatalogObject*> found;
  std::vector<std::string> reached = {to_lower_ascii(name)};
  for (const CatalogObject* object : objects()) {
    bool reads =
        std::any_of(object->dependencies.begin(), object->dependencies.end(), [&](const std::string& dependency) {
          return std::find(reached.begin(), reached.end(), to_lower_ascii(dependency)) != reached.end();
        });
    if (!reads) continue;
    reached.push_back(to_lower_ascii(object->name));
    found.push_back(object);
  }
  std::reverse(found.begin(), found.end());
  return found;
}

std::vector<std::string> Catalog::relation_names() const {
  std::vector<std::string> names;
  for (const CatalogObject* object : objects()) {
    if (object->kind == ObjectKind::kSink || object->kind == ObjectKind::kMacro) continue;
    names.push_back(object->name);
    for (const Companion& companion : object->companions) {
      if (companion.kind != CompanionKind::kTopic) names.push_back(companion_name(*object, companion.kind));
    }
  }
  for (const auto& [folded, relation] : system_) names.push_back(relation.name);
  return names;
}

std::string Catalog::did_you_mean(std::string_view name) const {
  std::vector<std::string> names = relation_names();
  for (const CatalogObject* sink : objects(ObjectKind::kSink)) names.push_back(sink->name);
  return sql::did_you_mean(name, names);
}

void Catalog::add_system_relation(std::string name, std::vector<CatalogColumn> columns) {
  std::string folded = to_lower_ascii(name);
  system_[std::move(folded)] = SystemRelation{std::move(name), std::move(columns)};
}

bool Catalog::operator==(const Catalog& other) const {
  return objects_ == other.objects_ && macros_ == other.macros_ && next_stream_ == other.next_stream_ &&
         next_operator_ == other.next_operator_;
}

}  // namespace millrace::sql
