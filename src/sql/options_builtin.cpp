// The options that do not depend on a connector, the connector `log`, and the formats.
#include "sql/options.h"

namespace millrace::sql {
namespace {

constexpr int64_t kSecondMicros = 1000000;

std::vector<std::string> names_of(const std::vector<OptionGroup>& groups, bool for_sink) {
  std::vector<std::string> names;
  for (const OptionGroup& group : groups) {
    if (for_sink ? group.writes : group.reads) names.push_back(group.name);
  }
  return names;
}

OptionSpec choice(std::string name, std::vector<std::string> choices, std::string default_text, std::string doc,
                  bool required = false) {
  OptionSpec spec{std::move(name), OptionKind::kEnum, std::move(default_text), std::move(doc), std::move(choices)};
  spec.required = required;
  return spec;
}

OptionSpec ranged(std::string name, OptionKind kind, std::string default_text, int64_t minimum, int64_t maximum,
                  std::string doc) {
  OptionSpec spec{std::move(name), kind, std::move(default_text), std::move(doc)};
  spec.minimum = minimum;
  spec.maximum = maximum;
  return spec;
}

std::vector<OptionSpec> source_specs() {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  return {
      ranged("partitions", OptionKind::kInteger, "1", 1, 1024, "how many partitions the log has; fixed at creation"),
      ranged("retention", OptionKind::kDuration, "none", kSecondMicros, kMax,
             "how long rows are kept, by append time, e.g. '7 days'"),
      ranged("retention_size", OptionKind::kSize, "", 1 << 20, kMax,
             "how many bytes a partition keeps at most, e.g. '10 GB'"),
      ranged("segment_size", OptionKind::kSize, "", 64 << 10, 1 << 30,
             "how large a file of the log grows before the next one; whole files are deleted or compacted; 128 MiB"),
      // No default texts: a catalog that was written before these options existed means the same.
      choice("cleanup_policy", {"delete", "compact"}, "",
             "delete: by retention; compact: of a table with a primary key, the last row of each key stays"),
      ranged("min_compaction_lag", OptionKind::kDuration, "", 0, kMax,
             "rows younger than this, by append time, are not compacted"),
      {"key", OptionKind::kColumns, "", "column whose value picks the partition; rows of one value keep their order"},
      {"message_id", OptionKind::kColumn, "", "column that names a message in the ledger and in traces"},
      {"load", OptionKind::kText, "", "a file that is read once, at the first start"},
      ranged("idle_timeout", OptionKind::kDuration, "10 seconds", 0, kMax,
             "silence after which the watermark moves on by itself; 'none': never"),
  };
}

std::vector<OptionSpec> view_specs() {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  return {
      choice("on_error", {"continue", "stop"}, "continue",
             "what to do with a row whose expression fails: keep it in <view>_error, or make no more steps"),
      ranged("retention", OptionKind::kDuration, "none", kSecondMicros, kMax,
             "how long the view's changes are kept for readers"),
      {"start", OptionKind::kText, "",
       "from where on it reads its streams: beginning, now, a time of appending, or positions"},
  };
}

std::vector<OptionSpec> sink_specs() {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  return {
      choice("mode", {"append", "snapshot", "changes", "upsert"}, "",
             "append: new rows; snapshot: the whole view; changes: rows with _op and _commit; upsert: by key"),
      ranged("every", OptionKind::kDuration, "", 0, kMax, "the shortest time between two deliveries, e.g. '1 minute'"),
      ranged("give_up_after", OptionKind::kDuration, "none", kSecondMicros, kMax,
             "rows that a failing sink could not deliver for so long are lost, and counted so; 'none': never"),
  };
}

OptionGroup csv_format() {
  OptionGroup csv{"csv", "comma-separated values", true, true};
  csv.source_options = {
      {"header", OptionKind::kBoolean, "true", "whether the first line names the columns"},
      {"delimiter", OptionKind::kText, ",", "the character between values"},
      {"null_text", OptionKind::kText, "", "the text that stands for NULL; without it an empty unquoted value"}};
  csv.sink_options = csv.source_options;
  return csv;
}

}  // namespace

OptionRegistry::OptionRegistry() {
  OptionGroup log{"log", "the embedded log, fed by HTTP, Kafka clients and INSERT", true, false};
  log.default_format = "json";
  add_connector(std::move(log));
  add_format({"json", "one JSON object a row; ndjson means the same", true, true});
  add_format({"ndjson", "one JSON object a line", true, true});
  add_format(csv_format());
  add_format({"raw", "the bytes as they are, into one BLOB or VARCHAR column", true, false});
  add_format({"parquet", "Parquet files", false, true});
}

std::vector<OptionSpec> OptionRegistry::specs(ObjectKind kind, const OptionGroup* connector,
                                              const OptionGroup* format) const {
  if (kind == ObjectKind::kMaterializedView) return view_specs();
  if (kind == ObjectKind::kView || kind == ObjectKind::kMacro) return {};
  bool for_sink = kind == ObjectKind::kSink;
  std::vector<OptionSpec> specs;
  specs.push_back(choice("connector", names_of(connectors_, for_sink), for_sink ? "" : "log",
                         for_sink ? "where the rows go" : "where the rows come from", for_sink));
  specs.push_back(choice("format", names_of(formats_, for_sink), connector == nullptr ? "" : connector->default_format,
                         "how rows are written as bytes"));
  for (OptionSpec& spec : for_sink ? sink_specs() : source_specs()) specs.push_back(std::move(spec));
  for (const OptionGroup* group : {connector, format}) {
    if (group == nullptr) continue;
    for (const OptionSpec& spec : for_sink ? group->sink_options : group->source_options) specs.push_back(spec);
  }
  return specs;
}

}  // namespace millrace::sql
