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

// Answered later.
void produce(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
             const std::function<void()>& proceed);
void fetch(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
           const std::function<void()>& proceed);

/// A partition of a topic that clients named; null when there is none.
log::Partition* find_partition(const std::optional<engine::Topic>& topic, int32_t index);

}  // namespace millrace::server::kafka
