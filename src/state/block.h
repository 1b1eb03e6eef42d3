// Blocks of state entries, as a checkpoint stores them. docs/formats/state.md ("Blocks").
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "state/table.h"

namespace millrace::state {

/// Collects entries, then gives one block: hashes, key lengths, payload lengths (0 deletes, else length + 1), keys, payloads.
class BlockBuilder {
 public:
  void add(const Entry& entry);
  size_t entries() const { return count_; }
  /// The block; the builder is empty again.
  std::string finish();

 private:
  size_t count_ = 0;
  std::string hashes_;
  std::string lengths_;
  std::string keys_;
  std::string payloads_;
};

/// Gives the entries of a block. Fails with kDataCorrupted when its checksum does not fit.
Status read_block(std::string_view bytes, const std::function<Status(const Entry&)>& visit);

}  // namespace millrace::state
