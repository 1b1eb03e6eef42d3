// The handlers, one a kind of request; handlers.cpp lists them.
#pragma once

#include "server/kafka/broker.h"
#include "server/kafka/request.h"

namespace millrace::server::kafka {

// Answered at once.
void api_versions(Broker& broker, const Request& request, const ApiVersionsRequest& asked, ApiVersionsResponse& answer);
void metadata(Broker& broker, const Request& request, const MetadataRequest& asked, MetadataResponse& answer);
void describe_cluster(Broker& broker, const Request& request, const DescribeClusterRequest& asked,
                      DescribeClusterResponse& answer);
void list_offsets(Broker& broker, const Request& request, const ListOffsetsRequest& asked, ListOffsetsResponse& answer);
void offset_for_leader_epoch(Broker& broker, const Request& request, const OffsetForLeaderEpochRequest& asked,
                             OffsetForLeaderEpochResponse& answer);
void find_coordinator(Broker& broker, const Request& request, const FindCoordinatorRequest& asked,
                      FindCoordinatorResponse& answer);
void heartbeat(Broker& broker, const Request& request, const HeartbeatRequest& asked, HeartbeatResponse& answer);
void leave_group(Broker& broker, const Request& request, const LeaveGroupRequest& asked, LeaveGroupResponse& answer);
void offset_fetch(Broker& broker, const Request& request, const OffsetFetchRequest& asked, OffsetFetchResponse& answer);
void describe_groups(Broker& broker, const Request& request, const DescribeGroupsRequest& asked,
                     DescribeGroupsResponse& answer);
void list_groups(Broker& broker, const Request& request, const ListGroupsRequest& asked, ListGroupsResponse& answer);

void create_topics(Broker& broker, const Request& request, const CreateTopicsRequest& asked,
                   CreateTopicsResponse& answer);
void delete_topics(Broker& broker, const Request& request, const DeleteTopicsRequest& asked,
                   DeleteTopicsResponse& answer);
void create_partitions(Broker& broker, const Request& request, const CreatePartitionsRequest& asked,
                       CreatePartitionsResponse& answer);
void delete_records(Broker& broker, const Request& request, const DeleteRecordsRequest& asked,
                    DeleteRecordsResponse& answer);
void describe_configs(Broker& broker, const Request& request, const DescribeConfigsRequest& asked,
                      DescribeConfigsResponse& answer);
void incremental_alter_configs(Broker& broker, const Request& request, const IncrementalAlterConfigsRequest& asked,
                               IncrementalAlterConfigsResponse& answer);

void sasl_handshake(Broker& broker, const Request& request, const SaslHandshakeRequest& asked,
                    SaslHandshakeResponse& answer);

// Answered later.
void sasl_authenticate(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                       const std::function<void()>& proceed);
void produce(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
             const std::function<void()>& proceed);
void fetch(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
           const std::function<void()>& proceed);
void join_group(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                const std::function<void()>& proceed);
void sync_group(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                const std::function<void()>& proceed);
void offset_commit(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                   const std::function<void()>& proceed);
void init_producer_id(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                      const std::function<void()>& proceed);
void offset_delete(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                   const std::function<void()>& proceed);
void delete_groups(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                   const std::function<void()>& proceed);

/// A topic that a client reads: of a view this begins to keep its changes. Nothing, and why, when it cannot be read.
std::optional<engine::Topic> topic_to_read(Broker& broker, const Request& request, std::string_view name, Code& code);
/// A partition of a topic that clients named; null when there is none.
log::Partition* find_partition(const std::optional<engine::Topic>& topic, int32_t index);

}  // namespace millrace::server::kafka
