// INTERSECT and EXCEPT, with and without ALL: how often each row is on both sides. Slot 0: row → the two counts.
#include "dataflow/operators.h"

namespace millrace::dataflow {
namespace {

using Slot = state::ValueTable::Slot;

struct Counts {
  int64_t of_side[2];
  int64_t touched;  // 0, or 1 + place in the step's list
};

/// How often the row is in the result.
int64_t result_of(plan::SetKind kind, int64_t left, int64_t right) {
  switch (kind) {
    case plan::SetKind::kIntersect: return left > 0 && right > 0 ? 1 : 0;
    case plan::SetKind::kIntersectAll: return std::min(left, right);
    case plan::SetKind::kExcept: return left > 0 && right == 0 ? 1 : 0;
    case plan::SetKind::kExceptAll: return std::max<int64_t>(left - right, 0);
  }
  return 0;
}

class SetOperator final : public Operator {
 public:
  SetOperator(const plan::Node& node, const plan::SetOperation& set)
      : Operator(node),
        kind_(set.kind),
        codec_(batch::RowCodec::of_all(node.output.types(), batch::RowForm::kKey)),
        builder_(node.output.types()) {}

  Status push(size_t port, const batch::Batch& batch, Output&) override {
    constexpr size_t kStride = 8;
    codec_.encode(batch, encoded_);
    for (size_t row = 0; row < batch.rows(); ++row) {
      if (row + 2 * kStride < batch.rows()) rows_.prefetch(encoded_.hash(row + 2 * kStride));
      if (row + kStride < batch.rows()) rows_.prefetch_entry(encoded_.hash(row + kStride));
      const Slot slot = rows_.find_or_insert(encoded_.hash(row), encoded_.row(row), sizeof(Counts));
      auto& counts = *reinterpret_cast<Counts*>(slot.value);
      if (counts.touched == 0) {
        touched_.push_back({slot, result_of(kind_, counts.of_side[0], counts.of_side[1])});
        counts.touched = static_cast<int64_t>(touched_.size());
        rows_.mark_dirty(slot);
      }
      counts.of_side[port] += batch.diff(row);
    }
    return {};
  }

  Status finish(Output& out) override {
    stats.groups_touched += touched_.size();
    for (const Touched& touched : touched_) {
      auto& counts = *reinterpret_cast<Counts*>(touched.slot.value);
      counts.touched = 0;
      const auto [left, right] = counts.of_side;
      if (left < 0 || right < 0) return internal_error("a set operation was asked to take away rows that it never got");
      const std::string_view row = rows_.key_of(touched.slot);
      const int64_t diff = result_of(kind_, left, right) - touched.result_before;
      if (diff != 0) {
        MR_TRY(codec_.decode(row, builder_.current(), builder_.row()));
        builder_.finish_row(diff);
      }
      if (left == 0 && right == 0) rows_.erase(rows_.hash_of(touched.slot), row);
    }
    touched_.clear();
    return push_all(builder_, out, stats);
  }

  std::vector<state::TableRef> tables() override { return {{{node_.id, 0}, &rows_}}; }

 private:
  struct Touched {
    Slot slot;
    int64_t result_before;
  };

  plan::SetKind kind_;
  batch::RowCodec codec_;
  state::ValueTable rows_;
  batch::RowBuffer encoded_;
  std::vector<Touched> touched_;
  batch::BatchBuilder builder_;
};

}  // namespace

Made make_set_operation(const plan::Node& node, const Inputs&, const OperatorContext&) {
  return {std::make_unique<SetOperator>(node, std::get<plan::SetOperation>(node.operation))};
}

}  // namespace millrace::dataflow
