// FOR SYSTEM_TIME AS OF now(): each left row with the right rows as they are at the end of its step. The left rows wait
// for that, then meet the right side as in any join, and are forgotten; state is the right side alone.
#include "dataflow/join.h"

namespace millrace::dataflow {
namespace {

class LookupJoinOperator final : public Operator {
 public:
  LookupJoinOperator(const plan::Node& node, const plan::LookupJoin& lookup, const Inputs& inputs,
                     const OperatorContext& context)
      : Operator(node), join_(node, lookup.join, inputs, context, /*keeps_left=*/false) {}

  Status push(size_t port, const batch::Batch& batch, Output& out) override {
    if (port == 1) return join_.push(port, batch, out);
    waiting_.push_back(batch.clone());
    return {};
  }
  Status finish(Output& out) override {
    for (const batch::Batch& batch : waiting_) MR_TRY(join_.push(0, batch, out));
    waiting_.clear();
    MR_TRY(join_.finish(out));
    stats.rows_out = join_.stats.rows_out;
    stats.rows_failed = join_.stats.rows_failed;
    return {};
  }
  std::vector<state::TableRef> tables() override { return join_.tables(); }

 private:
  JoinOperator join_;
  std::vector<batch::Batch> waiting_;  // the step's left rows
};

}  // namespace

Made make_lookup_join(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  if (!inputs[0]->append_only)
    return internal_error("a lookup was planned for rows that are taken back");
  return {std::make_unique<LookupJoinOperator>(node, std::get<plan::LookupJoin>(node.operation), inputs, context)};
}

}  // namespace millrace::dataflow
