#include <algorithm>
#include <bit>
#include <cmath>

#include "ledger/sketch.h"

namespace millrace::ledger {

namespace {

/// Far more rows than the sketch can tell apart: peeling that finds more has gone wrong.
constexpr size_t kRowsMax = 4 * Sketch::kBuckets;
/// Sums of two offsets, and how even their difference may be, so that the arithmetic modulo 2^64 stays exact.
constexpr uint64_t kSumMax = uint64_t{1} << 48;
constexpr int kEvenMax = 15;

/// The root when `value` is a square.
std::optional<int64_t> exact_root(int64_t value) {
  if (value < 0) return std::nullopt;
  auto root = static_cast<int64_t>(std::sqrt(static_cast<double>(value)));
  while (root > 0 && root > value / root) --root;
  while ((root + 1) <= value / (root + 1)) ++root;
  if (root * root != value) return std::nullopt;
  return root;
}

}  // namespace

/// Takes rows out of a sketch one by one until nothing is left or no bucket can be read.
class Sketch::Peeler {
 public:
  Peeler(const Sketch& sketch, const std::vector<int32_t>& partitions) : left_(sketch), partitions_(partitions) {}

  std::optional<std::vector<RowDifference>> run() {
    bool progress = true;
    while (progress) {
      progress = pass(&Peeler::take_single);
      if (!progress) progress = pass(&Peeler::take_pair);
      if (found_.size() > kRowsMax) return std::nullopt;
    }
    if (!left_.empty()) return std::nullopt;
    return merged();
  }

 private:
  using Attempt = bool (Peeler::*)(size_t place, size_t table);

  bool pass(Attempt attempt) {
    bool progress = false;
    size_t place = 0;
    for (size_t table = 0; table < kModuli.size(); ++table) {
      for (uint32_t i = 0; i < kModuli[table]; ++i, ++place) progress |= (this->*attempt)(place, table);
    }
    return progress;
  }

  bool belongs(PartitionId partition, int64_t offset, size_t place, size_t table) const {
    const size_t table_first = table == 0 ? 0 : table == 1 ? kModuli[0] : kModuli[0] + kModuli[1];
    return offset >= 0 && table_first + number_of(partition, offset) % kModuli[table] == place;
  }

  void take(PartitionId partition, int64_t offset, int64_t times) {
    left_.add_times(partition, offset, -times);
    found_.push_back({partition, offset, times});
  }

  /// A bucket that holds one row, any number of times.
  bool take_single(size_t place, size_t table) {
    const Bucket& bucket = left_.buckets_[place];
    const auto times = static_cast<int64_t>(static_cast<int32_t>(bucket.count));
    if (times == 0) return false;
    const auto offsets = static_cast<int64_t>(bucket.offsets);
    const auto partitions = static_cast<int64_t>(static_cast<int32_t>(bucket.partitions));
    if (offsets == INT64_MIN || offsets % times != 0 || partitions % times != 0) return false;
    const int64_t offset = offsets / times;
    const int64_t partition = partitions / times;
    const uint64_t squares =
        static_cast<uint64_t>(times) * static_cast<uint64_t>(offset) * static_cast<uint64_t>(offset);
    if (squares != bucket.squares || !std::binary_search(partitions_.begin(), partitions_.end(), partition))
      return false;
    const PartitionId id(static_cast<int32_t>(partition));
    if (!belongs(id, offset, place, table)) return false;
    take(id, offset, times);
    return true;
  }

  /// A bucket that holds two rows, each once: the two power sums name their offsets.
  bool take_pair(size_t place, size_t table) {
    const Bucket bucket = left_.buckets_[place];
    const auto times = static_cast<int64_t>(static_cast<int32_t>(bucket.count));
    if (bucket == Bucket{} || (times != 0 && times != 2 && times != -2)) return false;
    const int64_t first_times = times == 0 ? 1 : times / 2;
    const int64_t second_times = times == 0 ? -1 : times / 2;
    const auto pair = times == 0 ? solve_opposite(bucket) : solve_alike(bucket, first_times);
    if (!pair) return false;
    const auto partitions = static_cast<int64_t>(static_cast<int32_t>(bucket.partitions));
    for (const int32_t first : partitions_) {
      const int64_t second = (partitions - first_times * first) * second_times;
      if (!std::binary_search(partitions_.begin(), partitions_.end(), second)) continue;
      for (const auto& [a, b] : {*pair, std::pair(pair->second, pair->first)}) {
        if (times == 0 && a != pair->first) break;  // the signs say which is which
        const PartitionId second_partition(static_cast<int32_t>(second));
        if (!belongs(PartitionId(first), a, place, table) || !belongs(second_partition, b, place, table)) continue;
        take(PartitionId(first), a, first_times);
        take(second_partition, b, second_times);
        return true;
      }
    }
    return false;
  }

  using Pair = std::optional<std::pair<int64_t, int64_t>>;

  /// a − b and a² − b² are known: their quotient is a + b, which modulo 2^64 loses as many high bits as a − b is even.
  static Pair solve_opposite(const Bucket& bucket) {
    if (bucket.offsets == 0) return std::nullopt;
    const int even = std::countr_zero(bucket.offsets);
    if (even > kEvenMax || (bucket.squares & ((uint64_t{1} << even) - 1)) != 0) return std::nullopt;
    const uint64_t odd = static_cast<uint64_t>(static_cast<int64_t>(bucket.offsets) >> even);
    uint64_t inverse = odd;  // right to 3 bits; each turn doubles them
    for (int turn = 0; turn < 5; ++turn) inverse *= 2 - odd * inverse;
    const uint64_t sum = ((bucket.squares >> even) * inverse) & (~uint64_t{0} >> even);
    const auto difference = static_cast<int64_t>(bucket.offsets);
    if (sum > kSumMax || difference > static_cast<int64_t>(sum) || -difference > static_cast<int64_t>(sum))
      return std::nullopt;
    if ((static_cast<int64_t>(sum) + difference) % 2 != 0) return std::nullopt;
    return std::pair((static_cast<int64_t>(sum) + difference) / 2, (static_cast<int64_t>(sum) - difference) / 2);
  }

  /// a + b and a² + b² are known, each with the sign `sign`; then (a − b)² too, exactly while |a − b| is below 2^31.
  static Pair solve_alike(const Bucket& bucket, int64_t sign) {
    const uint64_t sum = bucket.offsets * static_cast<uint64_t>(sign);
    const uint64_t squares = bucket.squares * static_cast<uint64_t>(sign);
    const auto root = exact_root(static_cast<int64_t>(2 * squares - sum * sum));
    if (!root || *root == 0 || sum > kSumMax || (sum + static_cast<uint64_t>(*root)) % 2 != 0) return std::nullopt;
    return std::pair((static_cast<int64_t>(sum) + *root) / 2, (static_cast<int64_t>(sum) - *root) / 2);
  }

  std::vector<RowDifference> merged() const {
    std::map<std::pair<int32_t, int64_t>, int64_t> rows;
    for (const RowDifference& row : found_) rows[{row.partition.value, row.offset}] += row.times;
    std::vector<RowDifference> out;
    for (const auto& [row, times] : rows) {
      if (times != 0) out.push_back({PartitionId(row.first), row.second, times});
    }
    return out;
  }

  Sketch left_;
  const std::vector<int32_t>& partitions_;
  std::vector<RowDifference> found_;
};

std::optional<std::vector<RowDifference>> Sketch::decode(const std::vector<int32_t>& partitions) const {
  return Peeler(*this, partitions).run();
}

}  // namespace millrace::ledger
