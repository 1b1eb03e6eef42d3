// RunFilter: what is kept in memory of a run, so that a lookup knows which of its blocks to read, if any: the first
// hash of each block, and a Bloom filter of about 10 bits for each hash, of which a question looks at one cache line.
// Layout on disk: docs/formats/state.md, "Blocks and checkpoints".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace::state {

class RunFilter {
 public:
  /// Takes the blocks of a run in order, encoded; they must be sound. Holds their hashes until the end.
  class Builder;
  /// Of all blocks of a run.
  static RunFilter of_blocks(const std::vector<std::string>& blocks);
  std::string encode() const;
  static Result<RunFilter> decode(std::string_view bytes);

  /// False: surely no entry of the run has this hash.
  bool may_have(uint64_t hash) const;
  /// The blocks [first, second) that may hold entries of this hash.
  std::pair<uint32_t, uint32_t> blocks_of(uint64_t hash) const;
  size_t blocks() const { return first_hashes_.size(); }
  size_t memory_bytes() const { return (first_hashes_.capacity() + bits_.capacity()) * sizeof(uint64_t); }

 private:
  static constexpr size_t kLineWords = 8;  // a cache line
  void add(uint64_t hash);
  size_t line_of(uint64_t mixed) const;

  std::vector<uint64_t> first_hashes_;  // by block
  std::vector<uint64_t> bits_;          // lines of kLineWords
};

class RunFilter::Builder {
 public:
  /// How many entries it has.
  size_t add_block(std::string_view block);
  RunFilter finish();

 private:
  RunFilter filter_;
  std::vector<uint64_t> hashes_;  // distinct
};

}  // namespace millrace::state
