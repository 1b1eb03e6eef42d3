#include "dataflow/listed_values.h"

#include "base/bytes.h"

namespace millrace::dataflow {

namespace {

constexpr size_t kBitmapBytes = 1;  // of a row of one column

std::vector<batch::Type> only(const batch::Type& type) { return {type}; }

}  // namespace

ListedValues::ListedValues(const Accumulator& accumulator, std::string separator, const plan::Node& input)
    : accumulator_(accumulator),
      is_text_(accumulator.kind == plan::AggregateKind::kStringAgg),
      separator_(std::move(separator)),
      rows_(input.output, accumulator.sort_key, input.order_column, {{static_cast<uint32_t>(accumulator.argument)}}),
      result_(batch::RowCodec::of_all(only(accumulator.result), batch::RowForm::kExact)),
      cursor_(bag_) {
  bag_.keep_sorted(rows_.header_bytes());
}

void ListedValues::update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys) {
  rows_.encode(batch);
  Accumulator counted = accumulator_;
  if (!is_text_) counted.argument = -1;  // NULL is an element like any other
  for_each_counted(counted, batch, states, [&](size_t row, char* at, int64_t diff) {
    reinterpret_cast<CountState*>(at)->count += diff;
    const int64_t now =
        bag_.add(bag_.find_or_insert(keys.hash(row), keys.row(row)), rows_.hash(row), rows_.row(row), diff);
    negative_ |= now < 0;
  });
}

Status ListedValues::settle(uint64_t hash, std::string_view key, char*) {
  if (!negative_) return {};
  const state::BagTable::Group group = bag_.find(hash, key);
  if (group == state::BagTable::kNone) return {};
  bool negative = false;
  bag_.for_each_row(group, [&](std::string_view, int64_t count) { negative |= count < 0; });
  if (negative) return internal_error("an aggregate was asked to take away rows that it never got");
  return {};
}

template <typename Visit>
void ListedValues::for_each_value(state::BagTable::Group group, Visit&& visit) {
  std::string_view row;
  int64_t count = 0;
  cursor_.seek_first(group);
  while (cursor_.next(row, count)) visit(rows_.piece(row, 0), count);
}

std::string_view ListedValues::result_bytes(uint64_t hash, std::string_view key) {
  const state::BagTable::Group group = bag_.find(hash, key);
  if (group == state::BagTable::kNone || bag_.rows(group) == 0) return {};
  bytes_.assign(kBitmapBytes, '\0');
  if (is_text_) {
    put_text(group);
  } else {
    put_list(group);
  }
  return bytes_;
}

void ListedValues::put_list(state::BagTable::Group group) {
  elements_.clear();
  std::string nulls;
  size_t elements = 0;
  for_each_value(group, [&](std::string_view piece, int64_t copies) {
    const bool is_null = batch::RowCodec::is_null(piece, 0);
    for (int64_t copy = 0; copy < copies; ++copy, ++elements) {
      if (elements % 8 == 0) nulls.push_back('\0');
      if (is_null) {
        nulls.back() = static_cast<char>(nulls.back() | (1 << (elements % 8)));
      } else {
        elements_.append(piece.substr(kBitmapBytes));
      }
    }
  });
  append_varint(bytes_, elements);
  bytes_.append(nulls).append(elements_);
}

void ListedValues::put_text(state::BagTable::Group group) {
  elements_.clear();
  bool first = true;
  for_each_value(group, [&](std::string_view piece, int64_t copies) {
    const std::string_view text = ByteReader(piece.substr(kBitmapBytes)).string().value();
    for (int64_t copy = 0; copy < copies; ++copy) {
      if (!first) elements_.append(separator_);
      elements_.append(text);
      first = false;
    }
  });
  append_string(bytes_, elements_);
}

void ListedValues::forget(uint64_t hash, std::string_view key) {
  const state::BagTable::Group group = bag_.find(hash, key);
  if (group != state::BagTable::kNone) bag_.clear_group(group);
}

Status ListedValues::finish_step() {
  negative_ = false;
  bag_.release_empty();
  return {};
}

}  // namespace millrace::dataflow
