#include "server/error_answer.h"

#include <algorithm>

#include "base/text.h"

namespace millrace::server {
namespace {

struct StatusOfCode {
  std::string_view code;
  unsigned status;
};

/// Codes whose status does not follow from whose fault it is.
constexpr StatusOfCode kStatusOfCode[] = {
    {sqlstate::kUndefinedTable, 404}, {sqlstate::kReadOnly, 403},    {sqlstate::kTooLarge, 413},
    {sqlstate::kDiskFull, 507},       {sqlstate::kUnavailable, 503}, {sqlstate::kCancelled, 503},
};

void append_member(std::string& out, std::string_view name, std::string_view value) {
  append_json_string(out, name);
  out += ':';
  append_json_string(out, value);
}

void append_position(std::string& out, const SourceSpan& span, std::string_view text) {
  out += "{\"offset\":" + std::to_string(span.offset) + ",\"length\":" + std::to_string(span.length);
  if (!text.empty() && span.offset <= text.size()) {
    std::string_view before = text.substr(0, span.offset);
    size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    out += ",\"line\":" + std::to_string(std::count(before.begin(), before.end(), '\n') + 1);
    out += ",\"column\":" + std::to_string(span.offset - line_start + 1);
  }
  out += '}';
}

}  // namespace

unsigned status_of(const Error& error) {
  for (const StatusOfCode& entry : kStatusOfCode) {
    if (error.code == entry.code) return entry.status;
  }
  if (error.fault == Fault::kUser) return 400;
  return error.retry == Retry::kNever ? 500 : 503;
}

std::string error_json(const Error& error, std::string_view text) {
  std::string out = "{\"error\":{";
  append_member(out, "code", error.code);
  out += ',';
  append_member(out, "message", error.message);
  out += ",\"position\":";
  if (error.position) {
    append_position(out, *error.position, text);
  } else {
    out += "null";
  }
  out += ",\"hint\":";
  if (error.hint.empty()) {
    out += "null";
  } else {
    append_json_string(out, error.hint);
  }
  out += "}}\n";
  return out;
}

Response error_answer(unsigned status, const Error& error, std::string_view text) {
  Response response;
  response.status = status;
  response.body = error_json(error, text);
  if (status == 503 || status == 429) response.headers.emplace_back("Retry-After", "1");
  return response;
}

Response busy_answer(std::string_view what) {
  return error_answer(503, external_error(sqlstate::kUnavailable, std::string(what), Retry::kBackoff)
                               .with_hint("nothing was stored; try again in a second"));
}

}  // namespace millrace::server
