#include "log/key_offsets.h"

#include "base/hash.h"

namespace millrace::log {

namespace {

constexpr size_t kFirstSlots = 1024;

}  // namespace

KeyOffsets::KeyOffsets() : slots_(kFirstSlots) {}

/// Where the key is, or the free slot where it belongs.
size_t KeyOffsets::slot_of(uint64_t hash, std::string_view key) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].used) {
    const Slot& slot = slots_[at];
    if (slot.hash == hash && std::string_view(bytes_).substr(slot.place, slot.length) == key) break;
    at = (at + 1) & mask;
  }
  return at;
}

void KeyOffsets::put(std::string_view key, Offset offset) {
  if ((keys_ + 1) * 4 > slots_.size() * 3) grow();
  const uint64_t hash = hash_bytes(key);
  Slot& slot = slots_[slot_of(hash, key)];
  if (!slot.used) {
    slot = {hash, bytes_.size(), static_cast<uint32_t>(key.size()), true, offset};
    bytes_.append(key);
    ++keys_;
  }
  slot.offset = offset;
}

std::optional<Offset> KeyOffsets::find(std::string_view key) const {
  const Slot& slot = slots_[slot_of(hash_bytes(key), key)];
  if (!slot.used) return std::nullopt;
  return slot.offset;
}

void KeyOffsets::grow() {
  std::vector<Slot> larger(slots_.size() * 2);
  const size_t mask = larger.size() - 1;
  for (const Slot& slot : slots_) {
    if (!slot.used) continue;
    size_t at = slot.hash & mask;
    while (larger[at].used) at = (at + 1) & mask;
    larger[at] = slot;
  }
  slots_ = std::move(larger);
}

}  // namespace millrace::log
