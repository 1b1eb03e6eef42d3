#include "server/kafka/configs.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace millrace::server::kafka {

namespace {

constexpr int64_t kNoBound = -1;

Config number_config(std::string_view name, int64_t value, bool is_default = true,
                     ConfigType type = ConfigType::kLong) {
  return {name, std::to_string(value), type, is_default};
}

int64_t millis_of(Duration duration) { return duration.micros / 1000; }

std::optional<int64_t> integer_of(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Of any topic; `options` are the stream's.
std::vector<Config> configs_of_stream(Broker& broker, const log::StreamOptions& options) {
  const log::StreamOptions usual;
  const int64_t retention_ms = options.retention ? millis_of(*options.retention) : kNoBound;
  const int64_t retention_bytes = options.retention_bytes ? static_cast<int64_t>(*options.retention_bytes) : kNoBound;
  return {
      {"cleanup.policy", options.compaction ? "compact" : "delete", ConfigType::kList, !options.compaction},
      {"compression.type", "producer", ConfigType::kString, true},
      number_config("max.message.bytes", static_cast<int64_t>(broker.log().batch_bytes_max()), true, ConfigType::kInt),
      {"message.timestamp.type", "CreateTime", ConfigType::kString, true},
      number_config("min.insync.replicas", 1, true, ConfigType::kInt),
      number_config("retention.bytes", retention_bytes, !options.retention_bytes),
      number_config("retention.ms", retention_ms, !options.retention),
      number_config("segment.bytes", static_cast<int64_t>(options.segment_bytes),
                    options.segment_bytes == usual.segment_bytes, ConfigType::kInt),
      number_config("segment.ms", millis_of(options.segment_age), options.segment_age == usual.segment_age),
      {"unclean.leader.election.enable", "false", ConfigType::kBoolean, true},
  };
}

}  // namespace

std::vector<Config> configs_of_topic(Broker& broker, const engine::Topic& topic) {
  return configs_of_stream(broker, topic.stream ? topic.stream->options() : log::StreamOptions());
}

std::vector<Config> configs_of_node(Broker& broker) {
  const KafkaOptions& options = broker.options();
  auto integer = [](std::string_view name, auto value) {
    return number_config(name, static_cast<int64_t>(value), true, ConfigType::kInt);
  };
  const int32_t made = options.auto_create_partitions;
  return {
      {"auto.create.topics.enable", made > 0 ? "true" : "false", ConfigType::kBoolean, true},
      number_config("connections.max.idle.ms", millis_of(options.idle_timeout)),
      integer("default.replication.factor", 1),
      integer("fetch.max.bytes", options.fetch_bytes_max),
      integer("group.initial.rebalance.delay.ms", millis_of(options.groups.first_join_delay)),
      integer("group.max.session.timeout.ms", millis_of(options.groups.session_max)),
      integer("group.max.size", options.groups.members_max),
      integer("group.min.session.timeout.ms", millis_of(options.groups.session_min)),
      integer("max.connections", options.connections_max),
      integer("message.max.bytes", broker.log().batch_bytes_max()),
      integer("min.insync.replicas", 1),
      integer("num.partitions", std::max(made, 1)),
      integer("offset.metadata.max.bytes", kOffsetMetadataBytesMax),
      integer("offsets.retention.check.interval.ms", millis_of(options.groups.expiry_interval)),
      integer("offsets.retention.minutes", millis_of(options.groups.offset_retention) / 60000),
      integer("socket.request.max.bytes", options.request_bytes_max),
  };
}

Result<std::string> stream_option_of(Broker& broker, std::string_view name, std::string_view value) {
  const std::optional<int64_t> number = integer_of(value);
  if (name == "retention.ms" && number && *number >= kNoBound) {
    return *number == kNoBound ? std::string() : fmt::format(", retention = '{} ms'", *number);
  }
  if (name == "retention.bytes" && number && *number >= kNoBound) {
    return *number == kNoBound ? std::string() : fmt::format(", retention_size = '{}'", *number);
  }
  if (name == "segment.bytes" && number && *number > 0) return fmt::format(", segment_size = '{}'", *number);
  for (const Config& config : configs_of_stream(broker, log::StreamOptions())) {
    if (config.name != name) continue;
    if (config.value == value) return std::string();
    return user_error(sqlstate::kInvalidParameter,
                      fmt::format("{} is always {} here, and cannot be {}", name, config.value, value));
  }
  return user_error(sqlstate::kInvalidParameter, fmt::format("topics have no such setting: {}", name));
}

}  // namespace millrace::server::kafka
