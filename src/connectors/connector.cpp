#include "connectors/connector.h"

#include "connectors/blackhole/sink.h"
#include "connectors/file/options.h"
#include "connectors/file/sink.h"
#include "connectors/file/source.h"
#include "connectors/nexmark/decoder.h"
#include "connectors/nexmark/source.h"
#include "connectors/playback/source.h"
#include "connectors/postgres/options.h"
#include "connectors/postgres/sink.h"

namespace millrace::connectors {

void register_options(sql::OptionRegistry& registry) {
  registry.add_connector(blackhole::option_group());
  registry.add_connector(file::option_group());
  registry.add_connector(nexmark::option_group());
  registry.add_connector(playback::option_group());
  registry.add_connector(postgres::option_group());
  registry.add_format({"nexmark", "names of generated events, whose rows are made when they are read", true, false});
}

Result<std::unique_ptr<RecordSource>> open_source(std::string_view connector, const SourceSetup& setup) {
  if (connector == "file") return file::open_source(setup);
  if (connector == "nexmark") return nexmark::open_source(setup);
  if (connector == "playback") return playback::open_source(setup);
  return user_error(sqlstate::kNotSupported, "connector " + std::string(connector) + " reads nothing");
}

std::string record_format(const sql::Options& options) {
  if (options.has("format") && !options.text("format").empty()) return options.text("format");
  std::string told = options.text("connector") == "file" ? file::format_of_path(options.text("path")) : "";
  return told.empty() ? "json" : told;
}

Result<std::unique_ptr<formats::Decoder>> make_decoder(std::string_view format, const batch::Schema& schema,
                                                       const formats::DecoderOptions& options) {
  return format == "nexmark" ? nexmark::make_decoder(schema) : formats::make_decoder(format, schema, options);
}

Result<std::unique_ptr<Sink>> make_sink(std::string_view connector, const SinkSetup& setup) {
  if (connector == "blackhole") return blackhole::make_sink(setup);
  if (connector == "file") return file::make_sink(setup);
  if (connector == "postgres") return postgres::make_sink(setup);
  return user_error(sqlstate::kNotSupported, "connector " + std::string(connector) + " writes nothing");
}

}  // namespace millrace::connectors
