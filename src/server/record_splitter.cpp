#include "server/record_splitter.h"

#include <cstring>
#include <string>

#include "base/text.h"

namespace millrace::server {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Error too_many(uint64_t records_max) {
  return user_error(sqlstate::kTooLarge,
                    "the body holds more records than one request may: " + std::to_string(records_max))
      .with_hint("send them in several requests");
}

Error bad_array(std::string_view what, size_t at) {
  return user_error(sqlstate::kInvalidText, "the JSON array " + std::string(what) + " at byte " + std::to_string(at))
      .with_hint("nothing was stored; send a whole array, or one JSON object a line");
}

/// The byte behind the JSON value that starts at `at`, by brackets and quotes alone; npos when the body ends before it.
/// A value without brackets ends before a comma, a bracket or white space.
size_t value_end(std::string_view body, size_t at) {
  size_t depth = 0;
  for (size_t i = at; i < body.size(); ++i) {
    char c = body[i];
    if (c == '"') {
      for (++i; i < body.size() && body[i] != '"'; ++i) i += body[i] == '\\';
      if (i >= body.size()) return std::string_view::npos;
      if (depth == 0) return i + 1;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return i;
      if (--depth == 0) return i + 1;
    } else if (depth == 0 && (c == ',' || is_space(c))) {
      return i;
    }
  }
  return depth == 0 ? body.size() : std::string_view::npos;
}

size_t skip_space(std::string_view body, size_t at) {
  while (at < body.size() && is_space(body[at])) ++at;
  return at;
}

/// `at` is the byte behind the opening bracket.
Result<Records> split_array(std::string_view body, size_t at, uint64_t records_max) {
  Records out;
  at = skip_space(body, at);
  bool more = at >= body.size() || body[at] != ']';
  while (more) {
    size_t end = value_end(body, at);
    if (end == std::string_view::npos || at >= body.size()) return bad_array("does not end; an element begins", at);
    if (end == at) return bad_array("has no element where one must be,", at);
    if (out.records.size() >= records_max) return too_many(records_max);
    out.records.push_back(body.substr(at, end - at));
    at = skip_space(body, end);
    if (at >= body.size()) return bad_array("does not end; it is cut off", at);
    more = body[at] == ',';
    if (!more && body[at] != ']') return bad_array("has neither a comma nor its end", at);
    if (more) at = skip_space(body, at + 1);
  }
  size_t rest = skip_space(body, at + 1);
  if (rest < body.size()) return bad_array("is followed by something else", rest);
  return out;
}

size_t line_end(std::string_view body, size_t at) {
  const void* found = std::memchr(body.data() + at, '\n', body.size() - at);
  return found == nullptr ? body.size() : static_cast<size_t>(static_cast<const char*>(found) - body.data());
}

size_t csv_record_end(std::string_view body, size_t at) {
  bool quoted = false;
  for (; at < body.size(); ++at) {
    if (body[at] == '"') quoted = !quoted;
    if (body[at] == '\n' && !quoted) return at;
  }
  return at;
}

Result<Records> split_lines(std::string_view body, bool csv, uint64_t records_max) {
  Records out;
  uint64_t line = 0;
  for (size_t at = 0; at < body.size();) {
    size_t end = csv ? csv_record_end(body, at) : line_end(body, at);
    std::string_view record = body.substr(at, end - at);
    at = end + 1;
    ++line;
    if (record.ends_with('\r')) record.remove_suffix(1);
    // Only an empty line is no record: one of spaces is a record that does not decode, and is kept as that.
    if (record.empty()) {
      if (out.lines.empty()) {
        out.lines.reserve(out.records.size() + 64);
        for (size_t i = 0; i < out.records.size(); ++i) out.lines.push_back(i + 1);
      }
      if (out.records.empty()) out.lines.clear();
      continue;
    }
    if (out.records.size() >= records_max) return too_many(records_max);
    if (!out.lines.empty() || line != out.records.size() + 1) out.lines.push_back(line);
    out.records.push_back(record);
  }
  return out;
}

}  // namespace

Result<Records> split_records(std::string_view body, BodyShape shape, uint64_t records_max) {
  if (body.starts_with(kByteOrderMark)) body.remove_prefix(kByteOrderMark.size());
  size_t start = shape == BodyShape::kJson || shape == BodyShape::kLinesOrArray ? skip_space(body, 0) : body.size();
  if (start < body.size() && body[start] == '[') return split_array(body, start + 1, records_max);
  if (shape == BodyShape::kJson && start < body.size() && body[start] == '{') {
    size_t end = value_end(body, start);
    if (end != std::string_view::npos && skip_space(body, end) == body.size())
      return Records{{body.substr(start, end - start)}, {}};
  }
  return split_lines(body, shape == BodyShape::kCsv, records_max);
}

}  // namespace millrace::server
