// Metadata and DescribeCluster: one broker, this one, under the address that the client reached it by.
#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

namespace {

using AnsweredTopic = MetadataResponse::Topics;

AnsweredTopic failed_topic(std::string_view name, Code code) {
  AnsweredTopic topic;
  topic.name = std::string(name);
  topic.error_code = number(code);
  return topic;
}

AnsweredTopic describe(std::string_view name, const engine::Topic& there) {
  AnsweredTopic topic;
  topic.name = std::string(name);
  for (int32_t i = 0; i < there.partition_count(); ++i) {
    AnsweredTopic::Partitions partition;
    partition.index = i;
    partition.leader_id = kNodeId;
    partition.replica_nodes = {kNodeId};
    partition.isr_nodes = {kNodeId};
    topic.partitions.push_back(std::move(partition));
  }
  return topic;
}

AnsweredTopic find_or_create(Broker& broker, const Request& request, std::string_view name, bool may_create) {
  if (!request.may_see(name)) return failed_topic(name, Code::kTopicAuthorizationFailed);
  if (auto there = broker.log().topic(name)) return describe(name, *there);
  if (!valid_topic_name(name)) return failed_topic(name, Code::kInvalidTopic);
  if (may_create && !request.may(Right::kAdmin, name)) return failed_topic(name, Code::kTopicAuthorizationFailed);
  if (!may_create) return failed_topic(name, Code::kUnknownTopicOrPartition);
  Code created = broker.create_topic(name, broker.options().auto_create_partitions);
  if (created != Code::kNone && created != Code::kTopicAlreadyExists) return failed_topic(name, created);
  auto there = broker.log().topic(name);
  return there ? describe(name, *there) : failed_topic(name, Code::kLeaderNotAvailable);
}

}  // namespace

void metadata(Broker& broker, const Request& request, const MetadataRequest& asked, MetadataResponse& answer) {
  answer.brokers.push_back({kNodeId, request.reached.host, request.reached.port, std::nullopt});
  answer.cluster_id = kClusterId;
  answer.controller_id = kNodeId;
  // In version 0 no topics meant all of them.
  const bool all = !asked.topics || (request.version == 0 && asked.topics->empty());
  if (all) {
    for (const engine::Topic& topic : broker.log().topics()) {
      if (request.may_see(topic.name)) answer.topics.push_back(describe(topic.name, topic));
    }
    return;
  }
  const bool may_create = asked.allow_auto_topic_creation && broker.options().auto_create_partitions > 0;
  for (const auto& topic : *asked.topics) {
    // Topics have no ids here, and none was given out.
    answer.topics.push_back(topic.name ? find_or_create(broker, request, *topic.name, may_create)
                                       : failed_topic("", Code::kUnknownTopicOrPartition));
  }
}

void describe_cluster(Broker&, const Request& request, const DescribeClusterRequest&, DescribeClusterResponse& answer) {
  answer.cluster_id = kClusterId;
  answer.controller_id = kNodeId;
  answer.brokers.push_back({kNodeId, request.reached.host, request.reached.port, std::nullopt});
}

}  // namespace millrace::server::kafka
