// OffsetCommit and OffsetFetch. A commit is answered when it is durable.
#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

namespace {

/// Names of topics by their streams; what is not in it does not exist any more.
std::map<StreamId, std::string> names_of_topics(Broker& broker) {
  std::map<StreamId, std::string> names;
  for (engine::Topic& topic : broker.log().topics()) names.emplace(topic.id, std::move(topic.name));
  return names;
}

template <typename Partition>
void fill(Partition& partition, int32_t index, const CommittedOffset* committed) {
  partition.index = index;
  partition.metadata = "";
  if (committed == nullptr) return;  // -1, and no error
  partition.committed_offset = committed->offset.value;
  partition.committed_leader_epoch = committed->leader_epoch;
  partition.metadata = committed->metadata;
}

/// All offsets of a group, topic by topic.
template <typename Topic>
void fill_all(Broker& broker, const Request& request, const GroupOffsets& offsets, std::vector<Topic>& topics) {
  const std::map<StreamId, std::string> names = names_of_topics(broker);
  std::optional<StreamId> last;
  for (const auto& [place, committed] : offsets) {
    auto name = names.find(place.stream);
    if (name == names.end() || !request.may(Right::kRead, name->second)) continue;
    if (last != place.stream) topics.emplace_back().name = name->second;
    last = place.stream;
    fill(topics.back().partitions.emplace_back(), place.partition.value, &committed);
  }
}

template <typename Asked, typename Topic>
void fill_asked(Broker& broker, const Request& request, const GroupOffsets& offsets, const std::vector<Asked>& asked,
                std::vector<Topic>& topics) {
  for (const auto& topic : asked) {
    std::optional<engine::Topic> there = broker.log().topic(topic.name);
    auto& answered = topics.emplace_back();
    answered.name = topic.name;
    for (int32_t index : topic.partitions) {
      if (!request.may(Right::kRead, topic.name)) {
        auto& refused = answered.partitions.emplace_back();
        fill(refused, index, nullptr);
        refused.error_code = number(Code::kTopicAuthorizationFailed);
        continue;
      }
      auto found = there ? offsets.find({there->id, PartitionId(index)}) : offsets.end();
      fill(answered.partitions.emplace_back(), index, found == offsets.end() ? nullptr : &found->second);
    }
  }
}

template <typename Asked, typename Topic>
void fill_group(Broker& broker, const Request& request, std::string_view group, const std::optional<std::vector<Asked>>& asked,
                std::vector<Topic>& topics) {
  const GroupOffsets offsets = broker.groups().offsets(group);
  asked ? fill_asked(broker, request, offsets, *asked, topics) : fill_all(broker, request, offsets, topics);
}

/// Sorts out what can be committed; the answer has the errors of the rest.
GroupOffsets offsets_of(Broker& broker, const Request& request, const OffsetCommitRequest& asked, OffsetCommitResponse& answer) {
  GroupOffsets offsets;
  const Timestamp now = broker.env().clock().now();
  for (const auto& topic : asked.topics) {
    std::optional<engine::Topic> there = broker.log().topic(topic.name);
    auto& answered = answer.topics.emplace_back();
    answered.name = topic.name;
    for (const auto& partition : topic.partitions) {
      auto& result = answered.partitions.emplace_back();
      result.index = partition.index;
      const std::string_view metadata = partition.committed_metadata.value_or(std::string_view());
      if (!request.may(Right::kRead, topic.name)) {
        result.error_code = number(Code::kTopicAuthorizationFailed);
      } else if (find_partition(there, partition.index) == nullptr) {
        result.error_code = number(Code::kUnknownTopicOrPartition);
      } else if (metadata.size() > kOffsetMetadataBytesMax) {
        result.error_code = number(Code::kOffsetMetadataTooLarge);
      } else {
        offsets[{there->id, PartitionId(partition.index)}] = {
            Offset(partition.committed_offset), partition.committed_leader_epoch, now, std::string(metadata)};
      }
    }
  }
  return offsets;
}

}  // namespace

void offset_commit(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                   const std::function<void()>&) {
  OffsetCommitRequest asked;
  if (!decode(*request, asked)) return respond({std::nullopt, true});
  auto answer = std::make_shared<OffsetCommitResponse>();
  GroupOffsets offsets = offsets_of(broker, *request, asked, *answer);
  Caller caller{asked.member_id, asked.group_instance_id, asked.generation_id};
  broker.groups().commit(asked.group_id, caller, offsets, [request, respond, answer](Code code) {
    for (auto& topic : answer->topics) {
      for (auto& partition : topic.partitions) {
        if (partition.error_code == 0) partition.error_code = number(code);
      }
    }
    respond({encode(*request, *answer)});
  });
}

void offset_fetch(Broker& broker, const Request& request, const OffsetFetchRequest& asked,
                  OffsetFetchResponse& answer) {
  if (request.version < 8) {
    // In version 1 nothing was not a way to ask for all.
    return fill_group(broker, request, asked.group_id, asked.topics, answer.topics);
  }
  for (const auto& group : asked.groups) {
    auto& answered = answer.groups.emplace_back();
    answered.group_id = group.group_id;
    fill_group(broker, request, group.group_id, group.topics, answered.topics);
  }
}

}  // namespace millrace::server::kafka
