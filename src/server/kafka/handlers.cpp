#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

namespace {

struct Entry {
  ApiKey key;
  Handler handler;
};

constexpr Entry kHandlers[] = {
    {ApiKey::kProduce, produce},
    {ApiKey::kFetch, fetch},
    {ApiKey::kListOffsets, answer_at_once<ListOffsetsRequest, ListOffsetsResponse, list_offsets>},
    {ApiKey::kMetadata, answer_at_once<MetadataRequest, MetadataResponse, metadata>},
    {ApiKey::kOffsetCommit, offset_commit},
    {ApiKey::kOffsetFetch, answer_at_once<OffsetFetchRequest, OffsetFetchResponse, offset_fetch>},
    {ApiKey::kFindCoordinator, answer_at_once<FindCoordinatorRequest, FindCoordinatorResponse, find_coordinator>},
    {ApiKey::kJoinGroup, join_group},
    {ApiKey::kHeartbeat, answer_at_once<HeartbeatRequest, HeartbeatResponse, heartbeat>},
    {ApiKey::kLeaveGroup, answer_at_once<LeaveGroupRequest, LeaveGroupResponse, leave_group>},
    {ApiKey::kSyncGroup, sync_group},
    {ApiKey::kDescribeGroups, answer_at_once<DescribeGroupsRequest, DescribeGroupsResponse, describe_groups>},
    {ApiKey::kListGroups, answer_at_once<ListGroupsRequest, ListGroupsResponse, list_groups>},
    {ApiKey::kDeleteGroups, delete_groups},
    {ApiKey::kOffsetDelete, offset_delete},
    {ApiKey::kInitProducerId, init_producer_id},
    {ApiKey::kCreateTopics, answer_at_once<CreateTopicsRequest, CreateTopicsResponse, create_topics>},
    {ApiKey::kDeleteTopics, answer_at_once<DeleteTopicsRequest, DeleteTopicsResponse, delete_topics>},
    {ApiKey::kCreatePartitions, answer_at_once<CreatePartitionsRequest, CreatePartitionsResponse, create_partitions>},
    {ApiKey::kDeleteRecords, answer_at_once<DeleteRecordsRequest, DeleteRecordsResponse, delete_records>},
    {ApiKey::kDescribeConfigs, answer_at_once<DescribeConfigsRequest, DescribeConfigsResponse, describe_configs>},
    {ApiKey::kIncrementalAlterConfigs,
     answer_at_once<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, incremental_alter_configs>},
    {ApiKey::kApiVersions, answer_at_once<ApiVersionsRequest, ApiVersionsResponse, api_versions>},
    {ApiKey::kOffsetForLeaderEpoch,
     answer_at_once<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, offset_for_leader_epoch>},
    {ApiKey::kSaslHandshake, answer_at_once<SaslHandshakeRequest, SaslHandshakeResponse, sasl_handshake>},
    {ApiKey::kSaslAuthenticate, sasl_authenticate},
    {ApiKey::kDescribeCluster, answer_at_once<DescribeClusterRequest, DescribeClusterResponse, describe_cluster>},
};

Handler find_handler(ApiKey key) {
  for (const Entry& entry : kHandlers) {
    if (entry.key == key) return entry.handler;
  }
  return nullptr;
}

void add_api_keys(ApiVersionsResponse& answer) {
  for (const ApiRange& range : kApiRanges) {
    if (find_handler(range.key) == nullptr) continue;
    answer.api_keys.push_back({static_cast<int16_t>(range.key), range.first, range.last});
  }
}

/// A client asks in the newest version that it knows; the oldest form tells it what there is.
void refuse_version(Broker&, const std::shared_ptr<Request>& request, const Respond& respond,
                    const std::function<void()>&) {
  if (request->key != ApiKey::kApiVersions) return respond({std::nullopt, true});
  ApiVersionsResponse answer;
  answer.error_code = number(Code::kUnsupportedVersion);
  add_api_keys(answer);
  request->version = 0;
  respond({encode(*request, answer)});
}

void close_on_stranger(Broker&, const std::shared_ptr<Request>&, const Respond& respond,
                       const std::function<void()>&) {
  respond({std::nullopt, true});
}

bool is_for_strangers(ApiKey key) {
  return key == ApiKey::kApiVersions || key == ApiKey::kSaslHandshake || key == ApiKey::kSaslAuthenticate;
}

}  // namespace

Handler handler_of(const Request& request) {
  if (request.login && request.login->user() == nullptr && !is_for_strangers(request.key)) return close_on_stranger;
  Handler handler = request.supported ? find_handler(request.key) : nullptr;
  return handler == nullptr ? refuse_version : handler;
}

void api_versions(Broker&, const Request&, const ApiVersionsRequest&, ApiVersionsResponse& answer) {
  add_api_keys(answer);
}

std::optional<engine::Topic> topic_to_read(Broker& broker, const Request& request, std::string_view name, Code& code) {
  code = Code::kTopicAuthorizationFailed;
  if (!request.may(Right::kRead, name)) return std::nullopt;
  code = Code::kUnknownTopicOrPartition;
  std::optional<engine::Topic> topic = broker.log().topic(name);
  if (!topic || topic->stream) return topic;
  Result<engine::Topic> served = broker.log().serve(*topic);
  if (served.ok()) return *std::move(served);
  if (served.error().code != sqlstate::kUndefinedTable) code = code_of(served.error());
  return std::nullopt;
}

log::Partition* find_partition(const std::optional<engine::Topic>& topic, int32_t index) {
  if (!topic || !topic->stream || index < 0 || index >= topic->stream->partition_count()) return nullptr;
  return &topic->stream->partition(PartitionId(index));
}

}  // namespace millrace::server::kafka
