#include "plan/plan.h"

#include <algorithm>
#include <numeric>
#include <type_traits>

namespace millrace::plan {

namespace {

// In the order of Operation's alternatives.
constexpr std::string_view kKinds[] = {"Source",    "Filter",       "Project",  "Unnest",   "UnionAll",
                                       "Aggregate", "DistinctOn",   "Window",   "Join",     "TopN",
                                       "Session",   "SetOperation", "Constant", "AsofJoin", "TimeJoin",
                                       "TemporalJoin", "LookupJoin", "FramedWindow"};
static_assert(std::size(kKinds) == std::variant_size_v<Operation>);

/// Where the first columns of a node's rows come from: a join's rows carry the positions of its left side.
std::optional<std::string> first_source(const Plan& plan, uint32_t index) {
  const Node& node = plan.nodes[index];
  if (const auto* source = std::get_if<Source>(&node.operation)) return source->relation;
  if (node.inputs.empty()) return std::nullopt;
  const std::optional<std::string> first = first_source(plan, node.inputs[0]);
  if (!std::holds_alternative<UnionAll>(node.operation)) return first;
  const bool all = std::all_of(node.inputs.begin(), node.inputs.end(),
                               [&](uint32_t input) { return first_source(plan, input) == first; });
  return all ? first : std::nullopt;
}

}  // namespace

std::string_view Node::kind() const { return kKinds[operation.index()]; }

bool Node::stateful() const {
  return std::visit(
      [](const auto& of) {
        using T = std::decay_t<decltype(of)>;
        return std::is_same_v<T, Aggregate> || std::is_same_v<T, DistinctOn> || std::is_same_v<T, Window> ||
               std::is_same_v<T, Join> || std::is_same_v<T, TopN> || std::is_same_v<T, Session> ||
               std::is_same_v<T, SetOperation> || std::is_same_v<T, Constant> || std::is_same_v<T, AsofJoin> ||
               std::is_same_v<T, TimeJoin> || std::is_same_v<T, TemporalJoin> || std::is_same_v<T, LookupJoin> ||
               std::is_same_v<T, FramedWindow>;
      },
      operation);
}

Duration TimeJoin::grace(size_t port) const {
  const int64_t ahead = port == 0 ? upper.micros : -lower.micros;
  return Duration{std::max<int64_t>(ahead, 0) + allowed_lateness.micros};
}

Duration TimeJoin::delay() const {
  return Duration{std::max<int64_t>(upper.micros, 0) + std::max<int64_t>(-lower.micros, 0) + allowed_lateness.micros};
}

batch::Schema Plan::schema() const {
  batch::Schema schema;
  const auto& fields = root().output.fields;
  schema.fields.assign(fields.begin(), fields.begin() + std::min<std::ptrdiff_t>(columns, std::ssize(fields)));
  return schema;
}

std::vector<std::string> Plan::relations() const {
  std::vector<std::string> names;
  for (const Node& node : nodes) {
    const auto* source = std::get_if<Source>(&node.operation);
    if (source && std::find(names.begin(), names.end(), source->relation) == names.end())
      names.push_back(source->relation);
  }
  return names;
}

bool Plan::stateless() const {
  return std::none_of(nodes.begin(), nodes.end(), [](const Node& node) { return node.stateful(); });
}

std::optional<std::string> positions_from(const Plan& plan, uint32_t node) {
  return plan.nodes[node].order_column < 0 ? std::nullopt : first_source(plan, node);
}

std::vector<uint32_t> exchange_columns(const Node& node, size_t port) {
  if (const auto* aggregate = std::get_if<Aggregate>(&node.operation)) return aggregate->group_columns;
  if (const auto* distinct = std::get_if<DistinctOn>(&node.operation)) return distinct->key_columns;
  if (const auto* window = std::get_if<Window>(&node.operation)) return window->partition_columns;
  if (const auto* framed = std::get_if<FramedWindow>(&node.operation)) return framed->window.partition_columns;
  if (const auto* top = std::get_if<TopN>(&node.operation)) return top->partition_columns;
  if (const auto* session = std::get_if<Session>(&node.operation)) return session->partition_columns;
  if (const auto* join = std::get_if<Join>(&node.operation)) return port == 0 ? join->left_keys : join->right_keys;
  if (const auto* join = std::get_if<AsofJoin>(&node.operation)) return port == 0 ? join->left_keys : join->right_keys;
  if (std::holds_alternative<SetOperation>(node.operation)) {
    std::vector<uint32_t> all(node.output.size());
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  if (const auto* join = std::get_if<TimeJoin>(&node.operation))
    return port == 0 ? join->join.left_keys : join->join.right_keys;
  if (const auto* join = std::get_if<LookupJoin>(&node.operation))
    return port == 0 ? join->join.left_keys : join->join.right_keys;
  if (const auto* join = std::get_if<TemporalJoin>(&node.operation))
    return port == 0 ? join->left_keys : join->right_keys;
  return {};
}

}  // namespace millrace::plan
