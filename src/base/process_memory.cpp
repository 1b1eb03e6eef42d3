#include "base/process_memory.h"

#include <malloc.h>

namespace millrace {

namespace {

constexpr int kPoolsMax = 4;
constexpr int kOwnMappingBytes = 4 << 20;

}  // namespace

void limit_free_memory() {
  mallopt(M_ARENA_MAX, kPoolsMax);
  mallopt(M_MMAP_THRESHOLD, kOwnMappingBytes);
}

void return_free_memory() { malloc_trim(0); }

}  // namespace millrace
