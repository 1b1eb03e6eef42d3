// Rows that are there from the first step on. One worker gives them, once: slot 0 then holds an entry under the empty
// key.
#include <algorithm>

#include "base/hash.h"
#include "dataflow/operators.h"

namespace millrace::dataflow {
namespace {

class ConstantOperator final : public Operator {
 public:
  ConstantOperator(const plan::Node& node, const plan::Constant& constant, const OperatorContext& context)
      : Operator(node), constant_(constant), context_(context) {}

  Status push(size_t, const batch::Batch&, Output&) override { return internal_error("a Constant has no inputs"); }
  bool owes_rows() override { return !ready_ && context_.owns_global_group && !given_.find(hash_bytes({}), {}); }

  Status finish(Output& out) override {
    const bool owes = owes_rows();
    ready_ = true;
    if (!owes) return {};
    given_.put(hash_bytes({}), {}, "1");
    const std::vector<batch::Type> types{batch::Type(batch::TypeId::kInteger)};
    batch::Batch one(types);  // an expression needs a row to run on
    one.mutable_column(0).set_null(0);
    one.set_rows(1);
    const size_t columns = node_.output.size();
    batch::Batch rows(node_.output);
    for (size_t row = 0; row < constant_.rows; ++row) {
      const auto first = constant_.expressions.begin() + static_cast<int64_t>(row * columns);
      batch::ExpressionRunner runner(*context_.session, {first, first + static_cast<int64_t>(columns)});
      std::vector<batch::RowError> errors;
      const batch::Batch made = runner.project(one, errors);
      for (const auto& error : errors) context_.side->row_failed(node_.id, "values", one, 0, 0, error.message);
      stats.rows_failed += errors.size();
      if (made.empty()) continue;
      if (rows.full()) {
        MR_TRY(push_one(rows, out, stats));
        rows.reset();
      }
      MR_CHECK(rows.append(made, 0, 1), "a batch that is not full has room for a row");
    }
    return push_one(rows, out, stats);
  }

  std::vector<state::TableRef> tables() override { return {{{node_.id, 0}, &given_}}; }

 private:
  const plan::Constant& constant_;
  OperatorContext context_;
  state::ValueTable given_;
  bool ready_ = false;  // its rows went out, now or in an earlier run
};

}  // namespace

Made make_constant(const plan::Node& node, const Inputs&, const OperatorContext& context) {
  return {std::make_unique<ConstantOperator>(node, std::get<plan::Constant>(node.operation), context)};
}

}  // namespace millrace::dataflow
