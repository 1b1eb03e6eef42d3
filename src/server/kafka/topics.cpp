// CreateTopics, DeleteTopics, CreatePartitions and DeleteRecords. A topic that a client makes is a stream of raw bytes.
#include <fmt/format.h>

#include <set>

#include "base/text.h"
#include "server/kafka/configs.h"
#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

namespace {

constexpr int64_t kToTheEnd = -1;

struct Refusal {
  Code code = Code::kNone;
  std::string message;
};

/// How many partitions are asked for; the client may have said on which brokers they lie.
int32_t partitions_of(Broker& broker, const CreateTopicsRequest::Topics& asked, Refusal& refusal) {
  if (asked.assignments.empty()) {
    const int32_t usual = std::max(broker.options().auto_create_partitions, 1);
    return asked.num_partitions == -1 ? usual : asked.num_partitions;
  }
  std::set<int32_t> indexes;
  for (const auto& assignment : asked.assignments) {
    indexes.insert(assignment.partition_index);
    if (assignment.broker_ids != std::vector<int32_t>{kNodeId}) refusal.code = Code::kInvalidReplicaAssignment;
  }
  const auto count = static_cast<int32_t>(indexes.size());
  const bool in_a_row = *indexes.begin() == 0 && *indexes.rbegin() == count - 1;
  if (!in_a_row || indexes.size() != asked.assignments.size()) refusal.code = Code::kInvalidReplicaAssignment;
  if (refusal.code != Code::kNone) refusal.message = fmt::format("every partition lies once, on broker {}", kNodeId);
  return count;
}

Refusal create(Broker& broker, const CreateTopicsRequest::Topics& asked, bool validate_only) {
  Refusal refusal;
  const int32_t partitions = partitions_of(broker, asked, refusal);
  if (refusal.code != Code::kNone) return refusal;
  if (!valid_topic_name(asked.name)) return {Code::kInvalidTopic, "a topic cannot have this name"};
  if (broker.log().topic(asked.name)) return {Code::kTopicAlreadyExists, "there is a topic of this name"};
  if (partitions < 1) return {Code::kInvalidPartitions, "a topic has at least one partition"};
  if (asked.assignments.empty() && asked.replication_factor != 1 && asked.replication_factor != -1) {
    return {Code::kInvalidReplicationFactor, "there is one broker"};
  }
  std::string options;
  for (const auto& config : asked.configs) {
    if (!config.value) continue;  // as it is without being named
    auto option = stream_option_of(broker, config.name, *config.value);
    if (!option.ok()) return {Code::kInvalidConfig, option.error().message};
    options += *option;
  }
  if (validate_only) return {};
  refusal.code = broker.create_topic(asked.name, partitions, options, &refusal.message);
  return refusal;
}

void describe(Broker& broker, CreateTopicsResponse::Topics& answered) {
  auto topic = broker.log().topic(answered.name);
  if (!topic) return;
  answered.num_partitions = topic->partition_count();
  answered.replication_factor = 1;
  answered.configs.emplace();
  for (Config& config : configs_of_topic(broker, *topic)) {
    answered.configs->push_back({std::string(config.name), std::move(config.value), true, 5, false});
  }
}

/// Of a view goes what is kept for readers.
Refusal stop_reading(Broker& broker, const engine::Topic& topic) {
  if (topic.kind != engine::TopicKind::kView) {
    return {Code::kPolicyViolation, "it goes with the stream, table, view or sink whose rows it has"};
  }
  auto stopped = broker.log().stop_serving(topic);
  if (!stopped.ok()) return {code_of(stopped.error()), stopped.error().message};
  if (*stopped) return {};
  return {Code::kPolicyViolation, "nothing is kept of the view for readers; DROP MATERIALIZED VIEW drops it"};
}

Refusal drop(Broker& broker, std::string_view name) {
  auto topic = broker.log().topic(name);
  if (!topic) return {Code::kUnknownTopicOrPartition, "there is no such topic"};
  if (!topic->takes_records()) return stop_reading(broker, *topic);
  auto dropped = broker.node().execute(
      fmt::format("DROP {} {}", topic->kind == engine::TopicKind::kTable ? "TABLE" : "STREAM", quote_identifier(topic->name)));
  if (dropped.ok()) return {};
  Error error = std::move(dropped).error();
  if (error.code == sqlstate::kUndefinedTable) return {Code::kUnknownTopicOrPartition, error.message};
  const bool in_use = error.code == sqlstate::kDependentObjects;
  return {in_use ? Code::kPolicyViolation : code_of(error), error.message};
}

Refusal check_admin(const Request& request, std::string_view topic) {
  if (request.may(Right::kAdmin, topic)) return {};
  return {Code::kTopicAuthorizationFailed, "it takes the right admin on the topic"};
}

template <typename Answered>
void set(Answered& answered, Refusal refusal) {
  answered.error_code = number(refusal.code);
  if (!refusal.message.empty()) answered.error_message = std::move(refusal.message);
}

}  // namespace

void create_topics(Broker& broker, const Request& request, const CreateTopicsRequest& asked, CreateTopicsResponse& answer) {
  std::multiset<std::string_view> names;
  for (const auto& topic : asked.topics) names.insert(topic.name);
  for (const auto& topic : asked.topics) {
    auto& answered = answer.topics.emplace_back();
    answered.name = topic.name;
    if (names.count(topic.name) > 1) {
      set(answered, {Code::kInvalidRequest, "the request names the topic more than once"});
      continue;
    }
    Refusal refusal = check_admin(request, topic.name);
    if (refusal.code == Code::kNone) refusal = create(broker, topic, asked.validate_only);
    set(answered, std::move(refusal));
    if (answered.error_code == 0) describe(broker, answered);
  }
}

void delete_topics(Broker& broker, const Request& request, const DeleteTopicsRequest& asked, DeleteTopicsResponse& answer) {
  auto drop_named = [&](std::string_view name) {
    auto& answered = answer.responses.emplace_back();
    answered.name = std::string(name);
    Refusal refusal = check_admin(request, name);
    set(answered, refusal.code == Code::kNone ? drop(broker, name) : std::move(refusal));
  };
  for (std::string_view name : asked.topic_names) drop_named(name);
  for (const auto& topic : asked.topics) {
    if (topic.name) {
      drop_named(*topic.name);
      continue;
    }
    auto& answered = answer.responses.emplace_back();
    answered.topic_id = topic.topic_id;
    set(answered, {Code::kUnknownTopicId, "topics have no ids here: name it"});
  }
}

/// The partition of a key follows from how many there are, and what views know of a stream from its partitions.
void create_partitions(Broker& broker, const Request& request, const CreatePartitionsRequest& asked,
                       CreatePartitionsResponse& answer) {
  for (const auto& topic : asked.topics) {
    auto& result = answer.results.emplace_back();
    result.name = topic.name;
    if (Refusal refusal = check_admin(request, topic.name); refusal.code != Code::kNone) {
      set(result, std::move(refusal));
      continue;
    }
    auto there = broker.log().topic(topic.name);
    if (!there) {
      set(result, {Code::kUnknownTopicOrPartition, "there is no such topic"});
      continue;
    }
    set(result,
        {Code::kInvalidPartitions, fmt::format("the number of partitions is fixed when a topic is made: {} has {}",
                                               topic.name, there->partition_count())});
  }
}

void delete_records(Broker& broker, const Request& request, const DeleteRecordsRequest& asked, DeleteRecordsResponse& answer) {
  for (const auto& topic : asked.topics) {
    auto there = broker.log().topic(topic.name);
    auto& answered = answer.topics.emplace_back();
    answered.name = topic.name;
    for (const auto& partition : topic.partitions) {
      auto& result = answered.partitions.emplace_back();
      result.index = partition.index;
      log::Partition* stored = find_partition(there, partition.index);
      const int64_t end = stored == nullptr ? 0 : stored->end_offset().value;
      const int64_t wanted = partition.offset == kToTheEnd ? end : partition.offset;
      if (const Refusal refusal = check_admin(request, topic.name); refusal.code != Code::kNone) {
        result.error_code = number(refusal.code);
      } else if (stored == nullptr) {
        result.error_code = number(Code::kUnknownTopicOrPartition);
      } else if (wanted < 0 || wanted > end) {
        result.error_code = number(Code::kOffsetOutOfRange);
      } else if (there->kind != engine::TopicKind::kStream) {
        result.error_code = number(Code::kPolicyViolation);  // a table's rows are what its records say
      } else {
        auto begin = broker.log().delete_records(*there, stored->id(), Offset(wanted));
        result.error_code = number(begin.ok() ? Code::kNone : code_of(begin.error()));
        result.low_watermark = begin.ok() ? begin->value : -1;
      }
    }
  }
}

}  // namespace millrace::server::kafka
