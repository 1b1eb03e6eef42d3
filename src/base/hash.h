// Hashes. The 64-bit key hash decides virtual nodes and is on disk: it never changes.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

/// A bijective 64-bit mix (the finalizer of SplitMix64, Steele et al. 2014, variant 13 of Stafford).
constexpr uint64_t mix64(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// XXH3-64 of the bytes.
uint64_t hash_bytes(std::string_view bytes);

/// CRC-32C (Castagnoli), as Kafka's record batches and our own files use; the CPU's instruction when there is one.
/// `initial` continues an earlier result: crc32c(b, crc32c(a)) is the sum over a followed by b.
uint32_t crc32c(std::string_view bytes, uint32_t initial = 0);

/// The same by tables alone, for CPUs without the instruction.
uint32_t crc32c_by_table(std::string_view bytes, uint32_t initial = 0);

/// MurmurHash2 with Kafka's seed, as its default partitioner computes it from the bytes of a key:
/// the partition is (hash & 0x7fffffff) % partitions.
uint32_t kafka_murmur2(std::string_view key);

}  // namespace millrace
