#include "base/process_memory.h"

#include <malloc.h>

#include <algorithm>

namespace millrace {

namespace {

constexpr int kPoolsMax = 4;
constexpr int kOwnMappingBytes = 4 << 20;
constexpr uint64_t kKeptBytesMin = 1 << 20;
constexpr uint64_t kKeptBytesMax = 64 << 20;

}  // namespace

void limit_free_memory() {
  mallopt(M_ARENA_MAX, kPoolsMax);
  mallopt(M_MMAP_THRESHOLD, kOwnMappingBytes);
}

void keep_free_memory(uint64_t memory_bytes) {
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(std::clamp(memory_bytes / 64, kKeptBytesMin, kKeptBytesMax)));
}

void return_free_memory() { malloc_trim(0); }

}  // namespace millrace
