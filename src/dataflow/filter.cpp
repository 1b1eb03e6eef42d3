#include "batch/expression.h"
#include "dataflow/operators.h"

namespace millrace::dataflow {
namespace {

class FilterOperator final : public Operator {
 public:
  FilterOperator(const plan::Node& node, const plan::Filter& filter, const plan::Node& input,
                 const OperatorContext& context)
      : Operator(node),
        context_(context),
        order_column_(input.order_column),
        runner_(*context.session, filter.predicates) {}

  Status push(size_t, const batch::Batch& batch, Output& out) override {
    errors_.clear();
    const batch::Batch passed = runner_.filter(batch, errors_);
    for (const batch::RowError& error : errors_) {
      context_.side->row_failed(node_.id, "filter", batch, error.row, order_of(batch, order_column_, error.row),
                                error.message);
    }
    stats.rows_failed += errors_.size();
    stats.rows_filtered += batch.rows() - passed.rows() - errors_.size();
    return push_one(passed, out, stats);
  }

 private:
  OperatorContext context_;
  int32_t order_column_;
  batch::ExpressionRunner runner_;
  std::vector<batch::RowError> errors_;
};

}  // namespace

Made make_filter(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  return {std::make_unique<FilterOperator>(node, std::get<plan::Filter>(node.operation), *inputs[0], context)};
}

}  // namespace millrace::dataflow
