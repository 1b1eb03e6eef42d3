// Block: up to 2,048 entries of one table, sorted by (hash, key), as columns in one byte string with a checksum. The
// unit in which state is written and read. Layout: docs/formats/state.md, "Blocks and checkpoints".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "state/table.h"

namespace millrace::state {

inline constexpr size_t kBlockEntriesMax = 2048;
/// A block is closed early once it holds this many bytes of keys and payloads: what a lookup has to decode.
inline constexpr size_t kBlockBytesMax = 8 << 10;

/// The order of entries in blocks and runs. A hash's top byte is the virtual node, so this sorts by virtual node first.
inline bool entry_before(const Entry& a, const Entry& b) { return a.hash != b.hash ? a.hash < b.hash : a.key < b.key; }
inline bool same_entry_key(const Entry& a, const Entry& b) { return a.hash == b.hash && a.key == b.key; }

/// Collects entries, which come in order, into blocks.
class BlockWriter {
 public:
  void add(const Entry& entry);
  /// Blocks that will take no more entries.
  bool has_closed() const { return !blocks_.empty(); }
  std::vector<std::string> take_closed() { return std::exchange(blocks_, {}); }
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

/// The parts of a block. Pointers into its bytes.
struct BlockColumns {
  const char* hashes = nullptr;
  const char* keys = nullptr;
  const char* payloads = nullptr;
  std::vector<uint32_t> key_lengths;
  std::vector<uint32_t> payload_lengths;
  /// Fails with kDataCorrupted when the bytes are not a whole block.
  Status open(std::string_view bytes);
};

/// Walks over the entries of one block that it owns. One thread.
class BlockReader {
 public:
  /// Takes the bytes; fails with kDataCorrupted when they are not a whole block.
  Status open(std::string bytes);
  size_t size() const { return columns_.key_lengths.size(); }
  /// False at the end. The entry's views live until open() or destruction.
  bool next(Entry& entry);

 private:
  std::string bytes_;
  BlockColumns columns_;
  size_t at_ = 0;
  const char* key_ = nullptr;
  const char* payload_ = nullptr;
};

/// The hashes of a sound block, 8 bytes each.
std::string_view hashes_of_block(std::string_view block);

/// A block for lookups: its entries by position. Immutable, so any number of threads may read it.
class IndexedBlock {
 public:
  /// Fails with kDataCorrupted when the bytes are not a whole block.
  static Result<std::shared_ptr<const IndexedBlock>> open(std::string bytes);
  size_t size() const { return key_ends_.size(); }
  uint64_t hash(size_t position) const { return load_little<uint64_t>(hashes_ + position * sizeof(uint64_t)); }
  /// Views live as long as the block.
  Entry at(size_t position) const;
  /// The first position whose hash is not below `hash`.
  size_t lower_bound(uint64_t hash) const;
  size_t memory_bytes() const { return bytes_.capacity() + 2 * size() * sizeof(uint32_t); }

 private:
  std::string bytes_;
  const char* hashes_ = nullptr;
  const char* keys_ = nullptr;
  const char* payloads_ = nullptr;
  std::vector<uint32_t> key_ends_;      // in keys_
  std::vector<uint32_t> payload_ends_;  // in payloads_
};

}  // namespace millrace::state
