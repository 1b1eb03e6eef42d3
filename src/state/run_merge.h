// Reading several runs as one: entries in order, each key once, as the newest run has it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "state/block.h"

namespace millrace::state {

class RunMerge {
 public:
  /// Gives a run's block by its number.
  using Fetch = std::function<Result<std::string>(uint32_t block)>;

  /// Runs are added from the oldest to the newest.
  Status add_run(uint64_t blocks, Fetch fetch);
  /// The next entry, deleted ones included; false at the end. Its views live until the next call.
  Result<bool> next(Entry& entry);

 private:
  struct Cursor {
    Fetch fetch;
    uint64_t blocks = 0;
    uint32_t next_block = 0;
    BlockReader reader;
    Entry entry;
    bool done = false;
  };
  static Status advance(Cursor& cursor);

  std::vector<std::unique_ptr<Cursor>> cursors_;  // pointers: a reader's views must not move
  std::vector<Cursor*> given_;                    // those that stand at the entry given last
};

}  // namespace millrace::state
