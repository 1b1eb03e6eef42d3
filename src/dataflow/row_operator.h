// Private to dataflow/: what filter and projection share, which evaluate expressions row by row.
#pragma once

#include <vector>

#include "batch/expression.h"
#include "dataflow/operators.h"

namespace millrace::dataflow {

class RowOperator : public Operator {
 protected:
  /// `name` is how errors name the operator; it must live as long as the program.
  RowOperator(const plan::Node& node, const std::vector<batch::Expression>& expressions, const plan::Node& input,
              const OperatorContext& context, const char* name)
      : Operator(node),
        runner_(*context.session, expressions),
        context_(context),
        order_column_(input.order_column),
        name_(name) {}

  /// Hands the rows of `batch` whose expressions failed to the side, and counts them.
  void report_errors(const batch::Batch& batch) {
    for (const batch::RowError& error : errors_) {
      context_.side->row_failed(node_.id, name_, batch, error.row, order_of(batch, order_column_, error.row),
                                error.message);
    }
    stats.rows_failed += errors_.size();
  }

  batch::ExpressionRunner runner_;
  std::vector<batch::RowError> errors_;  ///< of the last batch
  OperatorContext context_;

 private:
  int32_t order_column_;
  const char* name_;
};

}  // namespace millrace::dataflow
