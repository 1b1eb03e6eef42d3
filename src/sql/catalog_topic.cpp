// Topics: one that a Kafka client made, and the CREATE STREAM that gives it a schema; those of views.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sql/catalog.h"

namespace millrace::sql {
namespace {

/// Of the log itself: they stay as the topic has them.
constexpr std::string_view kFixedOptions[] = {"partitions", "segment_size", "retention", "retention_size"};

std::string shown(const CatalogObject& topic, std::string_view option) {
  const auto there = topic.options.values().find(option);
  return there == topic.options.values().end() ? "the default" : there->second.text;
}

/// The topic's value, as one that nobody wrote: the statement means the same when it comes again.
void inherit(const CatalogObject& topic, CatalogObject& wanted, std::string_view option) {
  const auto there = topic.options.values().find(option);
  const auto here = wanted.options.values().find(option);
  if (there == topic.options.values().end() || (here != wanted.options.values().end() && here->second.given)) return;
  OptionValue value = there->second;
  value.given = false;
  wanted.options.set(std::string(option), std::move(value));
}

}  // namespace

bool is_raw_topic(const CatalogObject& object) {
  if (object.kind != ObjectKind::kStream || object.watermark || object.columns.size() != 1) return false;
  const CatalogColumn& column = object.columns[0];
  return iequals(column.name, "value") && iequals(column.type_text, "BLOB") && !column.not_null &&
         object.options.text("connector") == "log" && object.options.text("format") == "raw" &&
         object.options.text("load").empty();
}

std::optional<StreamId> topic_stream(const CatalogObject& view) {
  for (const Companion& companion : view.companions) {
    if (companion.kind == CompanionKind::kTopic) return companion.stream;
  }
  return std::nullopt;
}

void Catalog::add_topic(std::string_view view) {
  auto found = objects_.find(to_lower_ascii(view));
  if (found == objects_.end() || topic_stream(found->second)) return;
  found->second.companions.push_back({CompanionKind::kTopic, std::exchange(next_stream_, next_stream_.next())});
}

void Catalog::remove_topic(std::string_view view) {
  auto found = objects_.find(to_lower_ascii(view));
  if (found == objects_.end()) return;
  std::erase_if(found->second.companions,
                [](const Companion& companion) { return companion.kind == CompanionKind::kTopic; });
}

Status take_log_of(const CatalogObject& topic, CatalogObject& wanted, const Name& name) {
  for (std::string_view option : kFixedOptions) {
    inherit(topic, wanted, option);
    const int64_t has = topic.options.integer(option);
    const int64_t asked = wanted.options.integer(option);
    if (asked == has || (has == 0 && !wanted.options.has(option))) continue;
    return user_error(sqlstate::kInvalidParameter, "the topic " + topic.name + " is there, and its option " +
                                                       std::string(option) + " is fixed: " + shown(topic, option))
        .at(name.span)
        .with_hint("leave the option out; DROP STREAM and CREATE STREAM make another log, without the records");
  }
  return {};
}

}  // namespace millrace::sql
