// Subscriptions: the changes of a view, table or query as commits make them. Three ways:
//  * a view WITH (retention = …) has a changelog: its subscribers read that, as slowly as they like, and can go on from
//  a
//    position after a disconnect;
//  * of other views and tables, commits put the changes into a queue of bounded size for each subscriber;
//  * a query becomes a view of the catalog in memory alone, filled from the history, and gone when its subscriber is.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/node.h"
#include "engine/node_state.h"

namespace millrace::engine {

/// What SUBSCRIBE or EMIT CHANGES asks for; nothing when `sql` is another statement.
Result<std::optional<SubscriptionRequest>> subscription_request(std::string_view sql);
Result<std::unique_ptr<Subscription>> open_subscription(NodeState& node, const SubscriptionRequest& request);

/// Their next row is this error: of all that wait in a queue, or of those of one view.
void end_subscriptions(NodeState& node, const std::string* view, const Error& error);
/// Hands what a commit staged for one view to its queues. Readers excluded, before the staged rows are applied.
Status publish_changes(NodeState& node, PipelineView& view, Epoch epoch);

}  // namespace millrace::engine
