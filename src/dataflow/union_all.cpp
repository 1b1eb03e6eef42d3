#include "dataflow/operators.h"

namespace millrace::dataflow {
namespace {

class UnionAllOperator final : public Operator {
 public:
  explicit UnionAllOperator(const plan::Node& node) : Operator(node) {}
  Status push(size_t, const batch::Batch& batch, Output& out) override { return push_one(batch, out, stats); }
};

}  // namespace

Made make_union_all(const plan::Node& node, const Inputs&, const OperatorContext&) {
  return {std::make_unique<UnionAllOperator>(node)};
}

}  // namespace millrace::dataflow
