// Memory for large tables: from 4 MB on it is aligned for huge pages and asks for them, because random access into
// hundreds of megabytes of small pages spends its time in page walks. Small tables stay on ordinary pages and cost what
// they use.
#pragma once

#include <sys/mman.h>

#include <cstdlib>
#include <memory>

#include "base/result.h"

namespace millrace {

inline constexpr size_t kHugePageBytes = 2U << 20;
inline constexpr size_t kHugeFromBytes = 4U << 20;

/// Aligned to kHugePageBytes; released by std::free. `bytes` is a multiple of kHugePageBytes. Never null.
inline void* allocate_huge(size_t bytes) {
  void* memory = std::aligned_alloc(kHugePageBytes, bytes);
  MR_CHECK(memory, "out of memory");
  madvise(memory, bytes, MADV_HUGEPAGE);  // only a wish: without huge pages all works the same, slower
  return memory;
}

/// For std::vector.
template <typename T>
struct HugeAllocator {
  using value_type = T;
  HugeAllocator() = default;
  template <typename U>
  HugeAllocator(const HugeAllocator<U>&) {}  // NOLINT: as the standard asks

  static size_t bytes_of(size_t count) {
    return (count * sizeof(T) + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  }
  static bool is_huge(size_t count) { return count * sizeof(T) >= kHugeFromBytes; }
  T* allocate(size_t count) {
    if (!is_huge(count)) return std::allocator<T>().allocate(count);
    return static_cast<T*>(allocate_huge(bytes_of(count)));
  }
  void deallocate(T* memory, size_t count) {
    if (!is_huge(count)) return std::allocator<T>().deallocate(memory, count);
    std::free(memory);
  }
  friend bool operator==(const HugeAllocator&, const HugeAllocator&) { return true; }
};

}  // namespace millrace
