// The last offset of each key, within a bound of memory: what a compaction knows of the records that it has not
// compacted before. Keys are held whole, since two keys with one hash must not be taken for one. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace millrace::log {

class KeyOffsets {
 public:
  KeyOffsets();

  /// `offset` becomes the last one of `key`.
  void put(std::string_view key, Offset offset);
  std::optional<Offset> find(std::string_view key) const;
  size_t keys() const { return keys_; }
  /// What it takes now; putting a key may double it.
  size_t memory_bytes() const { return slots_.capacity() * sizeof(Slot) + bytes_.capacity(); }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint64_t place = 0;  ///< of the key in bytes_
    uint32_t length = 0;
    bool used = false;
    Offset offset;
  };

  size_t slot_of(uint64_t hash, std::string_view key) const;
  void grow();

  std::vector<Slot> slots_;  ///< a power of two; linear probing
  std::string bytes_;        ///< the keys, one after another
  size_t keys_ = 0;
};

}  // namespace millrace::log
