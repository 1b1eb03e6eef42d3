// What is behind a BagTable: groups by key, and the rows of each as blocks of an arena. Private to state/.
#pragma once

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/huge_memory.h"
#include "state/arena.h"
#include "state/hash_index.h"
#include "state/row_order.h"
#include "state/table.h"

namespace millrace::state {

namespace bag {

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

inline size_t row_bytes(uint32_t length) { return sizeof(Row) + length; }

}  // namespace bag
using namespace bag;  // of this one table

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
  size_t sort_from = kUnsorted;
  std::vector<std::unique_ptr<RowOrder>> orders;  // by group: of large groups whose order was asked for
  size_t order_bytes = 0;                         // of all orders, as they were built

  static constexpr size_t kUnsorted = SIZE_MAX;

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
    drop_order(number);
    group = GroupEntry{};
    free_groups.push_back(number);
  }

  // The order of a large group's live rows.

  static constexpr size_t kOrderBytesPerRow = 2 * sizeof(RowOrder::Ref);  // leaves are half full or more

  std::string_view compared(Arena::Block block) { return bytes(block).substr(sort_from); }
  bool precedes(const RowOrder::Ref& a, const RowOrder::Ref& b) {
    return a.head != b.head ? a.head < b.head : compared(a.block) < compared(b.block);
  }
  RowOrder::Ref ref_to(Arena::Block block) { return {head_of_bytes(compared(block)), block}; }
  auto count_of() {
    return [this](Arena::Block block) { return row(block).count; };
  }
  RowOrder* order_of(Group number) { return number < orders.size() ? orders[number].get() : nullptr; }

  RowOrder& obtain_order(Group number) {
    if (RowOrder* order = order_of(number)) return *order;
    GroupEntry& group = groups[number];
    std::vector<RowOrder::Ref> refs;
    refs.reserve(group.live);
    for (uint32_t place = 0; place < group.places; ++place) {
      const Arena::Block block = list(group)[place].block;
      if (row(block).count != 0) refs.push_back(ref_to(block));
    }
    if (number >= orders.size()) orders.resize(number + 1 + number / 2);
    orders[number] = std::make_unique<RowOrder>();
    orders[number]->build(
        std::move(refs), [&](const auto& a, const auto& b) { return precedes(a, b); }, count_of());
    order_bytes += group.live * kOrderBytesPerRow;
    return *orders[number];
  }
  RowOrder::Place place_of(const RowOrder& order, const RowOrder::Ref& ref) {
    return order.lower_bound(ref, [&](const auto& a, const auto& b) { return precedes(a, b); });
  }
  void drop_order(Group number) {
    if (!order_of(number)) return;
    order_bytes -= groups[number].live * kOrderBytesPerRow;
    orders[number].reset();
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

  void change_order(RowOrder& order, Arena::Block block, int64_t count) {
    const int64_t before = row(block).count;
    const RowOrder::Ref ref = ref_to(block);
    const RowOrder::Place place = place_of(order, ref);
    if (before != 0 && count != 0) {
      order.add(place, count - before);
    } else if (count != 0) {
      order.insert(place, ref, count, count_of());
      order_bytes += kOrderBytesPerRow;
    } else if (before != 0) {
      order.erase(place, before);
      order_bytes -= kOrderBytesPerRow;
    }
  }

  void set_count(Arena::Block block, int64_t count) {
    Row& at = row(block);
    GroupEntry& group = groups[at.group];
    if (RowOrder* order = order_of(at.group)) change_order(*order, block, count);
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
    drop_order(number);
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

}  // namespace millrace::state
