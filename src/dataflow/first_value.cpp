#include "dataflow/first_value.h"

namespace millrace::dataflow {

FirstValue::FirstValue(const Accumulator& accumulator, const plan::Node& input)
    : accumulator_(accumulator),
      append_only_(input.append_only),
      wants_last_(accumulator.kind == plan::AggregateKind::kLast),
      rows_(input.output, accumulator.sort_key, input.order_column, {{static_cast<uint32_t>(accumulator.argument)}}),
      cursor_(bag_) {
  bag_.keep_sorted(rows_.header_bytes());
}

bool FirstValue::better(std::string_view a, std::string_view b) const {
  if (wants_last_) std::swap(a, b);
  return rows_.comparable(a) < rows_.comparable(b);
}

void FirstValue::update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys) {
  rows_.encode(batch);
  Accumulator counted = accumulator_;
  counted.argument = -1;  // NULL is a value like any other
  for_each_counted(counted, batch, states, [&](size_t row, char* at, int64_t diff) {
    reinterpret_cast<CountState*>(at)->count += diff;
    const std::string_view bytes = rows_.row(row);
    if (!append_only_) {
      bag_.add(bag_.find_or_insert(keys.hash(row), keys.row(row)), rows_.hash(row), bytes, diff);
      return;
    }
    const state::ValueTable::Slot best = best_.find(keys.hash(row), keys.row(row));
    if (!best || better(bytes, best.view())) best_.put(keys.hash(row), keys.row(row), bytes);
  });
}

bool FirstValue::best_of_bag(uint64_t hash, std::string_view key, std::string_view& row, int64_t& count) {
  const state::BagTable::Group group = bag_.find(hash, key);
  if (group == state::BagTable::kNone) return false;
  if (wants_last_) {
    cursor_.seek_end(group);
    return cursor_.previous(row, count);
  }
  cursor_.seek_first(group);
  return cursor_.next(row, count);
}

Status FirstValue::settle(uint64_t hash, std::string_view key, char*) {
  std::string_view row;
  int64_t count = 0;
  if (!append_only_ && best_of_bag(hash, key, row, count) && count < 0)
    return internal_error("an aggregate was asked to take away rows that it never got");
  return {};
}

std::string_view FirstValue::result_bytes(uint64_t hash, std::string_view key) {
  std::string_view row;
  int64_t count = 0;
  if (append_only_) {
    if (const state::ValueTable::Slot best = best_.find(hash, key)) row = best.view();
  } else {
    (void)best_of_bag(hash, key, row, count);
  }
  return row.empty() ? row : rows_.piece(row, 0);
}

void FirstValue::forget(uint64_t hash, std::string_view key) {
  if (append_only_) {
    best_.erase(hash, key);
    return;
  }
  const state::BagTable::Group group = bag_.find(hash, key);
  if (group != state::BagTable::kNone) bag_.clear_group(group);
}

Status FirstValue::finish_step() {
  bag_.release_empty();
  return {};
}

}  // namespace millrace::dataflow
