#include "connectors/connector.h"

#include "connectors/playback/source.h"

namespace millrace::connectors {

void register_options(sql::OptionRegistry& registry) { registry.add_connector(playback::option_group()); }

Result<std::unique_ptr<RecordSource>> open_source(std::string_view connector, const SourceSetup& setup) {
  if (connector == "playback") return playback::open_source(setup);
  return user_error(sqlstate::kNotSupported, "there is no connector named " + std::string(connector));
}

Result<std::unique_ptr<Sink>> make_sink(std::string_view connector, const SinkSetup& setup) {
  (void)setup;
  return user_error(sqlstate::kNotSupported, "there is no sink connector named " + std::string(connector));
}

}  // namespace millrace::connectors
