#include "dataflow/row_operator.h"

namespace millrace::dataflow {
namespace {

class FilterOperator final : public RowOperator {
 public:
  FilterOperator(const plan::Node& node, const plan::Filter& filter, const plan::Node& input,
                 const OperatorContext& context)
      : RowOperator(node, filter.predicates, input, context, "filter") {}

  Status push(size_t, const batch::Batch& batch, Output& out) override {
    errors_.clear();
    const batch::Batch passed = runner_.filter(batch, errors_);
    report_errors(batch);
    stats.rows_filtered += batch.rows() - passed.rows() - errors_.size();
    return push_one(passed, out, stats);
  }
};

}  // namespace

Made make_filter(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  return {std::make_unique<FilterOperator>(node, std::get<plan::Filter>(node.operation), *inputs[0], context)};
}

}  // namespace millrace::dataflow
