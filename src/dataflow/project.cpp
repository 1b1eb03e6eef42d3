#include "dataflow/row_operator.h"

namespace millrace::dataflow {
namespace {

class ProjectOperator final : public RowOperator {
 public:
  ProjectOperator(const plan::Node& node, const plan::Project& project, const plan::Node& input,
                  const OperatorContext& context)
      : RowOperator(node, project.expressions, input, context, "project") {}

  Status push(size_t, const batch::Batch& batch, Output& out) override {
    errors_.clear();
    const batch::Batch projected = runner_.project(batch, errors_);
    report_errors(batch);
    return push_one(projected, out, stats);
  }
};

}  // namespace

Made make_project(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  return {std::make_unique<ProjectOperator>(node, std::get<plan::Project>(node.operation), *inputs[0], context)};
}

}  // namespace millrace::dataflow
