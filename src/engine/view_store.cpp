#include "engine/view_store.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "dataflow/exchange.h"

namespace millrace::engine {

ViewStore::ViewStore(batch::Schema schema, OperatorId root, bool append_only, uint32_t workers)
    : schema_(std::move(schema)),
      codec_(schema_.types()),
      root_(root),
      append_only_(append_only),
      staged_(workers),
      rows_(workers, 0) {
  for (uint32_t i = 0; i < workers; ++i) {
    shards_.push_back(std::make_unique<state::ValueTable>());
    if (append_only) appended_.push_back(std::make_unique<AppendedRows>(i, workers));
  }
}

void ViewStore::stage(uint32_t worker, const batch::Batch& batch) {
  Staged& staged = staged_[worker];
  if (append_only_) {
    codec_.encode(batch, staged.rows);
    appended_[worker]->stage(staged.rows, batch.diffs());
    return;
  }
  if (staged.used == staged.buffers.size()) {
    staged.buffers.emplace_back();
    staged.diffs.emplace_back();
  }
  codec_.encode(batch, staged.buffers[staged.used]);
  staged.diffs[staged.used].assign(batch.diffs().begin(), batch.diffs().end());
  ++staged.used;
}

bool ViewStore::has_staged() const {
  for (const Staged& staged : staged_) {
    if (staged.used > 0) return true;
  }
  for (const auto& appended : appended_) {
    if (appended->staged_rows() > 0) return true;
  }
  return false;
}

std::vector<Change> ViewStore::appended_changes() const {
  std::vector<Change> changes;
  for (const auto& appended : appended_) {
    for (const std::string& block : appended->staged()) {
      const Status whole = AppendedRows::visit_rows(block, [&](std::string_view row) { changes.push_back({row, 1}); });
      MR_CHECK(whole.ok(), "a block of staged rows is damaged");
    }
  }
  return changes;
}

std::vector<Change> ViewStore::staged_changes() const {
  if (append_only_) return appended_changes();
  std::vector<Change> changes;
  std::unordered_map<std::string_view, size_t> places;
  for (const Staged& staged : staged_) {
    for (size_t b = 0; b < staged.used; ++b) {
      const batch::RowBuffer& buffer = staged.buffers[b];
      for (size_t row = 0; row < buffer.rows(); ++row) {
        int64_t diff = staged.diffs[b].empty() ? 1 : staged.diffs[b][row];
        auto [place, is_new] = places.try_emplace(buffer.row(row), changes.size());
        if (is_new) {
          changes.push_back({buffer.row(row), diff});
        } else {
          changes[place->second].diff += diff;
        }
      }
    }
  }
  std::erase_if(changes, [](const Change& change) { return change.diff == 0; });
  return changes;
}

void ViewStore::apply(uint32_t shard) {
  if (append_only_) {
    appended_[shard]->apply(rows());
  } else {
    apply_counted(shard);
  }
}

void ViewStore::apply_counted(uint32_t shard) {
  state::ValueTable& table = *shards_[shard];
  auto workers = static_cast<uint32_t>(shards_.size());
  for (const Staged& staged : staged_) {
    for (size_t b = 0; b < staged.used; ++b) {
      const batch::RowBuffer& buffer = staged.buffers[b];
      for (size_t row = 0; row < buffer.rows(); ++row) {
        uint64_t hash = buffer.hash(row);
        if (dataflow::owner_of(virtual_node_of(hash), workers) != shard) continue;
        int64_t diff = staged.diffs[b].empty() ? 1 : staged.diffs[b][row];
        auto slot = table.find_or_insert(hash, buffer.row(row), sizeof(int64_t));
        int64_t count;
        std::memcpy(&count, slot.value, sizeof count);
        count += diff;
        rows_[shard] += diff;
        if (count == 0) {
          table.erase(hash, buffer.row(row));
        } else {
          std::memcpy(slot.value, &count, sizeof count);
          table.mark_dirty(slot);
        }
      }
    }
  }
}

void ViewStore::clear_staged() {
  for (Staged& staged : staged_) staged.used = 0;
  for (size_t worker = 0; worker < appended_.size(); ++worker) {
    rows_[worker] += static_cast<int64_t>(appended_[worker]->staged_rows());
    appended_[worker]->clear_staged();
  }
}

ViewStore::Snapshot ViewStore::snapshot(uint64_t bytes_max) const {
  Snapshot result{codec_};
  const auto add = [&](std::string_view row, int64_t count) {
    if (count <= 0 || result.cut) return;
    result.bytes.append(row);
    result.ends.push_back(result.bytes.size());
    result.counts.push_back(count);
    result.cut = result.memory_bytes() > bytes_max;
  };
  for (const auto& shard : shards_) {
    shard->for_each([&](const state::Entry& entry) { add(entry.key, count_of(entry)); });
  }
  for (const auto& appended : appended_) {
    appended->table().for_each([&](const state::Entry& block) {
      const Status whole = AppendedRows::visit_rows(block.payload, [&](std::string_view row) { add(row, 1); });
      result.damaged |= !whole.ok();
    });
  }
  return result;
}

Status ViewStore::Snapshot::read(Position& at, batch::Batch& out) const {
  out.reset();
  if (damaged) return external_error(sqlstate::kDataCorrupted, "a block of the rows of a view is damaged");
  std::vector<int64_t> diffs;
  bool plain = true;
  int64_t room = batch::kBatchRows;
  while (at.row < ends.size() && room > 0) {
    uint64_t begin = at.row == 0 ? 0 : ends[at.row - 1];
    std::string_view row(bytes.data() + begin, ends[at.row] - begin);
    MR_TRY(codec.decode(row, out, diffs.size()));
    int64_t taken = std::min(counts[at.row] - at.given, room);
    diffs.push_back(taken);
    plain &= taken == 1;
    room -= taken;
    at.given += taken;
    if (at.given == counts[at.row]) at = {at.row + 1, 0};
  }
  out.set_rows(diffs.size());
  if (!plain) out.set_diffs(std::move(diffs));
  return {};
}

uint64_t ViewStore::rows() const {
  int64_t total = 0;
  for (int64_t rows : rows_) total += rows;
  return total < 0 ? 0 : static_cast<uint64_t>(total);
}

void ViewStore::set_rows(uint64_t rows) {
  rows_.assign(rows_.size(), 0);
  rows_[0] = static_cast<int64_t>(rows);
}

uint64_t ViewStore::memory_bytes() const {
  uint64_t total = 0;
  for (const auto& shard : shards_) total += shard->memory_bytes();
  for (const auto& appended : appended_) total += appended->table().memory_bytes();
  return total;
}

std::vector<state::TableRef> ViewStore::tables() {
  std::vector<state::TableRef> refs;
  for (uint32_t i = 0; i < shards_.size(); ++i) refs.push_back({{root_, kCountedSlot}, shards_[i].get(), i});
  for (uint32_t i = 0; i < appended_.size(); ++i) refs.push_back({{root_, kAppendedSlot}, &appended_[i]->table(), i});
  return refs;
}

int64_t ViewStore::count_of(const state::Entry& entry) {
  int64_t count;
  std::memcpy(&count, entry.payload.data(), sizeof count);
  return count;
}

Status ViewStore::restore(state::TableId id, const state::Entry& entry) {
  const uint32_t shard = dataflow::owner_of(virtual_node_of(entry.hash), static_cast<uint32_t>(shards_.size()));
  if (id.slot == kCountedSlot) {
    rows_[shard] += count_of(entry);
    return shards_[shard]->restore(entry);
  }
  if (!append_only_) return internal_error("a checkpoint holds appended rows of a view that takes rows away");
  MR_TRY(AppendedRows::visit_rows(entry.payload, [&](std::string_view) { ++rows_[shard]; }));
  return appended_[shard]->table().restore(entry);
}

}  // namespace millrace::engine
