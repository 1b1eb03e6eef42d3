#include "ledger/sketch.h"

namespace millrace::ledger {

static_assert(Sketch::kBuckets % 64 == 0, "changed_ has a bit for each bucket");

namespace {

constexpr size_t kFirst1 = Sketch::kModuli[0];            // where the second table's buckets begin
constexpr size_t kFirst2 = kFirst1 + Sketch::kModuli[1];  // and the third's
/// A run shorter than this goes in row by row: the formulas touch every bucket.
constexpr uint64_t kRangeMin = 96;

}  // namespace

void Sketch::add_times(PartitionId partition, int64_t offset, int64_t times) {
  const uint64_t number = number_of(partition, offset);
  const std::array<size_t, 3> places{number % kModuli[0], kFirst1 + number % kModuli[1], kFirst2 + number % kModuli[2]};
  const auto weight = static_cast<uint64_t>(times);
  for (const size_t place : places) {
    Bucket& bucket = buckets_[place];
    bucket.offsets += weight * static_cast<uint64_t>(offset);
    bucket.squares += weight * static_cast<uint64_t>(offset) * static_cast<uint64_t>(offset);
    bucket.count += static_cast<uint32_t>(weight);
    bucket.partitions += static_cast<uint32_t>(weight) * static_cast<uint32_t>(partition.value);
    mark(place);
  }
}

void Sketch::add_rows(PartitionId partition, std::span<const int64_t> offsets) {
  const auto own = static_cast<uint32_t>(partition.value);
  const uint64_t shift = number_of(partition, 0);
  for (const int64_t signed_offset : offsets) {
    const auto offset = static_cast<uint64_t>(signed_offset);
    const uint64_t number = offset + shift;
    const uint64_t square = offset * offset;
    for (const size_t place : {number % kModuli[0], kFirst1 + number % kModuli[1], kFirst2 + number % kModuli[2]}) {
      Bucket& bucket = buckets_[place];
      bucket.offsets += offset;
      bucket.squares += square;
      bucket.count += 1;
      bucket.partitions += own;
    }
  }
  if (offsets.size() >= kRangeMin) {
    changed_.fill(~uint64_t{0});
    return;
  }
  for (const int64_t offset : offsets) {
    const uint64_t number = shift + static_cast<uint64_t>(offset);
    for (const size_t place : {number % kModuli[0], kFirst1 + number % kModuli[1], kFirst2 + number % kModuli[2]})
      mark(place);
  }
}

/// Adds first, first + step, …, `count` of them: Σ o and Σ o² of an arithmetic progression.
inline void Sketch::add_steps(Bucket& bucket, PartitionId partition, uint64_t first, uint64_t step, uint64_t count,
                              int32_t times) {
  // n(n − 1)/2 and n(n − 1)(2n − 1)/6 are exact before the arithmetic modulo 2^64 begins (count is below 2^32).
  const uint64_t pairs = count * (count - 1) / 2;
  const auto pyramid = static_cast<uint64_t>(static_cast<unsigned __int128>(pairs) * (2 * count - 1) / 3);
  const auto weight = static_cast<uint64_t>(int64_t{times});
  bucket.offsets += weight * (count * first + step * pairs);
  bucket.squares += weight * (count * first * first + 2 * first * step * pairs + step * step * pyramid);
  bucket.count += static_cast<uint32_t>(weight * count);
  bucket.partitions += static_cast<uint32_t>(weight * count) * static_cast<uint32_t>(partition.value);
}

void Sketch::add_range(PartitionId partition, int64_t first, uint64_t count, int32_t times) {
  if (count < kRangeMin) {
    for (uint64_t i = 0; i < count; ++i) add_times(partition, first + static_cast<int64_t>(i), times);
    return;
  }
  size_t table_first = 0;
  for (const uint32_t modulus : kModuli) {
    const uint64_t start = number_of(partition, first) % modulus;
    const uint64_t turns = count / modulus;
    const uint64_t rest = count % modulus;
    for (uint64_t i = 0; i < modulus; ++i) {
      const uint64_t here = turns + (i < rest ? 1 : 0);
      if (here == 0) break;
      const uint64_t place = start + i < modulus ? start + i : start + i - modulus;
      add_steps(buckets_[table_first + place], partition, static_cast<uint64_t>(first) + i, modulus, here, times);
    }
    table_first += modulus;
  }
  changed_.fill(~uint64_t{0});
}

void Sketch::add(const Sketch& other) {
  for (size_t i = 0; i < kBuckets; ++i) {
    buckets_[i].offsets += other.buckets_[i].offsets;
    buckets_[i].squares += other.buckets_[i].squares;
    buckets_[i].count += other.buckets_[i].count;
    buckets_[i].partitions += other.buckets_[i].partitions;
  }
  for (size_t i = 0; i < changed_.size(); ++i) changed_[i] |= other.changed_[i];
}

void Sketch::subtract(const Sketch& other) {
  for (size_t i = 0; i < kBuckets; ++i) {
    buckets_[i].offsets -= other.buckets_[i].offsets;
    buckets_[i].squares -= other.buckets_[i].squares;
    buckets_[i].count -= other.buckets_[i].count;
    buckets_[i].partitions -= other.buckets_[i].partitions;
  }
}

bool Sketch::empty() const {
  for (const Bucket& bucket : buckets_) {
    if (!(bucket == Bucket{})) return false;
  }
  return true;
}

void Sketch::append_to(std::string& out, bool only_changed) const {
  size_t used = 0;
  for (size_t i = 0; i < kBuckets; ++i) used += only_changed ? is_changed(i) : !(buckets_[i] == Bucket{});
  append_varint(out, used);
  for (size_t i = 0; i < kBuckets; ++i) {
    if (only_changed ? !is_changed(i) : buckets_[i] == Bucket{}) continue;
    append_little(out, static_cast<uint8_t>(i));
    append_zigzag(out, static_cast<int32_t>(buckets_[i].count));
    append_zigzag(out, static_cast<int32_t>(buckets_[i].partitions));
    append_zigzag(out, static_cast<int64_t>(buckets_[i].offsets));
    append_little(out, buckets_[i].squares);
  }
}

Status Sketch::read_from(ByteReader& reader) {
  MR_ASSIGN(const uint64_t used, reader.varint());
  for (uint64_t i = 0; i < used; ++i) {
    MR_ASSIGN(const uint8_t at, reader.little<uint8_t>());
    if (at >= kBuckets)
      return external_error(sqlstate::kDataCorrupted, "a sketch of the ledger names a bucket that is not there");
    Bucket& bucket = buckets_[at];
    MR_ASSIGN(const int64_t count, reader.zigzag());
    MR_ASSIGN(const int64_t partitions, reader.zigzag());
    MR_ASSIGN(const int64_t offsets, reader.zigzag());
    MR_ASSIGN(bucket.squares, reader.little<uint64_t>());
    bucket.count = static_cast<uint32_t>(count);
    bucket.partitions = static_cast<uint32_t>(partitions);
    bucket.offsets = static_cast<uint64_t>(offsets);
  }
  return {};
}

}  // namespace millrace::ledger
