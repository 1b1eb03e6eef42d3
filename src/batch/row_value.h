// How single values lie in encoded rows: the typed pieces that RowCodec is made of. Private to batch/.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "batch/batch.h"
#include "batch/row_codec.h"

namespace millrace::batch {

/// Carried left as SQL compares intervals: 24 hours to a day, 30 days to a month; what months cannot hold goes back
/// right.
Interval canonical_interval(Interval value);

template <bool kAsKey, typename T>
T canonical(T value) {
  if constexpr (kAsKey && std::is_floating_point_v<T>) {
    if (value == T{0}) return T{0};
    if (std::isnan(value)) return std::numeric_limits<T>::quiet_NaN();
  }
  if constexpr (kAsKey && std::is_same_v<T, Interval>) return canonical_interval(value);
  return value;
}

/// Calls `body` with a value of the C++ type that a fixed-width layout has in memory.
template <typename Body>
decltype(auto) with_fixed_type(Layout layout, Body&& body) {
  switch (layout) {
    case Layout::kBool:
    case Layout::kInt8:
    case Layout::kUint8: return body(uint8_t{});
    case Layout::kInt16:
    case Layout::kUint16: return body(uint16_t{});
    case Layout::kInt32:
    case Layout::kUint32: return body(uint32_t{});
    case Layout::kInt64:
    case Layout::kUint64: return body(uint64_t{});
    case Layout::kInt128:
    case Layout::kUint128: return body(int128{});
    case Layout::kFloat: return body(float{});
    case Layout::kDouble: return body(double{});
    case Layout::kInterval: return body(Interval{});
    default: MR_CHECK(false, "not a fixed-width layout");
  }
}

inline size_t varint_bytes(uint64_t value) { return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7; }

inline char* write_varint(char* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

/// A column with what is inside it, resolved once a batch so that rows need no look-ups.
struct NestedView {
  NestedView(const ValueLayout& layout, const ColumnView& view);

  const ValueLayout* layout;
  ColumnView view;
  std::vector<NestedView> children;
};

/// Bytes that the value in `row` takes; it is not NULL.
size_t nested_bytes(const NestedView& nested, size_t row);
/// Writes it and returns the end.
char* write_nested(const NestedView& nested, size_t row, RowForm form, char* out);
/// Reads a value of any layout into `row` of `column`.
Status read_nested(const ValueLayout& layout, ByteReader& reader, MutableColumn column, size_t row);

}  // namespace millrace::batch
