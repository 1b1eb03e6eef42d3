#include "state/bag_table_rep.h"

namespace millrace::state {

BagTable::BagTable() : rep_(std::make_unique<Rep>()) {}
BagTable::~BagTable() = default;

BagTable::Group BagTable::find(uint64_t hash, std::string_view key) {
  const Group found = rep_->find(hash, key);
  if (!partial_) [[likely]]
    return found;
  if (found == kNone) return fetch(hash, key);
  note_use(rep_->groups[found].recent);
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
         rep_->order_bytes + rep_->orders.capacity() * sizeof(void*) +
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
