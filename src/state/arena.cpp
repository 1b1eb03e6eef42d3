#include "state/arena.h"

#include "base/huge_memory.h"
#include "base/result.h"

namespace millrace::state {

Arena::Block Arena::new_chunk(size_t units) {
  uint32_t number;
  if (!free_chunks_.empty()) {
    number = free_chunks_.back();
    free_chunks_.pop_back();
  } else {
    number = static_cast<uint32_t>(chunks_.size());
    MR_CHECK(number < UINT32_MAX >> kUnitBits, "a table's arena is full");
    chunks_.emplace_back();
  }
  const size_t bytes = units * kUnitBytes;
  const bool huge = memory_bytes_ + bytes > kHugeFromBytes && bytes % kHugePageBytes == 0;
  void* memory = huge ? allocate_huge(bytes) : std::malloc(bytes);
  MR_CHECK(memory, "out of memory");
  chunks_[number].reset(static_cast<char*>(memory));
  memory_bytes_ += units * kUnitBytes;
  return number << kUnitBits;
}

Arena::Block Arena::allocate(size_t bytes) {
  const uint32_t which = size_class(bytes);
  MR_CHECK(which < kClasses, "an entry of a table is too large");
  const size_t units = class_units(which);
  used_bytes_ += units * kUnitBytes;
  if (units > kChunkUnits / 4) return new_chunk(units);
  auto& list = free_[which];
  if (!list.empty()) {
    const Block block = list.back();
    list.pop_back();
    return block;
  }
  if (fill_units_ + units > kChunkUnits) {
    fill_chunk_ = new_chunk(kChunkUnits);
    fill_units_ = 0;
  }
  const Block block = fill_chunk_ + fill_units_;
  fill_units_ += static_cast<uint32_t>(units);
  return block;
}

void Arena::free(Block block, size_t bytes) {
  const uint32_t which = size_class(bytes);
  const size_t units = class_units(which);
  used_bytes_ -= units * kUnitBytes;
  if (units <= kChunkUnits / 4) {
    free_[which].push_back(block);
    return;
  }
  const uint32_t number = block >> kUnitBits;
  chunks_[number].reset();
  free_chunks_.push_back(number);
  memory_bytes_ -= units * kUnitBytes;
}

}  // namespace millrace::state
