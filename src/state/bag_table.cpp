#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/huge_memory.h"
#include "state/arena.h"
#include "state/hash_index.h"
#include "state/table.h"

namespace millrace::state {

namespace {

// A row's block: this header, then its bytes.
struct Row {
  int64_t count;  // 0: a tombstone, kept until the next checkpoint
  uint32_t length;
  uint32_t dirty;  // 0, or 1 + its place in the dirty list
  uint32_t group;
  uint32_t place : 31;  // in its group's list
  uint32_t stored : 1;  // the last checkpoint holds it
};
static_assert(sizeof(Row) == 24);

// How a group's list names a row: comparing tags needs no look at the row.
struct RowRef {
  uint32_t tag;  // low half of the row's hash
  Arena::Block block;
};

// Groups of up to kScanRows rows are scanned; larger ones have an index from tag to place: open addressing, 0 = free,
// otherwise 1 + place.
constexpr uint32_t kScanRows = 32;

struct GroupEntry {
  uint64_t hash = 0;
  Arena::Block key_block = Arena::kNone;
  uint32_t key_length = 0;
  uint32_t live = 0;      // rows with a count
  uint32_t places = 0;    // live rows and tombstones
  uint32_t capacity = 1;  // of the list; 1 = `first`, inside this entry
  Arena::Block list = Arena::kNone;
  Arena::Block index = Arena::kNone;
  uint32_t index_slots = 0;  // a power of two, or 0
  RowRef first{};
  bool in_use = false;
  bool maybe_empty = false;  // it is in the list that release_empty looks at
  bool recent = true;        // used since the eviction hand came by
};

size_t row_bytes(uint32_t length) { return sizeof(Row) + length; }

}  // namespace

struct BagTable::Rep {
  Arena arena;
  HashIndex groups_by_hash;
  std::vector<GroupEntry, HugeAllocator<GroupEntry>> groups;
  std::vector<Group> free_groups;
  std::vector<Group> maybe_empty;
  std::vector<Arena::Block> dirty;
  size_t dirty_bytes = 0;
  size_t rows_live = 0;
  size_t groups_live = 0;
  size_t hand = 0;  // of the eviction, in groups_by_hash

  Row& row(Arena::Block block) { return *reinterpret_cast<Row*>(arena.at(block)); }
  std::string_view bytes(Arena::Block block) { return {arena.at(block) + sizeof(Row), row(block).length}; }
  std::string_view key(const GroupEntry& group) { return {arena.at(group.key_block), group.key_length}; }
  RowRef* list(GroupEntry& group) {
    return group.capacity == 1 ? &group.first : reinterpret_cast<RowRef*>(arena.at(group.list));
  }
  uint32_t* index(GroupEntry& group) { return reinterpret_cast<uint32_t*>(arena.at(group.index)); }

  Group find(uint64_t hash, std::string_view wanted) {
    const uint32_t found = groups_by_hash.find(
        hash, [&](uint32_t number) { return groups[number].hash == hash && key(groups[number]) == wanted; });
    return found == HashIndex::kNone ? kNone : found;
  }

  Group create(uint64_t hash, std::string_view key_bytes) {
    Group number;
    if (!free_groups.empty()) {
      number = free_groups.back();
      free_groups.pop_back();
    } else {
      number = static_cast<Group>(groups.size());
      groups.emplace_back();
    }
    GroupEntry& group = groups[number];
    group = GroupEntry{};
    group.hash = hash;
    group.key_length = static_cast<uint32_t>(key_bytes.size());
    group.key_block = arena.allocate(key_bytes.size());
    group.in_use = true;
    if (!key_bytes.empty()) std::memcpy(arena.at(group.key_block), key_bytes.data(), key_bytes.size());
    groups_by_hash.insert(hash, number);
    suspect_empty(number);
    return number;
  }

  void suspect_empty(Group number) {
    GroupEntry& group = groups[number];
    if (group.maybe_empty) return;
    group.maybe_empty = true;
    maybe_empty.push_back(number);
  }

  void destroy_group(Group number) {
    GroupEntry& group = groups[number];
    groups_by_hash.erase(group.hash, number);
    arena.free(group.key_block, group.key_length);
    if (group.capacity > 1) arena.free(group.list, group.capacity * sizeof(RowRef));
    drop_index(group);
    group = GroupEntry{};
    free_groups.push_back(number);
  }

  // The index of a large group.

  void drop_index(GroupEntry& group) {
    if (group.index_slots == 0) return;
    arena.free(group.index, group.index_slots * sizeof(uint32_t));
    group.index_slots = 0;
    group.index = Arena::kNone;
  }

  void index_place(GroupEntry& group, uint32_t tag, uint32_t place) {
    uint32_t* slots = index(group);
    const uint32_t mask = group.index_slots - 1;
    uint32_t at = tag & mask;
    while (slots[at] != 0) at = (at + 1) & mask;
    slots[at] = place + 1;
  }

  void build_index(GroupEntry& group, uint32_t slots) {
    drop_index(group);
    group.index = arena.allocate(slots * sizeof(uint32_t));
    group.index_slots = slots;
    std::memset(index(group), 0, slots * sizeof(uint32_t));
    const RowRef* rows = list(group);
    for (uint32_t place = 0; place < group.places; ++place) index_place(group, rows[place].tag, place);
  }

  uint32_t index_slot_of(GroupEntry& group, uint32_t tag, uint32_t place) {
    const uint32_t* slots = index(group);
    const uint32_t mask = group.index_slots - 1;
    uint32_t at = tag & mask;
    while (slots[at] != place + 1) at = (at + 1) & mask;
    return at;
  }

  void index_erase(GroupEntry& group, uint32_t tag, uint32_t place) {
    uint32_t* slots = index(group);
    const RowRef* rows = list(group);
    const uint32_t mask = group.index_slots - 1;
    uint32_t hole = index_slot_of(group, tag, place);
    for (uint32_t at = (hole + 1) & mask; slots[at] != 0; at = (at + 1) & mask) {
      const uint32_t home = rows[slots[at] - 1].tag & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;  // it would stand before its home
      slots[hole] = slots[at];
      hole = at;
    }
    slots[hole] = 0;
  }

  /// The block of a row of the group, tombstones included, or kNone.
  Arena::Block locate(GroupEntry& group, uint32_t tag, std::string_view wanted) {
    const RowRef* rows = list(group);
    if (group.index_slots == 0) {
      for (uint32_t place = 0; place < group.places; ++place) {
        if (rows[place].tag == tag && bytes(rows[place].block) == wanted) return rows[place].block;
      }
      return Arena::kNone;
    }
    const uint32_t* slots = index(group);
    const uint32_t mask = group.index_slots - 1;
    for (uint32_t at = tag & mask; slots[at] != 0; at = (at + 1) & mask) {
      const RowRef& ref = rows[slots[at] - 1];
      if (ref.tag == tag && bytes(ref.block) == wanted) return ref.block;
    }
    return Arena::kNone;
  }

  // Rows.

  void grow_list(GroupEntry& group) {
    const uint32_t capacity = group.capacity == 1 ? 4 : group.capacity * 2;
    const Arena::Block grown = arena.allocate(capacity * sizeof(RowRef));
    std::memcpy(arena.at(grown), list(group), group.places * sizeof(RowRef));
    if (group.capacity > 1) arena.free(group.list, group.capacity * sizeof(RowRef));
    group.list = grown;
    group.capacity = capacity;
  }

  Arena::Block create_row(Group number, uint32_t tag, std::string_view row_bytes_in) {
    GroupEntry& group = groups[number];
    if (group.places == group.capacity) grow_list(group);
    const uint32_t length = static_cast<uint32_t>(row_bytes_in.size());
    const Arena::Block block = arena.allocate(row_bytes(length));
    row(block) = Row{0, length, 0, number, group.places, 0};
    if (length > 0) std::memcpy(arena.at(block) + sizeof(Row), row_bytes_in.data(), length);
    list(group)[group.places] = RowRef{tag, block};
    ++group.places;
    if (group.index_slots != 0 && group.places * 2 <= group.index_slots) {
      index_place(group, tag, group.places - 1);
    } else if (group.index_slots != 0) {
      build_index(group, group.index_slots * 2);
    } else if (group.places > kScanRows) {
      build_index(group, kScanRows * 4);
    }
    return block;
  }

  void destroy_row(Arena::Block block) {
    const Row gone = row(block);
    GroupEntry& group = groups[gone.group];
    RowRef* rows = list(group);
    const uint32_t place = gone.place;
    const uint32_t last = group.places - 1;
    if (group.index_slots != 0) index_erase(group, rows[place].tag, place);
    if (place != last) {
      if (group.index_slots != 0) index(group)[index_slot_of(group, rows[last].tag, last)] = place + 1;
      rows[place] = rows[last];
      row(rows[place].block).place = place;
    }
    --group.places;
    arena.free(block, row_bytes(gone.length));
    if (group.places == 0) {
      drop_index(group);
      suspect_empty(gone.group);
    }
  }

  size_t entry_bytes(const Row& at) { return size_t{groups[at.group].key_length} + at.length + 3; }

  void mark_dirty(Arena::Block block) {
    Row& at = row(block);
    if (at.dirty != 0) return;
    dirty.push_back(block);
    at.dirty = static_cast<uint32_t>(dirty.size());
    dirty_bytes += entry_bytes(at);
  }

  void unmark_dirty(Arena::Block block) {
    Row& at = row(block);
    if (at.dirty == 0) return;
    dirty_bytes -= entry_bytes(at);
    const Arena::Block moved = dirty.back();
    dirty[at.dirty - 1] = moved;
    row(moved).dirty = at.dirty;
    dirty.pop_back();
    at.dirty = 0;
  }

  void set_count(Arena::Block block, int64_t count) {
    Row& at = row(block);
    GroupEntry& group = groups[at.group];
    if (at.count == 0 && count != 0) {
      ++rows_live;
      if (group.live++ == 0) ++groups_live;
    } else if (at.count != 0 && count == 0) {
      --rows_live;
      if (--group.live == 0) --groups_live;
    }
    at.count = count;
  }

  void change(Arena::Block block, int64_t count) {
    set_count(block, count);
    if (count == 0 && !row(block).stored) {
      unmark_dirty(block);
      destroy_row(block);
    } else {
      mark_dirty(block);
    }
  }

  /// A row as the last checkpoint has it. It must not be there yet.
  void put_stored(Group number, std::string_view bytes, int64_t count) {
    const Arena::Block block = create_row(number, static_cast<uint32_t>(hash_bytes(bytes)), bytes);
    set_count(block, count);
    row(block).stored = 1;
  }

  bool is_clean(GroupEntry& group) {
    const RowRef* rows = list(group);
    for (uint32_t place = 0; place < group.places; ++place) {
      if (row(rows[place].block).dirty != 0) return false;
    }
    return group.places > 0 && !group.maybe_empty;
  }

  /// Takes a clean group out of memory.
  void evict_group(Group number) {
    GroupEntry& group = groups[number];
    const RowRef* rows = list(group);
    rows_live -= group.live;
    if (group.live > 0) --groups_live;
    for (uint32_t place = 0; place < group.places; ++place) {
      arena.free(rows[place].block, row_bytes(row(rows[place].block).length));
    }
    destroy_group(number);
  }

  /// Builds the entry's key in `buffer` and its payload in `payload`.
  Entry entry(Arena::Block block, std::string& buffer, std::string& payload) {
    const Row& at = row(block);
    const GroupEntry& group = groups[at.group];
    buffer.clear();
    append_varint(buffer, group.key_length);
    buffer.append(key(group)).append(bytes(block));
    payload.clear();
    if (at.count != 0) append_zigzag(payload, at.count);
    return Entry{group.hash, buffer, payload, at.count == 0};
  }
};

BagTable::BagTable() : rep_(std::make_unique<Rep>()) {}
BagTable::~BagTable() = default;

BagTable::Group BagTable::find(uint64_t hash, std::string_view key) {
  const Group found = rep_->find(hash, key);
  if (!partial_) [[likely]]
    return found;
  if (found == kNone) return fetch(hash, key);
  rep_->groups[found].recent = true;
  return found;
}

BagTable::Group BagTable::find_or_insert(uint64_t hash, std::string_view key) {
  const Group found = find(hash, key);
  return found != kNone ? found : rep_->create(hash, key);
}

/// Brings all rows of the group back from the store.
BagTable::Group BagTable::fetch(uint64_t hash, std::string_view key) {
  std::string prefix;
  append_varint(prefix, key.size());
  prefix.append(key);
  Group group = kNone;
  stored_->find_prefix(hash, prefix, [&](const Entry& entry) {
    ByteReader payload(entry.payload);
    const auto count = payload.zigzag();
    MR_CHECK(count.ok() && *count != 0, "a stored row of a bag has no count");
    if (group == kNone) group = rep_->create(hash, key);
    rep_->put_stored(group, entry.key.substr(prefix.size()), *count);
    ++rows_fetched;
  });
  return group;
}

std::string_view BagTable::key_of(Group group) const { return rep_->key(rep_->groups[group]); }
uint64_t BagTable::hash_of(Group group) const { return rep_->groups[group].hash; }
size_t BagTable::rows(Group group) const { return rep_->groups[group].live; }

int64_t BagTable::add(Group group, uint64_t row_hash, std::string_view row, int64_t diff) {
  const uint32_t tag = static_cast<uint32_t>(row_hash);
  Arena::Block block = rep_->locate(rep_->groups[group], tag, row);
  if (diff == 0) return block == Arena::kNone ? 0 : rep_->row(block).count;
  if (block == Arena::kNone) {
    block = rep_->create_row(group, tag, row);
  } else {
    ++rows_read;
  }
  const int64_t count = rep_->row(block).count + diff;
  rep_->change(block, count);
  return count;
}

void BagTable::clear_group(Group group) {
  for (uint32_t place = rep_->groups[group].places; place > 0; --place) {
    const Arena::Block block = rep_->list(rep_->groups[group])[place - 1].block;
    if (rep_->row(block).count != 0) rep_->change(block, 0);
  }
  rep_->suspect_empty(group);
}

void BagTable::release_empty() {
  for (Group number : rep_->maybe_empty) {
    GroupEntry& group = rep_->groups[number];
    group.maybe_empty = false;
    if (group.places == 0) rep_->destroy_group(number);
  }
  rep_->maybe_empty.clear();
}

size_t BagTable::groups() const { return rep_->groups_live; }

void BagTable::for_each_group(const std::function<bool(Group)>& visit) const {
  for (Group number = 0; number < rep_->groups.size(); ++number) {
    if (rep_->groups[number].live > 0 && !visit(number)) return;
  }
}

void BagTable::prefetch(uint64_t hash) const { rep_->groups_by_hash.prefetch(hash); }

void BagTable::prefetch_entry(uint64_t hash) const {
  const uint32_t number = rep_->groups_by_hash.candidate(hash);
  if (number != HashIndex::kNone) __builtin_prefetch(&rep_->groups[number]);
}

void BagTable::prefetch_key(uint64_t hash) const {
  const uint32_t number = rep_->groups_by_hash.candidate(hash);
  if (number != HashIndex::kNone) __builtin_prefetch(rep_->arena.at(rep_->groups[number].key_block));
}

void BagTable::prefetch_rows(Group group, uint64_t row_hash) const {
  const GroupEntry& entry = rep_->groups[group];
  if (entry.index_slots != 0) {
    const uint32_t slot = static_cast<uint32_t>(row_hash) & (entry.index_slots - 1);
    __builtin_prefetch(rep_->arena.at(entry.index) + slot * sizeof(uint32_t));
  } else if (entry.capacity > 1) {
    const char* list = rep_->arena.at(entry.list);
    for (uint32_t place = 0; place < entry.places; place += 8) __builtin_prefetch(list + place * sizeof(RowRef));
  } else if (entry.places == 1) {
    __builtin_prefetch(rep_->arena.at(entry.first.block));
  }
}

size_t BagTable::entries() const { return rep_->rows_live; }
size_t BagTable::memory_bytes() const {
  return rep_->arena.used_bytes() + rep_->groups_by_hash.memory_bytes() + rep_->groups.capacity() * sizeof(GroupEntry) +
         (rep_->dirty.capacity() + rep_->free_groups.capacity() + rep_->maybe_empty.capacity()) * sizeof(uint32_t);
}
size_t BagTable::dirty_bytes() const { return rep_->dirty_bytes; }

void BagTable::for_each_dirty(const std::function<void(const Entry&)>& visit) const {
  std::string buffer, payload;
  for (Arena::Block block : rep_->dirty) visit(rep_->entry(block, buffer, payload));
}

void BagTable::clear_dirty() {
  for (Arena::Block block : rep_->dirty) {
    Row& at = rep_->row(block);
    at.dirty = 0;
    at.stored = 1;
    rep_->groups[at.group].recent = true;
    if (at.count == 0) rep_->destroy_row(block);
  }
  rep_->dirty.clear();
  rep_->dirty_bytes = 0;
}

Status BagTable::restore(const Entry& entry) {
  ByteReader key_reader(entry.key);
  MR_ASSIGN(const std::string_view key, key_reader.string());
  MR_ASSIGN(const std::string_view row, key_reader.bytes(key_reader.remaining()));
  int64_t count = 0;
  if (!entry.deleted && !entry.payload.empty()) {
    ByteReader payload_reader(entry.payload);
    MR_ASSIGN(count, payload_reader.zigzag());
  }
  const Group group = find_or_insert(entry.hash, key);
  const uint32_t tag = static_cast<uint32_t>(hash_bytes(row));
  Arena::Block block = rep_->locate(rep_->groups[group], tag, row);
  if (block == Arena::kNone) {
    if (count == 0) return {};
    block = rep_->create_row(group, tag, row);
  }
  rep_->set_count(block, count);
  if (count == 0) {
    rep_->destroy_row(block);
  } else {
    rep_->row(block).stored = 1;
  }
  return {};
}

void BagTable::for_each_resident(const std::function<void(const Entry&)>& visit) const {
  std::string buffer, payload;
  for (GroupEntry& group : rep_->groups) {
    for (uint32_t place = 0; place < group.places; ++place) {
      const Arena::Block block = rep_->list(group)[place].block;
      if (rep_->row(block).count != 0) visit(rep_->entry(block, buffer, payload));
    }
  }
}

/// The rows of the groups that are only in the store, until `visit` returns false.
void BagTable::for_each_evicted(const std::function<bool(const Entry&)>& visit) const {
  if (!partial_) return;
  stored_->for_each([&](const Entry& entry) {
    const auto key = ByteReader(entry.key).string();
    MR_CHECK(key.ok(), "a stored row of a bag has no key");
    return rep_->find(entry.hash, *key) != kNone || visit(entry);
  });
}

void BagTable::for_each(const std::function<void(const Entry&)>& visit) const {
  for_each_resident(visit);
  for_each_evicted([&](const Entry& entry) {
    visit(entry);
    return true;
  });
}

void BagTable::for_each_group_key(const std::function<bool(uint64_t, std::string_view)>& visit) const {
  bool goes_on = true;
  for_each_group([&](Group group) { return goes_on = visit(hash_of(group), key_of(group)); });
  if (!goes_on) return;
  uint64_t last_hash = 0;
  std::string last_key;
  bool any = false;
  for_each_evicted([&](const Entry& entry) {
    const std::string_view key = ByteReader(entry.key).string().value();
    if (any && entry.hash == last_hash && key == last_key) return true;  // the rows of a group come together
    any = true;
    last_hash = entry.hash;
    last_key.assign(key);
    return visit(entry.hash, key);
  });
}

size_t BagTable::evict(size_t bytes) {
  if (!stored_) return 0;
  Rep& rep = *rep_;
  const size_t before = rep.arena.used_bytes();
  for (int round = 0; round < 2 && before - rep.arena.used_bytes() < bytes; ++round) {
    std::vector<Group> victims;
    size_t taken = 0;  // at least: the headers of the rows
    rep.groups_by_hash.walk(rep.hand, [&](uint32_t number) {
      GroupEntry& group = rep.groups[number];
      if (std::exchange(group.recent, false) || !rep.is_clean(group)) return true;
      victims.push_back(number);
      for (uint32_t place = 0; place < group.places; ++place) {
        taken += Arena::capacity(row_bytes(rep.row(rep.list(group)[place].block).length));
      }
      return taken < bytes;
    });
    for (const Group number : victims) rep.evict_group(number);
    if (!victims.empty()) partial_ = true;
  }
  rep.groups_by_hash.shrink();
  return before - rep.arena.used_bytes();
}

BagTable::RowCursor::RowCursor(BagTable& table, Group group) : table_(table), group_(group) {}

bool BagTable::RowCursor::next(std::string_view& row, int64_t& count) {
  Rep& rep = *table_.rep_;
  GroupEntry& group = rep.groups[group_];
  const RowRef* rows = rep.list(group);
  while (next_ < group.places) {
    const Arena::Block block = rows[next_++].block;
    if (next_ + 3 < group.places) __builtin_prefetch(rep.arena.at(rows[next_ + 3].block));
    const Row& at = rep.row(block);
    if (at.count == 0) continue;
    ++table_.rows_read;
    row = {reinterpret_cast<const char*>(&at) + sizeof(Row), at.length};
    count = at.count;
    return true;
  }
  return false;
}

}  // namespace millrace::state
