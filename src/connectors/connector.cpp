#include "connectors/connector.h"

#include "connectors/file/sink.h"
#include "connectors/file/source.h"
#include "connectors/playback/source.h"

namespace millrace::connectors {
namespace {

sql::OptionGroup file_options() {
  sql::OptionGroup group{"file", "files of NDJSON, JSON, CSV or (as a sink) Parquet", true, true};
  sql::OptionSpec path{"path", sql::OptionKind::kText, "", "the file, relative to the pipeline file"};
  path.required = true;
  group.source_options = {path};
  path.doc = "the file or folder, relative to the pipeline file; empty: the sink is off";
  group.sink_options = {path,
                        {"roll_size", sql::OptionKind::kSize, "128 MiB", "modes append and changes: a new file after so many bytes"},
                        {"roll_age", sql::OptionKind::kDuration, "1 minute", "modes append and changes: a new file after so long"}};
  return group;
}

}  // namespace

void register_options(sql::OptionRegistry& registry) {
  registry.add_connector(file_options());
  registry.add_connector(playback::option_group());
}

Result<std::unique_ptr<RecordSource>> open_source(std::string_view connector, const SourceSetup& setup) {
  if (connector == "file") return file::open_source(setup);
  if (connector == "playback") return playback::open_source(setup);
  return user_error(sqlstate::kNotSupported, "connector " + std::string(connector) + " reads nothing");
}

Result<std::unique_ptr<Sink>> make_sink(std::string_view connector, const SinkSetup& setup) {
  if (connector == "file") return file::make_sink(setup);
  return user_error(sqlstate::kNotSupported, "connector " + std::string(connector) + " writes nothing");
}

}  // namespace millrace::connectors
