// HashIndex: 64-bit hash → number of an entry, by open addressing with linear probing. A slot is 8 bytes: the low 32
// bits of the hash (which also give the slot's place, so that growing reads no entry) and the number. The caller
// compares keys.
//
// Owned by one table, used by its one thread. At most 2^31 entries.
#pragma once

#include <cstdint>
#include <vector>

#include "base/huge_memory.h"

namespace millrace::state {

class HashIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  HashIndex() : slots_(kSlotsMin) {}

  /// The number whose entry has this hash and for which `equals(number)` is true, or kNone.
  template <typename Equals>
  uint32_t find(uint64_t hash, Equals&& equals) const {
    const uint32_t tag = static_cast<uint32_t>(hash);
    for (size_t at = tag & mask();; at = (at + 1) & mask()) {
      const Slot& slot = slots_[at];
      if (slot.number == kNone) return kNone;
      if (slot.tag == tag && equals(slot.number)) return slot.number;
    }
  }

  /// Adds an entry that is not in it.
  void insert(uint64_t hash, uint32_t number) {
    if ((size_ + 1) * 3 > slots_.size() * 2) grow();
    place(static_cast<uint32_t>(hash), number);
    ++size_;
  }

  /// Takes the entry with this number away; it must be there.
  void erase(uint64_t hash, uint32_t number) {
    size_t hole = locate(hash, number);
    for (size_t at = (hole + 1) & mask(); slots_[at].number != kNone; at = (at + 1) & mask()) {
      const size_t home = slots_[at].tag & mask();
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;  // it would stand before its home
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole].number = kNone;
    --size_;
  }

  /// The entry got another number (its block moved).
  void renumber(uint64_t hash, uint32_t old_number, uint32_t new_number) {
    slots_[locate(hash, old_number)].number = new_number;
  }

  void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[static_cast<uint32_t>(hash) & mask()]); }
  /// The first candidate for this hash, not compared: for prefetching its entry. kNone when surely absent.
  uint32_t candidate(uint64_t hash) const {
    const uint32_t tag = static_cast<uint32_t>(hash);
    for (size_t at = tag & mask();; at = (at + 1) & mask()) {
      if (slots_[at].number == kNone || slots_[at].tag == tag) return slots_[at].number;
    }
  }

  /// Visits all numbers, in no order, until `visit` returns false.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const Slot& slot : slots_) {
      if (slot.number != kNone && !visit(slot.number)) return;
    }
  }
  /// Visits the numbers of the slots from `hand` on, going round once at most, until `visit` returns false; `hand` is
  /// where it stopped.
  template <typename Visit>
  void walk(size_t& hand, Visit&& visit) const {
    for (size_t left = slots_.size(); left > 0; --left) {
      const Slot& slot = slots_[hand++ & mask()];
      if (slot.number != kNone && !visit(slot.number)) break;
    }
    hand &= mask();
  }
  /// Gives memory back after many were erased.
  void shrink() {
    size_t wanted = kSlotsMin;
    while (wanted < size_ * 3) wanted *= 2;
    if (wanted * 2 <= slots_.size()) rehash(wanted);
  }
  size_t size() const { return size_; }
  size_t memory_bytes() const { return slots_.size() * sizeof(Slot); }

 private:
  static constexpr size_t kSlotsMin = 16;
  struct Slot {
    uint32_t tag = 0;
    uint32_t number = kNone;
  };
  using Slots = std::vector<Slot, HugeAllocator<Slot>>;
  size_t mask() const { return slots_.size() - 1; }
  size_t locate(uint64_t hash, uint32_t number) const {
    size_t at = static_cast<uint32_t>(hash) & mask();
    while (slots_[at].number != number) at = (at + 1) & mask();
    return at;
  }
  void place(uint32_t tag, uint32_t number) {
    size_t at = tag & mask();
    while (slots_[at].number != kNone) at = (at + 1) & mask();
    slots_[at] = Slot{tag, number};
  }
  void grow() { rehash(slots_.size() * 2); }
  void rehash(size_t slots) {
    Slots old(slots);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.number != kNone) place(slot.tag, slot.number);
    }
  }

  Slots slots_;
  size_t size_ = 0;
};

/// For the eviction hand. A lookup reads the flag anyway; writing it each time would send the whole cache line back to
/// memory, which costs a third of a lookup in a large table.
template <typename Flag>
void note_use(Flag& recent) {
  if (!recent) recent = Flag{1};
}

}  // namespace millrace::state
