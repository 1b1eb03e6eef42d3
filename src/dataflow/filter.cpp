#include "dataflow/row_operator.h"

namespace millrace::dataflow {
namespace {

class FilterOperator final : public RowOperator {
 public:
  FilterOperator(const plan::Node& node, const plan::Filter& filter, const plan::Node& input,
                 const OperatorContext& context)
      : RowOperator(node, filter.predicates, input, context, "filter"),
        on_source_(std::holds_alternative<plan::Source>(input.operation)) {}

  Status push(size_t, const batch::Batch& batch, Output& out) override {
    errors_.clear();
    std::vector<uint32_t> passing = runner_.passing(batch, errors_);
    report_errors(batch);
    stats.rows_filtered += batch.rows() - passing.size() - errors_.size();
    bool changed = on_source_ && context_.side->rows_filtered(passing, errors_);
    bool all = !changed && passing.size() == batch.rows();
    return push_one(all ? batch.share() : batch.select(passing), out, stats);
  }

 private:
  bool on_source_;  ///< the ledger counts what it keeps and what it filters out
};

}  // namespace

Made make_filter(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  return {std::make_unique<FilterOperator>(node, std::get<plan::Filter>(node.operation), *inputs[0], context)};
}

}  // namespace millrace::dataflow
