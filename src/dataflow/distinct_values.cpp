#include "dataflow/distinct_values.h"

#include <bit>

#include "base/hash.h"

namespace millrace::dataflow {
namespace {

constexpr size_t kPrefetchAhead = 16;

/// On disk: never changes.
uint64_t entry_hash(uint64_t group_hash, uint64_t value_hash) {
  constexpr uint64_t kNodeBits = 0xffULL << 56;
  return (group_hash & kNodeBits) | (mix64(group_hash + value_hash) & ~kNodeBits);
}

}  // namespace

DistinctValues::DistinctValues(std::span<const batch::Type> input, std::vector<Accumulator> calls, bool append_only,
                               bool groups_end)
    : calls_(std::move(calls)),
      append_only_(append_only),
      groups_end_(groups_end),
      codec_(input, {static_cast<uint32_t>(calls_[0].argument)}) {}

/// What adding or taking away a value means for the call.
void DistinctValues::bump(const Accumulator& call, size_t row, char* state, int64_t copies) const {
  char* at = state + call.offset;
  if (call.state == StateKind::kCount) {
    reinterpret_cast<CountState*>(at)->count += copies;
    return;
  }
  auto& sum = *reinterpret_cast<SumState*>(at);
  const char* value = static_cast<const char*>(column_.data_) + column_.index(row) * call.argument_type.width();
  add_to_sum(sum, exact_number(call.argument_type.layout(), value), copies);
  sum.count += copies;
}

void DistinctValues::find_masks(const batch::Batch& batch, std::span<char* const> states) {
  masks_.assign(states.size(), 0);
  for (size_t i = 0; i < calls_.size(); ++i) {
    for_each_counted(calls_[i], batch, states, [&](size_t row, char*, int64_t) { masks_[row] |= uint64_t{1} << i; });
  }
}

DistinctValues::Slot DistinctValues::find_or_insert(const batch::RowBuffer& keys, size_t row) {
  const std::string_view value = values_.row(row);
  key_.assign(keys.row(row)).append(value);
  if (!groups_end_) return entries_.find_or_insert(hashes_[row], key_, static_cast<uint32_t>(counts_bytes()));
  if (const Slot there = entries_.find(hashes_[row], key_)) return there;
  const Slot newest = newest_.find(keys.hash(row), keys.row(row));
  const std::string_view before = newest ? newest.view().substr(1) : std::string_view();
  const Slot made =
      entries_.find_or_insert(hashes_[row], key_, static_cast<uint32_t>(counts_bytes() + before.size()));
  if (!before.empty()) std::memcpy(made.value + counts_bytes(), before.data(), before.size());
  newest_.put(keys.hash(row), keys.row(row), scratch_.assign(1, 'v').append(value));
  return made;
}

void DistinctValues::insert(const Slot& slot, size_t row, char* state) {
  auto& counted = *reinterpret_cast<uint64_t*>(slot.value);
  uint64_t fresh = masks_[row] & ~counted;
  if (fresh == 0) return;
  counted |= fresh;
  entries_.mark_dirty(slot);
  for (; fresh != 0; fresh &= fresh - 1) bump(calls_[static_cast<size_t>(std::countr_zero(fresh))], row, state, 1);
}

void DistinctValues::change(const Slot& slot, size_t row, char* state, int64_t diff) {
  auto* counts = reinterpret_cast<int64_t*>(slot.value);
  for (uint64_t mask = masks_[row]; mask != 0; mask &= mask - 1) {
    const auto call = static_cast<size_t>(std::countr_zero(mask));
    const int64_t before = counts[call];
    const int64_t after = counts[call] += diff;
    negative_ += (after < 0) - (before < 0);
    if ((after > 0) != (before > 0)) bump(calls_[call], row, state, after > 0 ? 1 : -1);
  }
  entries_.mark_dirty(slot);
  if (groups_end_) return;
  for (size_t call = 0; call < calls_.size(); ++call) {
    if (counts[call] != 0) return;
  }
  entries_.erase(hashes_[row], key_);
}

void DistinctValues::update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys) {
  const size_t rows = states.size();
  find_masks(batch, states);
  column_ = batch.column(static_cast<size_t>(calls_[0].argument));
  codec_.encode(batch, values_);
  hashes_.resize(rows);
  for (size_t row = 0; row < rows; ++row) hashes_[row] = entry_hash(keys.hash(row), values_.hash(row));
  const bool far_apart = entries_.memory_bytes() > (1U << 20);
  for (size_t row = 0; row < rows; ++row) {
    if (far_apart && row + kPrefetchAhead < rows) entries_.prefetch(hashes_[row + kPrefetchAhead]);
    if (far_apart && row + kPrefetchAhead / 2 < rows) entries_.prefetch_entry(hashes_[row + kPrefetchAhead / 2]);
    if (masks_[row] == 0) continue;
    const Slot slot = find_or_insert(keys, row);
    if (append_only_) {
      insert(slot, row, states[row]);
    } else {
      change(slot, row, states[row], batch.diff(row));
    }
  }
}

void DistinctValues::forget(uint64_t hash, std::string_view key) {
  if (!groups_end_) return;
  const Slot newest = newest_.find(hash, key);
  if (!newest) return;
  std::string value(newest.view().substr(1));
  while (!value.empty()) {
    key_.assign(key).append(value);
    const uint64_t entry = entry_hash(hash, hash_bytes(value));
    const Slot slot = entries_.find(entry, key_);
    if (!slot) break;  // it could not be read: the store knows
    value.assign(slot.view().substr(counts_bytes()));
    entries_.erase(entry, key_);
  }
  newest_.erase(hash, key);
}

Status DistinctValues::finish_step() {
  if (negative_ == 0) return {};
  return internal_error("an aggregate was asked to take away values that it never got");
}

void add_distinct_values(std::span<const Accumulator> accumulators, const plan::Node& input, bool groups_end,
                         std::vector<std::unique_ptr<CallTables>>& tables) {
  std::vector<bool> done(accumulators.size(), false);
  for (size_t i = 0; i < accumulators.size(); ++i) {
    if (!accumulators[i].distinct || done[i]) continue;
    std::vector<Accumulator> calls;
    for (size_t j = i; j < accumulators.size() && calls.size() < DistinctValues::kCallsMax; ++j) {
      if (done[j] || !accumulators[j].distinct || accumulators[j].argument != accumulators[i].argument) continue;
      done[j] = true;
      calls.push_back(accumulators[j]);
    }
    tables[i] = std::make_unique<DistinctValues>(input.output.types(), std::move(calls), input.append_only, groups_end);
  }
}

}  // namespace millrace::dataflow
