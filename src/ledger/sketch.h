// Sketch: an invertible sketch of a multiset of row identities. Sketches add and subtract; from the difference of two the
// identities in which they differ are read back, with their multiplicity, when there are not too many (about 30).
//
// Source: Goodrich & Mitzenmacher, "Invertible Bloom Lookup Tables" (2011); sums in place of XOR, so that a row which comes
// twice is seen as coming twice.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"

namespace millrace::ledger {

class Sketch {
 public:
  static constexpr size_t kTables = 3;
  static constexpr size_t kCells = 32;  ///< of each table

  /// `mix` is a 64-bit mix of `identity`: three disjoint parts of it pick the cells.
  void add(uint64_t identity, uint64_t mix) {
    for (size_t table = 0; table < kTables; ++table) {
      Cell& cell = cells_[table * kCells + place(mix, table)];
      cell.count += 1;
      cell.identities += identity;
      cell.mixes += mix;
    }
  }
  void remove(uint64_t identity, uint64_t mix) {
    for (size_t table = 0; table < kTables; ++table) {
      Cell& cell = cells_[table * kCells + place(mix, table)];
      cell.count -= 1;
      cell.identities -= identity;
      cell.mixes -= mix;
    }
  }
  void add(const Sketch& other);
  void subtract(const Sketch& other);
  bool empty() const;

  /// (identity, multiplicity ≠ 0), or nothing when there are too many to tell apart.
  std::optional<std::vector<std::pair<uint64_t, int64_t>>> decode(uint64_t (*mix_of)(uint64_t identity, uint64_t salt), uint64_t salt) const;

  void append_to(std::string& out) const;
  Status read_from(ByteReader& reader);

 private:
  struct Cell {
    int64_t count = 0;
    uint64_t identities = 0;
    uint64_t mixes = 0;
    bool operator==(const Cell&) const = default;
  };

  static size_t place(uint64_t mix, size_t table) { return (mix >> (20 * table)) % kCells; }

  std::array<Cell, kTables * kCells> cells_{};
};

}  // namespace millrace::ledger
