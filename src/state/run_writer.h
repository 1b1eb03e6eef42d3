// RunWriter: makes one run of a checkpoint, block by block, so that memory holds a few of its blocks and its hashes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "state/block.h"
#include "state/run_filter.h"
#include "state/run_index.h"

namespace millrace::state {

class RunWriter {
 public:
  /// Takes a block of the run by its number, from 0 on.
  using Emit = std::function<Status(uint32_t number, std::string block)>;

  explicit RunWriter(Emit emit) : emit_(std::move(emit)) {}
  /// The next entry, in order.
  Status add(const Entry& entry);
  /// The next entries, as a sound block. Not to be mixed with add().
  Status add_block(std::string block);
  /// The run, without its number. It has no blocks when nothing was added; then it has no filter either.
  Result<Run> finish();

 private:
  Status emit_closed(std::vector<std::string> blocks);

  Emit emit_;
  BlockWriter writer_;
  RunFilter::Builder filter_;
  Run run_;
};

}  // namespace millrace::state
