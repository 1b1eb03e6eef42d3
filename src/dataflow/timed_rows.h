// Private to dataflow/: what operators share that keep rows in the order of their time and look at keys when the
// watermark comes to them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "state/table.h"

namespace millrace::dataflow {

/// Stops at the ends of time.
inline int64_t add_time(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? INT64_MAX : INT64_MIN;
}

/// A time in front of a kept row: 8 bytes, big endian with the sign flipped, so that bytes compare as times.
inline constexpr size_t kTimeBytes = 8;
inline void append_time(std::string& out, int64_t time) {
  append_big(out, static_cast<uint64_t>(time) ^ (uint64_t{1} << 63));
}
inline int64_t time_of(std::string_view kept) {
  uint64_t bits;
  std::memcpy(&bits, kept.data(), sizeof bits);
  return static_cast<int64_t>(__builtin_bswap64(bits) ^ (uint64_t{1} << 63));
}

/// Keys of a table by the time at which to look at them.
class KeysByTime {
 public:
  struct Keys {
    std::string bytes;
    std::vector<std::pair<uint64_t, uint32_t>> entries;  // hash and length

    template <typename Visit>
    Status for_each(Visit&& visit) const {
      size_t at = 0;
      for (const auto& [hash, length] : entries) {
        MR_TRY(visit(hash, std::string_view(bytes).substr(at, length)));
        at += length;
      }
      return {};
    }
  };

  void add(int64_t time, uint64_t hash, std::string_view key) {
    Keys& keys = by_time_[time];
    keys.bytes.append(key);
    keys.entries.emplace_back(hash, static_cast<uint32_t>(key.size()));
  }
  bool empty() const { return by_time_.empty(); }
  int64_t earliest() const { return by_time_.begin()->first; }
  Keys take_earliest() {
    Keys keys = std::move(by_time_.begin()->second);
    by_time_.erase(by_time_.begin());
    return keys;
  }

 private:
  std::map<int64_t, Keys> by_time_;
};

/// Groups of at most this many rows are looked through without putting them in order.
inline constexpr size_t kScanRows = 16;

/// Visits the rows (row bytes, count) of a group whose time is within [from, to]: in the order of their bytes, unless
/// the group is small.
template <typename Visit>
Status for_each_between(state::BagTable& table, state::BagTable::Group group, int64_t from, int64_t to, Visit&& visit) {
  std::string_view row;
  int64_t count;
  if (table.rows(group) <= kScanRows) {
    state::BagTable::RowCursor cursor(table, group);
    while (cursor.next(row, count)) {
      const int64_t time = time_of(row);
      if (time >= from && time <= to) MR_TRY(visit(row, count));
    }
    return {};
  }
  std::string first;
  append_time(first, from);
  state::BagTable::SortedCursor cursor(table);
  cursor.seek(group, first);
  while (cursor.next(row, count) && time_of(row) <= to) MR_TRY(visit(row, count));
  return {};
}

/// The first `rows` rows of a group in the order of their bytes, at most 2; empty where there are fewer.
inline std::pair<std::string_view, std::string_view> first_rows(state::BagTable& table, state::BagTable::Group group,
                                                                size_t rows) {
  std::pair<std::string_view, std::string_view> first;
  std::string_view row;
  int64_t count;
  if (table.rows(group) > kScanRows) {
    state::BagTable::SortedCursor cursor(table);
    cursor.seek_first(group);
    if (cursor.next(row, count)) first.first = row;
    if (rows > 1 && cursor.next(row, count)) first.second = row;
    return first;
  }
  state::BagTable::RowCursor cursor(table, group);
  while (cursor.next(row, count)) {
    if (first.first.empty() || row < first.first) {
      first.second = std::exchange(first.first, row);
    } else if (first.second.empty() || row < first.second) {
      first.second = row;
    }
  }
  return first;
}

}  // namespace millrace::dataflow
