#include <cstring>
#include <utility>

#include "state/arena.h"
#include "state/hash_index.h"
#include "state/table.h"

namespace millrace::state {

namespace {

// A block: this header, the key padded to 8 bytes, the value.
struct Header {
  uint64_t hash;
  uint32_t key_length;
  uint32_t value_length;
  uint32_t dirty;   // 0, or 1 + its place in the dirty list
  uint16_t stored;  // the last checkpoint holds it, so taking it away needs a tombstone
  uint8_t deleted;  // a tombstone: absent for callers, kept until the next checkpoint
  uint8_t recent;   // used since the eviction hand came by
};
static_assert(sizeof(Header) == 24);

size_t padded(size_t length) { return (length + 7) & ~size_t{7}; }
size_t block_bytes(size_t key_length, size_t value_length) {
  return sizeof(Header) + padded(key_length) + value_length;
}

}  // namespace

struct ValueTable::Rep {
  Arena arena;
  HashIndex index;
  std::vector<Arena::Block> dirty;
  size_t dirty_bytes = 0;
  size_t tombstones = 0;
  size_t hand = 0;      // of the eviction, in the index
  std::string fetched;  // a value that comes from the store

  Header& header(Arena::Block block) { return *reinterpret_cast<Header*>(arena.at(block)); }
  std::string_view key(Arena::Block block) { return {arena.at(block) + sizeof(Header), header(block).key_length}; }
  char* value(Arena::Block block) { return arena.at(block) + sizeof(Header) + padded(header(block).key_length); }

  /// The block of the key, tombstones included, or kNone.
  Arena::Block locate(uint64_t hash, std::string_view wanted) {
    return index.find(hash, [&](uint32_t block) { return header(block).hash == hash && key(block) == wanted; });
  }

  Arena::Block create(uint64_t hash, std::string_view key_bytes, uint32_t length) {
    MR_CHECK(length > 0, "a table's value must not be empty");
    const Arena::Block block = arena.allocate(block_bytes(key_bytes.size(), length));
    header(block) = Header{hash, static_cast<uint32_t>(key_bytes.size()), length, 0, 0, 0, 1};
    if (!key_bytes.empty()) std::memcpy(arena.at(block) + sizeof(Header), key_bytes.data(), key_bytes.size());
    index.insert(hash, block);
    return block;
  }

  void mark_dirty(Arena::Block block) {
    Header& entry = header(block);
    if (entry.dirty != 0) return;
    dirty.push_back(block);
    entry.dirty = static_cast<uint32_t>(dirty.size());
    dirty_bytes += size_t{entry.key_length} + entry.value_length;
  }

  void unmark_dirty(Arena::Block block) {
    Header& entry = header(block);
    if (entry.dirty == 0) return;
    dirty_bytes -= size_t{entry.key_length} + entry.value_length;
    const Arena::Block moved = dirty.back();
    dirty[entry.dirty - 1] = moved;
    header(moved).dirty = entry.dirty;
    dirty.pop_back();
    entry.dirty = 0;
  }

  void destroy(Arena::Block block) {
    const Header entry = header(block);
    index.erase(entry.hash, block);
    arena.free(block, block_bytes(entry.key_length, entry.value_length));
  }

  /// Gives the entry a value of another length, contents undefined; its block may change.
  Arena::Block resize(Arena::Block block, uint32_t length) {
    MR_CHECK(length > 0, "a table's value must not be empty");
    const Header entry = header(block);
    if (entry.dirty != 0) dirty_bytes = dirty_bytes - entry.value_length + length;
    const size_t old_bytes = block_bytes(entry.key_length, entry.value_length);
    const size_t new_bytes = block_bytes(entry.key_length, length);
    if (Arena::same_class(old_bytes, new_bytes)) {
      header(block).value_length = length;
      return block;
    }
    const Arena::Block moved = arena.allocate(new_bytes);
    std::memcpy(arena.at(moved), arena.at(block), sizeof(Header) + entry.key_length);
    header(moved).value_length = length;
    if (entry.dirty != 0) dirty[entry.dirty - 1] = moved;
    index.renumber(entry.hash, block, moved);
    arena.free(block, old_bytes);
    return moved;
  }

  Slot slot(Arena::Block block, bool inserted) {
    return Slot{value(block), header(block).value_length, block, inserted};
  }

  bool take_away(Arena::Block block) {
    Header& entry = header(block);
    if (entry.deleted) return false;
    if (entry.stored) {
      mark_dirty(block);
      entry.deleted = 1;
      ++tombstones;
    } else {
      unmark_dirty(block);
      destroy(block);
    }
    return true;
  }

  Entry entry(Arena::Block block) {
    const Header& at = header(block);
    if (at.deleted) return Entry{at.hash, key(block), {}, true};
    return Entry{at.hash, key(block), {value(block), at.value_length}, false};
  }
};

ValueTable::ValueTable() : rep_(std::make_unique<Rep>()) {}
ValueTable::~ValueTable() = default;

/// Brings the entry back from the store.
uint32_t ValueTable::fetch(uint64_t hash, std::string_view key) {
  if (!stored_->find_key(hash, key, rep_->fetched)) return Arena::kNone;
  ++rows_fetched;
  const auto length = static_cast<uint32_t>(rep_->fetched.size());
  const Arena::Block block = rep_->create(hash, key, length);
  std::memcpy(rep_->value(block), rep_->fetched.data(), length);
  rep_->header(block).stored = 1;
  return block;
}

/// The block of the key, tombstones included, or kNone.
uint32_t ValueTable::locate(uint64_t hash, std::string_view key) {
  const Arena::Block block = rep_->locate(hash, key);
  if (!partial_) [[likely]]
    return block;
  if (block == Arena::kNone) return fetch(hash, key);
  note_use(rep_->header(block).recent);
  return block;
}

/// The live entry of the key with a value of `length` bytes, contents undefined unless it was there with that length.
uint32_t ValueTable::obtain(uint64_t hash, std::string_view key, uint32_t length, bool& inserted) {
  const Arena::Block block = locate(hash, key);
  inserted = block == Arena::kNone || rep_->header(block).deleted;
  if (block == Arena::kNone) return rep_->create(hash, key, length);
  if (rep_->header(block).deleted) {
    rep_->header(block).deleted = 0;
    --rep_->tombstones;
  }
  return block;
}

ValueTable::Slot ValueTable::find(uint64_t hash, std::string_view key) {
  const Arena::Block block = locate(hash, key);
  if (block == Arena::kNone || rep_->header(block).deleted) return {};
  ++rows_read;
  return rep_->slot(block, false);
}

ValueTable::Slot ValueTable::find_or_insert(uint64_t hash, std::string_view key, uint32_t length) {
  bool inserted;
  Arena::Block block = obtain(hash, key, length, inserted);
  if (!inserted) {
    ++rows_read;
    return rep_->slot(block, false);
  }
  if (rep_->header(block).value_length != length) block = rep_->resize(block, length);
  std::memset(rep_->value(block), 0, length);
  rep_->mark_dirty(block);
  return rep_->slot(block, true);
}

void ValueTable::mark_dirty(const Slot& slot) { rep_->mark_dirty(slot.index); }

std::string_view ValueTable::key_of(const Slot& slot) const { return rep_->key(slot.index); }
uint64_t ValueTable::hash_of(const Slot& slot) const { return rep_->header(slot.index).hash; }

void ValueTable::put(uint64_t hash, std::string_view key, std::string_view value) {
  bool inserted;
  const uint32_t length = static_cast<uint32_t>(value.size());
  Arena::Block block = obtain(hash, key, length, inserted);
  if (!inserted) ++rows_read;
  if (rep_->header(block).value_length != length) block = rep_->resize(block, length);
  std::memcpy(rep_->value(block), value.data(), length);
  rep_->mark_dirty(block);
}

bool ValueTable::erase(uint64_t hash, std::string_view key) {
  const Arena::Block block = locate(hash, key);
  if (block == Arena::kNone) return false;
  ++rows_read;
  return rep_->take_away(block);
}

void ValueTable::scan(const std::function<bool(uint64_t, std::string_view, std::string_view)>& visit) {
  bool goes_on = true;
  const auto give = [&](const Entry& entry) {
    ++rows_read;
    return goes_on = visit(entry.hash, entry.key, entry.payload);
  };
  rep_->index.for_each([&](uint32_t block) {
    const Entry entry = rep_->entry(block);
    return entry.deleted || give(entry);
  });
  if (goes_on) for_each_evicted(give);
}

/// The live entries that are only in the store, until `visit` returns false.
void ValueTable::for_each_evicted(const std::function<bool(const Entry&)>& visit) const {
  if (!partial_) return;
  stored_->for_each(
      [&](const Entry& entry) { return rep_->locate(entry.hash, entry.key) != Arena::kNone || visit(entry); });
}

void ValueTable::prefetch(uint64_t hash) const { rep_->index.prefetch(hash); }

void ValueTable::prefetch_entry(uint64_t hash) const {
  const uint32_t block = rep_->index.candidate(hash);
  if (block != HashIndex::kNone) __builtin_prefetch(rep_->arena.at(block));
}

size_t ValueTable::entries() const { return rep_->index.size() - rep_->tombstones; }
size_t ValueTable::memory_bytes() const {
  return rep_->arena.used_bytes() + rep_->index.memory_bytes() + rep_->dirty.capacity() * sizeof(Arena::Block);
}
size_t ValueTable::dirty_bytes() const { return rep_->dirty_bytes; }

void ValueTable::for_each_dirty(const std::function<void(const Entry&)>& visit) const {
  for (Arena::Block block : rep_->dirty) visit(rep_->entry(block));
}

void ValueTable::clear_dirty() {
  for (Arena::Block block : rep_->dirty) {
    Header& entry = rep_->header(block);
    entry.dirty = 0;
    entry.stored = 1;
    entry.recent = 1;
    if (entry.deleted) {
      rep_->destroy(block);
      --rep_->tombstones;
    }
  }
  rep_->dirty.clear();
  rep_->dirty_bytes = 0;
}

Status ValueTable::restore(const Entry& entry) {
  Arena::Block block = rep_->locate(entry.hash, entry.key);
  if (entry.deleted || entry.payload.empty()) {
    if (block != Arena::kNone) rep_->destroy(block);
    return {};
  }
  const uint32_t length = static_cast<uint32_t>(entry.payload.size());
  if (block == Arena::kNone) {
    block = rep_->create(entry.hash, entry.key, length);
  } else if (rep_->header(block).value_length != length) {
    block = rep_->resize(block, length);
  }
  std::memcpy(rep_->value(block), entry.payload.data(), length);
  rep_->header(block).stored = 1;
  return {};
}

void ValueTable::for_each_resident(const std::function<void(const Entry&)>& visit) const {
  rep_->index.for_each([&](uint32_t block) {
    const Entry entry = rep_->entry(block);
    if (!entry.deleted) visit(entry);
    return true;
  });
}

void ValueTable::for_each(const std::function<void(const Entry&)>& visit) const {
  for_each_resident(visit);
  for_each_evicted([&](const Entry& entry) {
    visit(entry);
    return true;
  });
}

size_t ValueTable::evict(size_t bytes) {
  if (!stored_) return 0;
  Rep& rep = *rep_;
  std::vector<Arena::Block> victims;
  const size_t before = rep.arena.used_bytes();
  size_t taken = 0;
  for (int round = 0; round < 2 && taken < bytes; ++round) {  // the first may only use up second chances
    rep.index.walk(rep.hand, [&](uint32_t block) {
      Header& entry = rep.header(block);
      if (entry.dirty != 0) return true;
      if (std::exchange(entry.recent, uint8_t{0}) != 0) return true;
      victims.push_back(block);
      taken += Arena::capacity(block_bytes(entry.key_length, entry.value_length));
      return taken < bytes;
    });
    for (const Arena::Block block : victims) rep.destroy(block);
    if (!victims.empty()) partial_ = true;
    victims.clear();
  }
  rep.index.shrink();
  return before - rep.arena.used_bytes();
}

}  // namespace millrace::state
