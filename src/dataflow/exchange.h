// Exchange: moves rows between workers at one edge of the graph, by the virtual node of their key.
//
// In one stage every worker scatters what it has; after the barrier each takes what is its own. No locks: a worker
// writes only its own outboxes, and reads others' only in the next stage.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "batch/batch.h"
#include "batch/row_codec.h"

namespace millrace::dataflow {

/// The worker that owns a virtual node: workers own ranges of (nearly) equal size.
constexpr uint32_t owner_of(VirtualNode node, uint32_t workers) { return node.value * workers / kVirtualNodes; }

class Exchange {
 public:
  /// Rows of these types, keyed by `columns` (none: all rows go to one worker).
  Exchange(uint32_t workers, std::vector<batch::Type> types, std::vector<uint32_t> columns);

  /// Called by `worker` while its stage runs.
  void scatter(uint32_t worker, const batch::Batch& batch);
  /// What all workers scattered for `worker`, in the order of the workers. Called once in the next stage.
  std::vector<batch::Batch> take(uint32_t worker);

 private:
  struct Outbox {
    std::vector<std::vector<batch::Batch>> to;  // by receiving worker
    std::vector<std::vector<uint32_t>> rows;    // scratch
    batch::RowBuffer keys;
  };

  batch::RowCodec codec_;
  std::vector<Outbox> from_;  // by sending worker
};

}  // namespace millrace::dataflow
