#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/bytes.h"

namespace millrace {

uint64_t hash_bytes(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

uint32_t kafka_murmur2(std::string_view key) {
  constexpr uint32_t kSeed = 0x9747b28c;
  constexpr uint32_t kMultiplier = 0x5bd1e995;
  constexpr int kShift = 24;

  uint32_t h = kSeed ^ static_cast<uint32_t>(key.size());
  const char* at = key.data();
  size_t left = key.size();
  for (; left >= 4; at += 4, left -= 4) {
    uint32_t k = load_little<uint32_t>(at) * kMultiplier;
    k ^= k >> kShift;
    h = (h * kMultiplier) ^ (k * kMultiplier);
  }
  if (left > 0) {
    for (size_t i = 0; i < left; ++i) h ^= static_cast<uint32_t>(static_cast<uint8_t>(at[i])) << (8 * i);
    h *= kMultiplier;
  }
  h ^= h >> 13;
  h *= kMultiplier;
  return h ^ (h >> 15);
}

}  // namespace millrace
