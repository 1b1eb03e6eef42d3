// Sketch: an invertible sketch of a multiset of rows (partition, offset). Sketches add and subtract; from the
// difference of two, the rows in which they differ are read back with their multiplicity, when they are not too many
// (about 100).
//
// It is the table of Goodrich & Mitzenmacher ("Invertible Bloom Lookup Tables", 2011) with two changes that fit
// offsets. The three places of a row are residues of its number modulo 61, 64 and 67 instead of hashes: offsets are
// dense, so the residues spread at least as well as hashes, and two rows share all three places only when their numbers
// differ by a multiple of 261,568. And a bucket keeps sums of powers (count, Σ offset, Σ offset²) instead of sums of
// hashes: then a run of consecutive offsets goes in by formula, at a cost that does not depend on its length, and a
// bucket that holds two rows can be solved too. What is read back is a guess until the caller has checked it against
// the sum of fingerprints.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace millrace::ledger {

/// A row in which two sketches differ, and how often more (or, negative, less) the first has it.
struct RowDifference {
  PartitionId partition;
  int64_t offset = 0;
  int64_t times = 0;
};

class Sketch {
 public:
  static constexpr std::array<uint32_t, 3> kModuli{61, 64, 67};
  static constexpr size_t kBuckets = 61 + 64 + 67;

  void add(PartitionId partition, int64_t offset) { add_times(partition, offset, 1); }
  /// Offsets first … first + count − 1, each `times` times (−1 takes them away).
  void add_range(PartitionId partition, int64_t first, uint64_t count, int32_t times = 1);
  void add_rows(PartitionId partition, std::span<const int64_t> offsets);
  void add(const Sketch& other);
  void subtract(const Sketch& other);
  bool empty() const;

  /// The rows that it holds, or nothing when there are too many to tell apart. `partitions`, ascending: those that may
  /// occur. Exact for offsets below 2^47.
  std::optional<std::vector<RowDifference>> decode(const std::vector<int32_t>& partitions) const;

  /// Changed since clear_changed().
  void clear_changed() { changed_.fill(0); }
  /// All buckets that are not empty, or those that changed, as absolute values.
  void append_to(std::string& out, bool only_changed) const;
  /// Sets the buckets that append_to wrote.
  Status read_from(ByteReader& reader);

 private:
  struct Bucket {
    uint64_t offsets = 0;  // Σ offset, modulo 2^64
    uint64_t squares = 0;  // Σ offset², modulo 2^64
    uint32_t count = 0;
    uint32_t partitions = 0;  // Σ partition, modulo 2^32
    bool operator==(const Bucket&) const = default;
  };
  class Peeler;

  /// A number for a row: equal offsets of neighbouring partitions go to different places.
  static uint64_t number_of(PartitionId partition, int64_t offset) {
    return static_cast<uint64_t>(offset) + uint64_t{static_cast<uint32_t>(partition.value)} * 1009;
  }
  void add_times(PartitionId partition, int64_t offset, int64_t times);
  void add_steps(Bucket& bucket, PartitionId partition, uint64_t first, uint64_t step, uint64_t count, int32_t times);
  void mark(size_t bucket) { changed_[bucket >> 6] |= uint64_t{1} << (bucket & 63); }
  bool is_changed(size_t bucket) const { return (changed_[bucket >> 6] >> (bucket & 63)) & 1; }

  std::array<Bucket, kBuckets> buckets_{};
  std::array<uint64_t, kBuckets / 64> changed_{};
};

}  // namespace millrace::ledger
