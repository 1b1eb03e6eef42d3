// Where the records of a long input begin and end, as it comes in piece by piece. Nothing is copied or decoded: a
// record that is not valid is found all the same, and the decoder says what is wrong with it. One thread at a time.
// What is in memory as a whole, such as a request's body, is split by split_records.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::formats {

enum class RecordShape : uint8_t {
  kLines,         ///< a record a line; \n or \r\n; empty lines are left out
  kCsv,           ///< lines, but a line end inside a quoted field belongs to the record
  kLinesOrArray,  ///< JSON: an array when the first character is [, else lines
  kJson,          ///< as kLinesOrArray, or one object over several lines: waits for the whole input
};

enum class SplitState : uint8_t {
  kRecord,    ///< `record` is one
  kTooLong,   ///< a record of more than the limit ended; most of its bytes are passed over
  kNeedMore,  ///< give more bytes behind those that are not used
  kEnd,       ///< nothing is left
};

/// What is kept of a record that is too long, at its beginning; less when the limit is.
inline constexpr size_t kTooLongBytesKept = 1024;

struct Split {
  SplitState state = SplitState::kNeedMore;
  std::string_view record;  ///< a view into the bytes given; of kTooLong its beginning, which lives until the next call
  size_t used = 0;          ///< bytes at the front that are done with, in every state
  uint64_t line = 0;        ///< of the record, from 1, empty lines counted; in an array: its place
  uint64_t position = 0;    ///< of the record's first byte in the input
  uint64_t bytes = 0;       ///< of the whole record
};

class RecordSplitter {
 public:
  RecordSplitter(RecordShape shape, char delimiter, size_t record_bytes_max)
      : shape_(shape), delimiter_(delimiter), record_bytes_max_(record_bytes_max) {}

  /// Looks at the bytes that were not used yet, in order; `last`: nothing comes behind them. The result does not depend
  /// on how the input was cut. Fails with kInvalidText when a JSON array is malformed between its elements or does not
  /// end.
  Result<Split> next(std::string_view bytes, bool last);

 private:
  enum class Place : uint8_t { kStart, kLines, kObject, kArrayFirst, kElement, kAfterElement, kAfterArray };

  Split finish(std::string_view bytes, size_t end, size_t next_start);
  Split need_more(std::string_view bytes);
  Result<Split> find_start(std::string_view bytes, bool last);
  Place place_of_start(std::string_view bytes);
  Split next_line(std::string_view bytes, bool last);
  size_t scan_line(std::string_view bytes);
  Result<Split> next_element(std::string_view bytes, bool last);
  size_t scan_element(std::string_view bytes);
  Result<Split> between_elements(std::string_view bytes, bool last);
  Error bad_array(std::string_view what, size_t at) const;

  const RecordShape shape_;
  const char delimiter_;
  const size_t record_bytes_max_;
  Place place_ = Place::kStart;
  uint64_t line_ = 0;         // of the record that was found last
  uint64_t position_ = 0;     // of bytes[0] in the input, for messages
  size_t scanned_ = 0;        // bytes of the present record that were looked at
  uint64_t passed_over_ = 0;  // bytes of the present record that were given up because it is too long
  std::string beginning_;     // of a record that is too long
  bool quoted_ = false;       // inside "…"
  bool escaped_ = false;      // JSON: behind a backslash
  bool field_start_ = true;   // CSV
  bool plain_value_ = false;  // JSON: a value without brackets has begun
  uint64_t depth_ = 0;        // JSON: open brackets
};

struct Records {
  std::vector<std::string_view> records;  ///< views into the input
  std::vector<uint64_t> lines;            ///< of each record, as Split::line; empty when it is index + 1

  uint64_t line_of(size_t index) const { return lines.empty() ? index + 1 : lines[index]; }
};

/// All records of an input that is in memory as a whole. Fails as RecordSplitter::next does, and with kTooLarge at more
/// than `records_max`.
Result<Records> split_records(std::string_view input, RecordShape shape, char delimiter, uint64_t records_max);

}  // namespace millrace::formats
