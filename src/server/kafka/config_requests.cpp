// DescribeConfigs and IncrementalAlterConfigs.
#include <fmt/format.h>

#include <algorithm>

#include "server/kafka/configs.h"
#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

namespace {

constexpr int8_t kTopicResource = 2;
constexpr int8_t kNodeResource = 4;
constexpr int8_t kSet = 0;
constexpr int8_t kDelete = 1;
/// Where a value is from, as the protocol numbers it.
constexpr int8_t kOfTheTopic = 1;
constexpr int8_t kOfTheProgram = 5;

struct Resource {
  Code code = Code::kNone;
  std::string message;
  std::vector<Config> configs;
};

Resource find_resource(Broker& broker, const Request& request, int8_t type, std::string_view name) {
  if (type == kTopicResource) {
    if (!request.may_see(name)) return {Code::kTopicAuthorizationFailed, "you have no right on the topic", {}};
    auto topic = broker.log().topic(name);
    if (!topic) return {Code::kUnknownTopicOrPartition, "there is no such topic", {}};
    return {Code::kNone, {}, configs_of_topic(broker, *topic)};
  }
  if (type == kNodeResource) {
    if (!request.may_everything()) return {Code::kClusterAuthorizationFailed, "it takes the right admin=*", {}};
    if (!name.empty() && name != std::to_string(kNodeId)) {
      return {Code::kInvalidRequest, fmt::format("the only broker is number {}", kNodeId), {}};
    }
    return {Code::kNone, {}, configs_of_node(broker)};
  }
  return {Code::kInvalidRequest, "only topics and the broker have settings", {}};
}

void add_config(DescribeConfigsResponse::Results& result, const Config& config, bool with_synonyms) {
  auto& described = result.configs.emplace_back();
  described.name = config.name;
  described.value = config.value;
  described.read_only = true;
  described.config_source = config.is_default ? kOfTheProgram : kOfTheTopic;
  described.config_type = static_cast<int8_t>(config.type);
  if (with_synonyms) described.synonyms.push_back({std::string(config.name), config.value, described.config_source});
}

/// Everything is fixed: only what changes nothing can be done.
std::string refusal_of(const std::vector<Config>& configs,
                       const IncrementalAlterConfigsRequest::Resources::Configs& asked) {
  auto config =
      std::find_if(configs.begin(), configs.end(), [&](const Config& each) { return each.name == asked.name; });
  if (config == configs.end()) return fmt::format("there is no such setting: {}", asked.name);
  if (asked.config_operation == kSet && asked.value && *asked.value == config->value) return {};
  if (asked.config_operation == kDelete && config->is_default) return {};
  return fmt::format("this setting was fixed when the topic was made, or the node started: {} = {}", config->name,
                     config->value);
}

}  // namespace

void describe_configs(Broker& broker, const Request& request, const DescribeConfigsRequest& asked,
                      DescribeConfigsResponse& answer) {
  for (const auto& resource : asked.resources) {
    auto& result = answer.results.emplace_back();
    result.resource_type = resource.resource_type;
    result.resource_name = resource.resource_name;
    Resource found = find_resource(broker, request, resource.resource_type, resource.resource_name);
    result.error_code = number(found.code);
    if (!found.message.empty()) result.error_message = std::move(found.message);
    const auto& keys = resource.configuration_keys;
    for (const Config& config : found.configs) {
      if (keys && std::find(keys->begin(), keys->end(), config.name) == keys->end()) continue;
      add_config(result, config, asked.include_synonyms);
    }
  }
}

void incremental_alter_configs(Broker& broker, const Request& request, const IncrementalAlterConfigsRequest& asked,
                               IncrementalAlterConfigsResponse& answer) {
  for (const auto& resource : asked.resources) {
    auto& response = answer.responses.emplace_back();
    response.resource_type = resource.resource_type;
    response.resource_name = resource.resource_name;
    Resource found = find_resource(broker, request, resource.resource_type, resource.resource_name);
    if (found.code == Code::kNone && !request.may(Right::kAdmin, resource.resource_name)) {
      found = {Code::kTopicAuthorizationFailed, "it takes the right admin on the topic", {}};
    }
    for (const auto& config : resource.configs) {
      if (found.code != Code::kNone) break;
      found.message = refusal_of(found.configs, config);
      if (!found.message.empty()) found.code = Code::kInvalidConfig;
    }
    response.error_code = number(found.code);
    if (!found.message.empty()) response.error_message = std::move(found.message);
  }
}

}  // namespace millrace::server::kafka
