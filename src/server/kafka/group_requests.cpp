// The requests of a consumer group's members: FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup; and those
// of tools: DescribeGroups, ListGroups, DeleteGroups.
#include <atomic>

#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

namespace {

constexpr int8_t kGroupKey = 0;
constexpr int16_t kJoinsKnownFrom = 4;  // versions of JoinGroup whose new members ask twice (KIP-394)
constexpr const char* kNoTransactions = "transactions are not part of this version";

void fill(FindCoordinatorResponse::Coordinators& answer, const Request& request, int8_t key_type) {
  if (key_type != kGroupKey) {
    answer.error_code = number(Code::kTransactionalIdAuthorizationFailed);  // the one that ends a producer's asking
    answer.error_message = kNoTransactions;
    return;
  }
  answer.node_id = kNodeId;
  answer.host = request.reached.host;
  answer.port = request.reached.port;
}

Join join_of(const Request& request, const JoinGroupRequest& asked) {
  Join join;
  join.member_id = asked.member_id;
  if (asked.group_instance_id) join.instance_id = std::string(*asked.group_instance_id);
  join.client_id = request.client_id;
  join.client_host = "/" + request.peer;
  join.session_timeout = Duration::from_millis(asked.session_timeout_ms);
  join.rebalance_timeout =
      Duration::from_millis(request.version == 0 ? asked.session_timeout_ms : std::max(asked.rebalance_timeout_ms, 0));
  join.protocol_type = asked.protocol_type;
  for (const auto& protocol : asked.protocols) {
    join.protocols.push_back({std::string(protocol.name), std::string(protocol.metadata)});
  }
  join.asks_twice = request.version >= kJoinsKnownFrom;
  return join;
}

JoinGroupResponse answer_of(Joined joined) {
  JoinGroupResponse answer;
  answer.error_code = number(joined.code);
  answer.generation_id = joined.generation;
  answer.protocol_type = std::move(joined.protocol_type);
  answer.protocol_name = std::move(joined.protocol);
  answer.leader = std::move(joined.leader);
  answer.member_id = std::move(joined.member_id);
  for (auto& member : joined.members) {
    answer.members.push_back({std::move(member.id), std::move(member.instance_id), std::move(member.metadata)});
  }
  return answer;
}

}  // namespace

void find_coordinator(Broker&, const Request& request, const FindCoordinatorRequest& asked,
                      FindCoordinatorResponse& answer) {
  for (std::string_view key : asked.coordinator_keys) {
    auto& coordinator = answer.coordinators.emplace_back();
    coordinator.key = key;
    fill(coordinator, request, asked.key_type);
  }
  FindCoordinatorResponse::Coordinators only;
  fill(only, request, asked.key_type);
  answer.error_code = only.error_code;
  answer.error_message = std::move(only.error_message);
  answer.node_id = only.node_id;
  answer.host = std::move(only.host);
  answer.port = only.port;
}

void join_group(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                const std::function<void()>&) {
  JoinGroupRequest asked;
  if (!decode(*request, asked)) return respond({std::nullopt, true});
  broker.groups().join(asked.group_id, join_of(*request, asked), [request, respond](Joined joined) {
    respond({encode(*request, answer_of(std::move(joined)))});
  });
}

void sync_group(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                const std::function<void()>&) {
  SyncGroupRequest asked;
  if (!decode(*request, asked)) return respond({std::nullopt, true});
  Sync sync{
      {asked.member_id, asked.group_instance_id, asked.generation_id}, asked.protocol_type, asked.protocol_name, {}};
  for (const auto& each : asked.assignments) {
    sync.assignments.emplace(std::string(each.member_id), std::string(each.assignment));
  }
  broker.groups().sync(asked.group_id, std::move(sync), [request, respond](Synced synced) {
    SyncGroupResponse answer;
    answer.error_code = number(synced.code);
    answer.protocol_type = std::move(synced.protocol_type);
    answer.protocol_name = std::move(synced.protocol);
    answer.assignment = std::move(synced.assignment);
    respond({encode(*request, answer)});
  });
}

void heartbeat(Broker& broker, const Request&, const HeartbeatRequest& asked, HeartbeatResponse& answer) {
  Caller caller{asked.member_id, asked.group_instance_id, asked.generation_id};
  answer.error_code = number(broker.groups().heartbeat(asked.group_id, caller));
}

void leave_group(Broker& broker, const Request& request, const LeaveGroupRequest& asked, LeaveGroupResponse& answer) {
  if (request.version < 3) {
    answer.error_code = number(broker.groups().leave(asked.group_id, {asked.member_id, std::nullopt}));
    return;
  }
  for (const auto& member : asked.members) {
    auto& left = answer.members.emplace_back();
    left.member_id = member.member_id;
    if (member.group_instance_id) left.group_instance_id = std::string(*member.group_instance_id);
    left.error_code = number(broker.groups().leave(asked.group_id, {member.member_id, member.group_instance_id}));
  }
}

void describe_groups(Broker& broker, const Request&, const DescribeGroupsRequest& asked,
                     DescribeGroupsResponse& answer) {
  for (std::string_view id : asked.groups) {
    auto& described = answer.groups.emplace_back();
    described.group_id = id;
    auto group = broker.groups().describe(id);
    described.group_state = group ? name_of(group->state) : "Dead";
    if (!group) continue;
    described.protocol_type = std::move(group->protocol_type);
    described.protocol_data = std::move(group->protocol);
    for (auto& member : group->members) {
      described.members.push_back({std::move(member.id), std::move(member.instance_id), std::move(member.client_id),
                                   std::move(member.client_host), std::move(member.metadata),
                                   std::move(member.assignment)});
    }
  }
}

void list_groups(Broker& broker, const Request&, const ListGroupsRequest& asked, ListGroupsResponse& answer) {
  for (auto& group : broker.groups().list()) {
    const auto& wanted = asked.states_filter;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), group.state) == wanted.end()) continue;
    answer.groups.push_back({std::move(group.id), std::move(group.protocol_type), group.state});
  }
}

void delete_groups(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                   const std::function<void()>&) {
  struct Deleting {
    DeleteGroupsResponse answer;
    std::atomic<size_t> left{1};
  };
  DeleteGroupsRequest asked;
  if (!decode(*request, asked)) return respond({std::nullopt, true});
  auto deleting = std::make_shared<Deleting>();
  deleting->left += asked.groups_names.size();
  for (std::string_view id : asked.groups_names) deleting->answer.results.push_back({std::string(id), 0});
  auto settle_one = [request, respond, deleting] {
    if (--deleting->left == 0) respond({encode(*request, deleting->answer)});
  };
  for (auto& result : deleting->answer.results) {
    if (!request->may_everything()) {
      result.error_code = number(Code::kGroupAuthorizationFailed);
      settle_one();
      continue;
    }
    broker.groups().remove(result.group_id, [&result, settle_one](Code code) {
      result.error_code = number(code);
      settle_one();
    });
  }
  settle_one();
}

}  // namespace millrace::server::kafka
