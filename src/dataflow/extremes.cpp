#include "dataflow/extremes.h"

#include <cmath>

#include "base/hash.h"

namespace millrace::dataflow {

using batch::Layout;

namespace {

// ExtremeState::stale: the extreme was taken away and is a bound for what is left; or not even that.
constexpr int64_t kOnlyBound = 1;
constexpr int64_t kNoBound = 2;

template <typename T>
bool less(const char* a, const char* b) {
  T left, right;
  std::memcpy(&left, a, sizeof left);
  std::memcpy(&right, b, sizeof right);
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(left)) return false;  // NaN is the greatest
    if (std::isnan(right)) return true;
  }
  return left < right;
}

/// Months have 30 days and days 24 hours, as DuckDB compares.
bool less_interval(const char* a, const char* b) {
  auto micros = [](const char* at) {
    struct {
      int32_t months, days;
      int64_t micros;
    } interval;
    std::memcpy(&interval, at, sizeof interval);
    const int64_t days = int64_t{interval.months} * 30 + interval.days;
    return static_cast<batch::int128>(days) * 86400000000 + interval.micros;
  };
  return micros(a) < micros(b);
}

}  // namespace

Extremes::Less Extremes::less_of(Layout layout) {
  switch (layout) {
    case Layout::kBool:
    case Layout::kUint8: return less<uint8_t>;
    case Layout::kInt8: return less<int8_t>;
    case Layout::kInt16: return less<int16_t>;
    case Layout::kInt32: return less<int32_t>;
    case Layout::kInt64: return less<int64_t>;
    case Layout::kInt128: return less<batch::int128>;
    case Layout::kUint16: return less<uint16_t>;
    case Layout::kUint32: return less<uint32_t>;
    case Layout::kUint64: return less<uint64_t>;
    case Layout::kUint128: return less<unsigned __int128>;
    case Layout::kFloat: return less<float>;
    case Layout::kDouble: return less<double>;
    case Layout::kInterval: return less_interval;
    default: return nullptr;
  }
}

Result<std::unique_ptr<Extremes>> Extremes::make(const Accumulator& accumulator, bool append_only) {
  const Less less = less_of(accumulator.argument_type.layout());
  if (!less && accumulator.argument_type.layout() != Layout::kString) {
    return internal_error("min() or max() was planned as fast over " + accumulator.argument_type.name());
  }
  return std::unique_ptr<Extremes>(new Extremes(accumulator, append_only, less));  // its constructor is private
}

Extremes::Extremes(const Accumulator& accumulator, bool append_only, Less less)
    : accumulator_(accumulator),
      append_only_(append_only),
      text_(accumulator.argument_type.layout() == Layout::kString),
      wants_max_(accumulator.kind == plan::AggregateKind::kMax),
      less_(less) {}

bool Extremes::better(std::string_view a, std::string_view b) const {
  if (wants_max_) std::swap(a, b);
  return text_ ? a < b : less_(a.data(), b.data());
}

std::string_view Extremes::current(const Group& group) {
  if (text_) return result_bytes(group.hash, group.key);
  return {group.state->value, accumulator_.argument_type.width()};
}

void Extremes::set_current(const Group& group, std::string_view value) {
  group.state->stale = 0;
  if (!text_) {
    std::memcpy(group.state->value, value.data(), value.size());
    return;
  }
  scratch_.assign(1, 'v').append(value);
  texts_.put(group.hash, group.key, scratch_);
}

std::string_view Extremes::result_bytes(uint64_t hash, std::string_view key) {
  const state::ValueTable::Slot slot = texts_.find(hash, key);
  return slot ? slot.view().substr(1) : std::string_view();
}

Status Extremes::write_result(std::string_view bytes, batch::Batch& batch, size_t row, size_t column) const {
  batch.mutable_column(column).set_string(row, bytes);
  return {};
}

void Extremes::insert_only(const Group& group, std::string_view value) {
  if (group.state->count == 0 || better(value, current(group))) set_current(group, value);
}

void Extremes::change(const Group& group, std::string_view value, int64_t diff) {
  const state::BagTable::Group bag = values_.find_or_insert(group.hash, group.key);
  const int64_t left = values_.add(bag, hash_bytes(value), value, diff);
  ExtremeState& state = *group.state;
  if (state.stale == kNoBound) return;
  if (state.count == 0) {
    if (left > 0 && values_.rows(bag) == 1) return set_current(group, value);
    state.stale = kNoBound;  // a retraction came before its insertion
    return;
  }
  const std::string_view extreme = current(group);
  const bool is_better = better(value, extreme);
  const bool is_equal = !is_better && !better(extreme, value);
  if (left > 0 && (is_better || is_equal)) return set_current(group, value);
  if (left <= 0 && is_equal) state.stale = kOnlyBound;
}

void Extremes::update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys) {
  const batch::ColumnView column = batch.column(static_cast<size_t>(accumulator_.argument));
  const size_t width = accumulator_.argument_type.width();
  for_each_counted(accumulator_, batch, states, [&](size_t row, char* at, int64_t diff) {
    auto* state = reinterpret_cast<ExtremeState*>(at);
    const Group group{keys.hash(row), keys.row(row), state};
    const std::string_view value =
        text_ ? column.at<batch::StringRef>(row).view()
              : std::string_view(static_cast<const char*>(column.data_) + column.index(row) * width, width);
    if (append_only_) {
      insert_only(group, value);
    } else {
      change(group, value, diff);
    }
    state->count += diff;
  });
}

Status Extremes::settle(uint64_t hash, std::string_view key, char* group_value) {
  auto* state = reinterpret_cast<ExtremeState*>(group_value + accumulator_.offset);
  if (state->count == 0) {
    state->stale = 0;
    if (text_ && !append_only_) texts_.erase(hash, key);
  }
  if (state->stale == 0) return {};
  const Group group{hash, key, state};
  const state::BagTable::Group values = values_.find(hash, key);
  MR_CHECK(values != state::BagTable::kNone, "a group with values has no bag of them");
  std::string_view best;
  bool found = false;
  values_.for_each_row(values, [&](std::string_view value, int64_t count) {
    if (count <= 0 || (found && !better(value, best))) return;
    best = value;
    found = true;
  });
  MR_CHECK(found, "a group's values do not add up to its count");
  set_current(group, best);
  return {};
}

void Extremes::forget(uint64_t hash, std::string_view key) {
  if (text_) texts_.erase(hash, key);
  if (append_only_) return;
  const state::BagTable::Group values = values_.find(hash, key);
  if (values != state::BagTable::kNone) values_.clear_group(values);
}

Status Extremes::finish_step() {
  values_.release_empty();
  return {};
}

}  // namespace millrace::dataflow
