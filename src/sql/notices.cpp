// Notices: what a plan is right about and its author may not have meant.
#include <fmt/format.h>

#include <algorithm>

#include "sql/bind.h"

namespace millrace::sql {
namespace {

/// The names of the relations below a node, each once.
void add_relations(const plan::Plan& plan, uint32_t index, std::vector<std::string>& names) {
  const plan::Node& node = plan.nodes[index];
  if (const auto* source = std::get_if<plan::Source>(&node.operation)) {
    if (std::find(names.begin(), names.end(), source->relation) == names.end()) names.push_back(source->relation);
  }
  for (uint32_t input : node.inputs) add_relations(plan, input, names);
}

/// Rows that only ever come, without end; empty when they may go again, or all are there from the start.
std::string growing_side(const plan::Plan& plan, uint32_t index) {
  if (!plan.nodes[index].append_only) return {};
  std::vector<std::string> names;
  add_relations(plan, index, names);
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// Groups of sessions that close, by something that does not say when: the end is in no GROUP BY.
bool groups_sessions_without_end(const plan::Plan& plan, const plan::Node& node) {
  const auto* aggregate = std::get_if<plan::Aggregate>(&node.operation);
  if (!aggregate || aggregate->window) return false;
  const plan::Node* below = &plan.nodes[node.inputs[0]];
  const auto passes = [](const plan::Operation& of) {
    return std::holds_alternative<plan::Project>(of) || std::holds_alternative<plan::Filter>(of);
  };
  while (passes(below->operation)) below = &plan.nodes[below->inputs[0]];
  if (!std::holds_alternative<plan::Session>(below->operation)) return false;
  const plan::Node& input = plan.nodes[below->inputs[0]];
  return input.append_only && input.watermark_column >= 0;
}

}  // namespace

std::vector<std::string> notices(const plan::Plan& plan) {
  std::vector<std::string> all;
  for (const plan::Node& node : plan.nodes) {
    if (groups_sessions_without_end(plan, node)) {
      all.push_back(
          "the groups of these sessions are kept for ever; GROUP BY window_start, window_end and all of partition_by "
          "lets them go with their session");
    }
    const bool is_asof = std::holds_alternative<plan::AsofJoin>(node.operation);
    if (!is_asof && !std::holds_alternative<plan::Join>(node.operation)) continue;
    const std::string left = growing_side(plan, node.inputs[0]);
    const std::string right = growing_side(plan, node.inputs[1]);
    if (left.empty() || right.empty()) continue;
    const std::string advice = is_asof ? "JOIN … FOR SYSTEM_TIME AS OF its time column keeps one row a key"
                                       : "bound it by the columns of the watermarks (b.ts BETWEEN a.ts AND a.ts + "
                                         "INTERVAL …) or by equal windows";
    all.push_back(fmt::format("the join of {} with {} keeps all rows of both sides, so its state grows for ever; {}",
                              left, right, advice));
  }
  return all;
}

}  // namespace millrace::sql
