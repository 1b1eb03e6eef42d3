#include "dataflow/operators.h"

namespace millrace::dataflow {

Result<std::unique_ptr<Operator>> make_operator(const plan::Node& node, std::vector<const plan::Node*> inputs,
                                                const OperatorContext& context) {
  const plan::Operation& operation = node.operation;
  if (std::holds_alternative<plan::Filter>(operation)) return make_filter(node, inputs, context);
  if (std::holds_alternative<plan::Project>(operation)) return make_project(node, inputs, context);
  if (std::holds_alternative<plan::Unnest>(operation)) return make_unnest(node, inputs, context);
  if (std::holds_alternative<plan::UnionAll>(operation)) return make_union_all(node, inputs, context);
  if (const auto* aggregate = std::get_if<plan::Aggregate>(&operation)) {
    return aggregate->general ? make_aggregate_general(node, inputs, context)
                              : make_aggregate_fast(node, inputs, context);
  }
  if (std::holds_alternative<plan::DistinctOn>(operation)) return make_distinct(node, inputs, context);
  if (const auto* window = std::get_if<plan::Window>(&operation)) {
    return window->general ? make_window_general(node, inputs, context) : make_window_kernels(node, inputs, context);
  }
  if (const auto* framed = std::get_if<plan::FramedWindow>(&operation)) {
    return framed->window.general ? make_window_frames(node, inputs, context)
                                  : make_window_running(node, inputs, context);
  }
  if (std::holds_alternative<plan::Join>(operation)) return make_join(node, inputs, context);
  if (std::holds_alternative<plan::TimeJoin>(operation)) return make_time_join(node, inputs, context);
  if (std::holds_alternative<plan::TemporalJoin>(operation)) return make_temporal_join(node, inputs, context);
  if (std::holds_alternative<plan::LookupJoin>(operation)) return make_lookup_join(node, inputs, context);
  if (std::holds_alternative<plan::TopN>(operation)) return make_top_n(node, inputs, context);
  if (std::holds_alternative<plan::Session>(operation)) return make_session(node, inputs, context);
  if (std::holds_alternative<plan::SetOperation>(operation)) return make_set_operation(node, inputs, context);
  if (std::holds_alternative<plan::Constant>(operation)) return make_constant(node, inputs, context);
  if (std::holds_alternative<plan::AsofJoin>(operation)) return make_asof_join(node, inputs, context);
  return internal_error("a Source is fed by the engine and has no operator");
}

}  // namespace millrace::dataflow
