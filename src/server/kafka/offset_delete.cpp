// OffsetDelete: offsets of a group, of topics that none of its members reads.
#include <set>

#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

namespace {

/// What a consumer tells the others when it joins: a version, then its topics, then what is not of interest here.
struct Subscriptions {
  bool unknown = false;  ///< members are just agreeing, or speak otherwise: they may read any topic
  std::set<std::string, std::less<>> topics;

  void add(std::string_view metadata) {
    WireReader in(metadata);
    int16_t version = 0;
    in.integer(version);
    std::vector<std::string> named;
    in.array(named, false, [&](std::string& topic) { in.text(topic, false); });
    unknown |= !in.ok();
    topics.insert(named.begin(), named.end());
  }
  bool contain(std::string_view topic) const { return unknown || topics.contains(topic); }
};

Subscriptions subscriptions_of(const GroupDescription& group) {
  Subscriptions subscriptions;
  subscriptions.unknown = !group.members.empty() && group.state != GroupState::kStable;
  for (const auto& member : group.members) subscriptions.add(member.metadata);
  return subscriptions;
}

std::vector<OffsetPlace> places_of(Broker& broker, const OffsetDeleteRequest& asked, const Subscriptions& read,
                                   OffsetDeleteResponse& answer) {
  std::vector<OffsetPlace> places;
  for (const auto& topic : asked.topics) {
    std::optional<engine::Topic> there = broker.log().topic(topic.name);
    auto& answered = answer.topics.emplace_back();
    answered.name = topic.name;
    for (const auto& partition : topic.partitions) {
      auto& result = answered.partitions.emplace_back();
      result.index = partition.index;
      if (find_partition(there, partition.index) == nullptr) {
        result.error_code = number(Code::kUnknownTopicOrPartition);
      } else if (read.contain(topic.name)) {
        result.error_code = number(Code::kGroupSubscribedToTopic);
      } else {
        places.push_back({there->id, PartitionId(partition.index)});
      }
    }
  }
  return places;
}

}  // namespace

void offset_delete(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                   const std::function<void()>&) {
  OffsetDeleteRequest asked;
  if (!decode(*request, asked)) return respond({std::nullopt, true});
  auto answer = std::make_shared<OffsetDeleteResponse>();
  if (!request->may_everything()) {
    answer->error_code = number(Code::kGroupAuthorizationFailed);
    return respond({encode(*request, *answer)});
  }
  const std::optional<GroupDescription> group = broker.groups().describe(asked.group_id);
  if (!group) {
    answer->error_code = number(Code::kGroupIdNotFound);
    return respond({encode(*request, *answer)});
  }
  broker.groups().remove_offsets(asked.group_id, places_of(broker, asked, subscriptions_of(*group), *answer),
                                 [request, respond, answer](Code code) {
                                   answer->error_code = number(code);
                                   respond({encode(*request, *answer)});
                                 });
}

}  // namespace millrace::server::kafka
