// Arena: the bytes of a table's entries. Blocks are named by a 32-bit number (units of 16 bytes), so that a hash slot
// is 8 bytes; freed blocks wait in a list of their size class, so that an update of about the same size allocates
// nothing.
//
// Owned by one table, used by its one thread. Blocks never move; at(block) is valid until free(block).
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace millrace::state {

class Arena {
 public:
  using Block = uint32_t;
  static constexpr Block kNone = UINT32_MAX;

  /// At least `bytes` bytes, aligned to 16, not initialized. Aborts above 64 GB in one table.
  Block allocate(size_t bytes);
  /// `bytes` must be what allocate got, or any size of the same size class.
  void free(Block block, size_t bytes);
  /// True when a block allocated for `a` bytes can hold `b` bytes and is not much too large for them.
  static bool same_class(size_t a, size_t b) { return size_class(a) == size_class(b); }
  /// What a block allocated for `bytes` really holds.
  static size_t capacity(size_t bytes) { return class_units(size_class(bytes)) * kUnitBytes; }

  char* at(Block block) { return chunks_[block >> kUnitBits].get() + size_t{block & (kChunkUnits - 1)} * kUnitBytes; }
  const char* at(Block block) const {
    return chunks_[block >> kUnitBits].get() + size_t{block & (kChunkUnits - 1)} * kUnitBytes;
  }
  /// Bytes in blocks that are in use, rounded up to their size classes.
  size_t used_bytes() const { return used_bytes_; }
  /// Bytes taken from the system.
  size_t memory_bytes() const { return memory_bytes_; }

 private:
  static constexpr uint32_t kUnitBytes = 16;
  static constexpr uint32_t kUnitBits = 17;  // units in a chunk: 2 MB, a huge page
  static constexpr uint32_t kChunkUnits = 1U << kUnitBits;
  static constexpr uint32_t kExactClasses = 32;  // up to 512 bytes a class for each unit, then four a doubling
  static constexpr uint32_t kClasses = kExactClasses + 4 * 36;

  static uint32_t size_class(size_t bytes) {
    const size_t units = (bytes + kUnitBytes - 1) / kUnitBytes;
    if (units <= kExactClasses) return units == 0 ? 0 : static_cast<uint32_t>(units - 1);
    const uint32_t power = static_cast<uint32_t>(std::bit_width(units - 1)) - 1;  // 2^power < units <= 2^(power + 1)
    const size_t quarter = ((units - 1) >> (power - 2)) & 3;
    return kExactClasses + (power - 5) * 4 + static_cast<uint32_t>(quarter);
  }
  static size_t class_units(uint32_t size_class) {
    if (size_class < kExactClasses) return size_class + 1;
    const uint32_t power = (size_class - kExactClasses) / 4 + 5;
    const size_t quarter = (size_class - kExactClasses) % 4;
    return (size_t{1} << power) + (quarter + 1) * (size_t{1} << (power - 2));
  }
  Block new_chunk(size_t units);

  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  std::vector<std::unique_ptr<char, Free>> chunks_;
  std::vector<uint32_t> free_chunks_;  // numbers of chunks given back
  std::array<std::vector<Block>, kClasses> free_;
  uint32_t fill_chunk_ = 0;  // the chunk that small blocks are cut from
  uint32_t fill_units_ = kChunkUnits;
  size_t used_bytes_ = 0;
  size_t memory_bytes_ = 0;
};

}  // namespace millrace::state
