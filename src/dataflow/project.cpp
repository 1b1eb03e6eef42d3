#include "batch/expression.h"
#include "dataflow/operators.h"

namespace millrace::dataflow {
namespace {

class ProjectOperator final : public Operator {
 public:
  ProjectOperator(const plan::Node& node, const plan::Project& project, const plan::Node& input,
                  const OperatorContext& context)
      : Operator(node),
        context_(context),
        order_column_(input.order_column),
        runner_(*context.session, project.expressions) {}

  Status push(size_t, const batch::Batch& batch, Output& out) override {
    errors_.clear();
    const batch::Batch projected = runner_.project(batch, errors_);
    for (const batch::RowError& error : errors_) {
      context_.side->row_failed(node_.id, "project", batch, error.row, order_of(batch, order_column_, error.row),
                                error.message);
    }
    stats.rows_failed += errors_.size();
    return push_one(projected, out, stats);
  }

 private:
  OperatorContext context_;
  int32_t order_column_;
  batch::ExpressionRunner runner_;
  std::vector<batch::RowError> errors_;
};

}  // namespace

Made make_project(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  return {std::make_unique<ProjectOperator>(node, std::get<plan::Project>(node.operation), *inputs[0], context)};
}

}  // namespace millrace::dataflow
