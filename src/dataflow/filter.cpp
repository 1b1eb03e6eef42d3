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
        on_source_(std::holds_alternative<plan::Source>(input.operation)),
        order_column_(input.order_column),
        runner_(*context.session, filter.predicates) {}

  Status push(size_t, const batch::Batch& batch, Output& out) override {
    errors_.clear();
    std::vector<uint32_t> passing = runner_.passing(batch, errors_);
    for (const batch::RowError& error : errors_) {
      context_.side->row_failed(node_.id, "filter", batch, error.row, order_of(batch, order_column_, error.row),
                                error.message);
    }
    stats.rows_failed += errors_.size();
    stats.rows_filtered += batch.rows() - passing.size() - errors_.size();
    bool changed = on_source_ && context_.side->rows_filtered(passing, errors_);
    bool all = !changed && passing.size() == batch.rows();
    return push_one(all ? batch.share() : batch.select(passing), out, stats);
  }

 private:
  OperatorContext context_;
  bool on_source_;
  int32_t order_column_;
  batch::ExpressionRunner runner_;
  std::vector<batch::RowError> errors_;
};

}  // namespace

Made make_filter(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  return {std::make_unique<FilterOperator>(node, std::get<plan::Filter>(node.operation), *inputs[0], context)};
}

}  // namespace millrace::dataflow
