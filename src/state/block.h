// Block: up to 2,048 entries of one table, sorted by (hash, key), as columns in one byte string with a checksum. The
// unit in which state is written and read. Layout: docs/formats/state.md, "Blocks and checkpoints".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "state/table.h"

namespace millrace::state {

inline constexpr size_t kBlockEntriesMax = 2048;
/// A block is closed early once it holds this many bytes of keys and payloads.
inline constexpr size_t kBlockBytesMax = 1 << 20;

/// The order of entries in blocks and runs. A hash's top byte is the virtual node, so this sorts by virtual node first.
inline bool entry_before(const Entry& a, const Entry& b) { return a.hash != b.hash ? a.hash < b.hash : a.key < b.key; }
inline bool same_entry_key(const Entry& a, const Entry& b) { return a.hash == b.hash && a.key == b.key; }

/// Collects entries, which come in order, into blocks.
class BlockWriter {
 public:
  void add(const Entry& entry);
  /// Closes the last block and gives all of them away.
  std::vector<std::string> finish();
  uint64_t entries() const { return entries_; }

 private:
  void close_block();

  std::vector<std::string> blocks_;
  uint64_t entries_ = 0;
  size_t count_ = 0;  // all below: of the open block
  std::string hashes_;
  std::string key_lengths_;
  std::string payload_lengths_;
  std::string keys_;
  std::string payloads_;
};

/// Walks over the entries of one block that it owns. One thread.
class BlockReader {
 public:
  /// Takes the bytes; fails with kDataCorrupted when they are not a whole block.
  Status open(std::string bytes);
  /// False at the end. The entry's views live until open() or destruction.
  bool next(Entry& entry);

 private:
  std::string bytes_;
  std::vector<uint32_t> key_lengths_;
  std::vector<uint32_t> payload_lengths_;
  size_t at_ = 0;
  const char* hash_ = nullptr;
  const char* key_ = nullptr;
  const char* payload_ = nullptr;
};

}  // namespace millrace::state
