#include "formats/record_splitter.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "base/text.h"

namespace millrace::formats {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kStartBytesMax = 4096;  // after so much white space no array is expected any more

size_t skip_space(std::string_view bytes, size_t at) {
  while (at < bytes.size() && is_space(bytes[at])) ++at;
  return at;
}

}  // namespace

Error RecordSplitter::bad_array(std::string_view what, size_t at) const {
  return user_error(sqlstate::kInvalidText,
                    "the JSON array " + std::string(what) + " at byte " + std::to_string(position_ + at))
      .with_hint("it must be a whole JSON array, or one JSON object a line");
}

/// The record is bytes[0, end); the next one starts at `next_start`.
Split RecordSplitter::finish(std::string_view bytes, size_t end, size_t next_start) {
  std::string_view record = bytes.substr(0, end);
  if (place_ == Place::kLines && record.ends_with('\r')) record.remove_suffix(1);
  const uint64_t bytes_in_all = passed_over_ + record.size();
  const uint64_t position = position_ - passed_over_;
  const bool too_long = bytes_in_all > record_bytes_max_;
  if (too_long && passed_over_ == 0) beginning_ = record.substr(0, kTooLongBytesKept);
  scanned_ = 0;
  passed_over_ = 0;
  quoted_ = escaped_ = plain_value_ = false;
  field_start_ = true;
  depth_ = 0;
  position_ += next_start;
  ++line_;
  return {too_long ? SplitState::kTooLong : SplitState::kRecord,
          too_long ? std::string_view(beginning_) : record,
          next_start,
          line_,
          position,
          bytes_in_all};
}

/// All bytes belong to a record that goes on. One that is already too long is not kept.
Split RecordSplitter::need_more(std::string_view bytes) {
  scanned_ = bytes.size();
  // The last byte stays: it may be a \r that belongs to the line's end.
  if (passed_over_ + bytes.size() <= record_bytes_max_ + 1) return {};
  size_t used = bytes.size() - 1;
  if (passed_over_ == 0) beginning_ = bytes.substr(0, std::min(used, kTooLongBytesKept));
  scanned_ = 1;
  passed_over_ += used;
  position_ += used;
  return {SplitState::kNeedMore, {}, used};
}

/// What begins with `bytes`, the input behind its byte order mark and white space.
RecordSplitter::Place RecordSplitter::place_of_start(std::string_view bytes) {
  if (bytes.starts_with('[')) return Place::kArrayFirst;
  if (shape_ != RecordShape::kJson || !bytes.starts_with('{')) return Place::kLines;
  size_t end = scan_element(bytes);
  bool whole = end != std::string_view::npos && skip_space(bytes, end) == bytes.size();
  quoted_ = escaped_ = plain_value_ = false;
  depth_ = 0;
  return whole ? Place::kObject : Place::kLines;
}

Result<Split> RecordSplitter::find_start(std::string_view bytes, bool last) {
  if (!last && (bytes.size() < kByteOrderMark.size() || shape_ == RecordShape::kJson)) return Split{};
  size_t at = bytes.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  bool json = shape_ == RecordShape::kLinesOrArray || shape_ == RecordShape::kJson;
  size_t first = json ? skip_space(bytes, at) : at;
  if (first == bytes.size() && !last && first < kStartBytesMax) return Split{};
  place_ = json && first < kStartBytesMax ? place_of_start(bytes.substr(first)) : Place::kLines;
  if (place_ != Place::kLines) at = place_ == Place::kArrayFirst ? first + 1 : first;
  position_ += at;
  MR_ASSIGN(Split split, next(bytes.substr(at), last));
  split.used += at;
  return split;
}

/// The place of the line's \n, or npos when it is not in `bytes`.
size_t RecordSplitter::scan_line(std::string_view bytes) {
  if (shape_ != RecordShape::kCsv) {
    if (scanned_ >= bytes.size()) return std::string_view::npos;
    const void* found = std::memchr(bytes.data() + scanned_, '\n', bytes.size() - scanned_);
    return found == nullptr ? std::string_view::npos
                            : static_cast<size_t>(static_cast<const char*>(found) - bytes.data());
  }
  for (size_t at = scanned_; at < bytes.size(); ++at) {
    char c = bytes[at];
    if (quoted_) {  // a doubled quote closes and opens again
      if (c == '"') quoted_ = false;
      field_start_ = c == '"';
      continue;
    }
    if (c == '\n') return at;
    quoted_ = c == '"' && field_start_;
    field_start_ = c == delimiter_;
  }
  return std::string_view::npos;
}

Split RecordSplitter::next_line(std::string_view bytes, bool last) {
  size_t used = 0;
  while (true) {
    std::string_view rest = bytes.substr(used);
    size_t end = scan_line(rest);
    bool ended = end != std::string_view::npos;
    if (!ended && !last) {
      Split more = need_more(rest);
      more.used += used;
      return more;
    }
    if (!ended) end = rest.size();
    // Only an empty line is no record: one of spaces is a record that does not decode, and is kept as that.
    bool blank = passed_over_ == 0 && (end == 0 || rest.substr(0, end) == "\r");
    if (blank && !ended) return {SplitState::kEnd, {}, bytes.size()};
    Split split = finish(rest, end, ended ? end + 1 : end);
    used += split.used;
    if (blank) continue;  // but its line counts
    split.used = used;
    return split;
  }
}

/// The place behind the element that begins at 0, or npos when it goes on.
size_t RecordSplitter::scan_element(std::string_view bytes) {
  for (size_t at = scanned_; at < bytes.size(); ++at) {
    char c = bytes[at];
    if (quoted_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        quoted_ = false;
        if (depth_ == 0 && !plain_value_) return at + 1;
      }
    } else if (c == '"') {
      quoted_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      if (depth_ == 0) return at;
      if (--depth_ == 0) return at + 1;
    } else if (depth_ == 0) {
      if (c == ',' || is_space(c)) return at;
      plain_value_ = true;
    }
  }
  return std::string_view::npos;
}

Result<Split> RecordSplitter::next_element(std::string_view bytes, bool last) {
  size_t end = scan_element(bytes);
  if (end == std::string_view::npos) {
    if (last) return bad_array("does not end; it is cut off", bytes.size());
    return need_more(bytes);
  }
  if (end == 0 && passed_over_ == 0) return bad_array("has no element where one must be,", 0);
  place_ = Place::kAfterElement;
  return finish(bytes, end, end);
}

/// White space, commas and the closing bracket.
Result<Split> RecordSplitter::between_elements(std::string_view bytes, bool last) {
  size_t at = skip_space(bytes, 0);
  if (at == bytes.size()) {
    if (last && place_ != Place::kAfterArray) return bad_array("does not end; it is cut off", at);
    position_ += at;
    return Split{last ? SplitState::kEnd : SplitState::kNeedMore, {}, at};
  }
  char c = bytes[at];
  if (place_ == Place::kAfterArray) return bad_array("is followed by something else", at);
  if (c == ']' && (place_ == Place::kAfterElement || place_ == Place::kArrayFirst)) {
    place_ = Place::kAfterArray;
    ++at;
  } else if (place_ == Place::kAfterElement) {
    if (c != ',') return bad_array("has neither a comma nor its end", at);
    place_ = Place::kElement;
    at = skip_space(bytes, at + 1);
  } else {
    place_ = Place::kElement;
  }
  position_ += at;
  if (at == bytes.size() && !last) return Split{SplitState::kNeedMore, {}, at};
  MR_ASSIGN(Split split, next(bytes.substr(at), last));
  split.used += at;
  return split;
}

Result<Split> RecordSplitter::next(std::string_view bytes, bool last) {
  switch (place_) {
    case Place::kStart: return find_start(bytes, last);
    case Place::kLines: return next_line(bytes, last);
    case Place::kObject: {
      size_t end = scan_element(bytes);
      place_ = Place::kAfterArray;
      return finish(bytes, end, end);
    }
    case Place::kElement:
      // Behind a comma, white space may still come.
      if (scanned_ > 0 || passed_over_ > 0 || bytes.empty() || !is_space(bytes[0])) return next_element(bytes, last);
      return between_elements(bytes, last);
    case Place::kArrayFirst:
    case Place::kAfterElement:
    case Place::kAfterArray: break;
  }
  return between_elements(bytes, last);
}

Result<Records> split_records(std::string_view input, RecordShape shape, char delimiter, uint64_t records_max) {
  RecordSplitter splitter(shape, delimiter, std::numeric_limits<size_t>::max());
  Records out;
  while (true) {
    MR_ASSIGN(Split split, splitter.next(input, true));
    if (split.state == SplitState::kEnd) return out;
    if (out.records.size() >= records_max) {
      return user_error(sqlstate::kTooLarge,
                        "there are more records than one request may hold: " + std::to_string(records_max))
          .with_hint("send them in several requests");
    }
    if (out.lines.empty() && split.line != out.records.size() + 1) {
      for (size_t i = 0; i < out.records.size(); ++i) out.lines.push_back(i + 1);
    }
    if (!out.lines.empty() || split.line != out.records.size() + 1) out.lines.push_back(split.line);
    out.records.push_back(split.record);
    input.remove_prefix(split.used);
  }
}

}  // namespace millrace::formats
