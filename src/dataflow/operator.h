// Operator: one node of the plan at work on one worker. Batches of deltas are pushed in; deltas come out.
//
// A step (engine/) pushes every input batch through the graph and then calls finish() on the operators in topological
// order: an operator that waits for a whole step (aggregates, windows) emits there. Nothing outside sees half a step.
// All calls come from the worker's thread. No virtual call is made for a row.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "batch/batch.h"
#include "batch/expression.h"
#include "batch/instance.h"
#include "plan/plan.h"
#include "state/store.h"
#include "state/table.h"

namespace millrace::dataflow {

/// Takes what an operator emits. A batch is only lent for the call: keep a clone().
class Output {
 public:
  virtual ~Output() = default;
  virtual Status push(const batch::Batch& batch) = 0;
};

/// Takes rows that cannot go on: a row whose expression threw, or a row late for its window.
class SideOutput {
 public:
  virtual ~SideOutput() = default;
  /// Row `row` of `batch` (the operator's input) threw. `order` is its order column's value, or 0 when it has none.
  /// When a whole group fails (an overflow in sum()), the batch holds the group's key instead, with diff +1, and −1
  /// when the group is well again.
  virtual void row_failed(OperatorId op, std::string_view operator_text, const batch::Batch& batch, size_t row,
                          batch::int128 order, std::string_view message) = 0;
  /// It came in by input `port` of the operator.
  virtual void row_late(OperatorId op, size_t port, const batch::Batch& batch, size_t row, batch::int128 order) = 0;
  /// A filter that stands directly on a Source keeps the rows `passing` of the batch that the Source was fed; those in
  /// `failed` threw. For the ledger, whose failpoints may change `passing`: then true.
  virtual bool rows_filtered(std::vector<uint32_t>& passing, const std::vector<batch::RowError>& failed) {
    (void)passing, (void)failed;
    return false;
  }
};

/// Counted by each operator for EXPLAIN ANALYZE and metrics.
struct OperatorStats {
  uint64_t rows_in = 0;
  uint64_t rows_out = 0;
  uint64_t rows_filtered = 0;  ///< taken out by a filter
  uint64_t rows_failed = 0;
  uint64_t rows_late = 0;
  uint64_t groups_touched = 0;
};

/// What an operator may use, for its lifetime.
struct OperatorContext {
  batch::Session* session = nullptr;  ///< this worker's own
  SideOutput* side = nullptr;
  /// This worker owns the virtual node of the empty key, so an aggregate without GROUP BY shows its one row here.
  bool owns_global_group = true;
};

class Operator {
 public:
  explicit Operator(const plan::Node& node) : node_(node) {}
  virtual ~Operator() = default;

  /// Takes deltas on input `port`.
  virtual Status push(size_t port, const batch::Batch& batch, Output& out) = 0;
  /// The step has no more input for this operator.
  virtual Status finish(Output& out) {
    (void)out;
    return {};
  }
  /// The next finish() emits rows without any input: an aggregate without GROUP BY that never ran.
  virtual bool owes_rows() { return false; }
  /// The smallest watermark over all partitions moved on to `watermark`. Called before finish().
  virtual void advance(Timestamp watermark) { (void)watermark; }
  /// Its finish() would do something that no row asks for, were the watermark there.
  virtual bool due_at(Timestamp watermark) const {
    (void)watermark;
    return false;
  }
  /// Its tables, for checkpoints and restores; slot numbers are fixed for ever.
  virtual std::vector<state::TableRef> tables() { return {}; }

  const plan::Node& node() const { return node_; }
  OperatorStats stats;

 protected:
  const plan::Node& node_;  // owned by the plan, which outlives the operator
};

/// Makes the operator of any node but Source, which the engine feeds. `inputs` are the node's inputs, in order.
/// Adding an operator: one case in operator_factory.cpp.
Result<std::unique_ptr<Operator>> make_operator(const plan::Node& node, std::vector<const plan::Node*> inputs,
                                                const OperatorContext& context);

}  // namespace millrace::dataflow
