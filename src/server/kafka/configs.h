// The settings of topics and of the node under the names that Kafka has for them, with their true values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/raw_log.h"
#include "server/kafka/broker.h"

namespace millrace::server::kafka {

/// Types of a value, as DescribeConfigs numbers them.
enum class ConfigType : int8_t { kBoolean = 1, kString = 2, kInt = 3, kLong = 5, kList = 7 };

struct Config {
  std::string_view name;
  std::string value;
  ConfigType type = ConfigType::kString;
  bool is_default = true;
};

/// All are fixed when the topic is made.
std::vector<Config> configs_of_topic(Broker& broker, const engine::Topic& topic);
/// All are fixed when the node starts.
std::vector<Config> configs_of_node(Broker& broker);

/// What a client asks a new topic to have, as an option of CREATE STREAM (", retention = '5 ms'"); empty: it has that
/// anyway. An error says that no topic can have it.
Result<std::string> stream_option_of(Broker& broker, std::string_view name, std::string_view value);

}  // namespace millrace::server::kafka
