#include "app/producer.h"

#include <algorithm>
#include <cstdio>

#include "app/console.h"
#include "app/json_text.h"
#include "base/text.h"

namespace millrace::app {
namespace {

constexpr size_t kReasonsMax = 10;
constexpr Duration kBackoffFirst = Duration::from_millis(100);
constexpr Duration kBackoffMax = Duration::from_seconds(5);

std::string random_key(Env& env) {
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(env.random().next()),
                static_cast<unsigned long long>(env.random().next()));
  return text;
}

uint64_t number_of(std::optional<std::string_view> json) {
  auto value = parse_integer("number", json.value_or("0"), 0, INT64_MAX);
  return value.ok() ? static_cast<uint64_t>(*value) : 0;
}

/// What the server asks for with Retry-After, if it does, else `backoff`.
Duration pause_after(const HttpResponse& response, Duration backoff) {
  auto seconds = parse_integer("Retry-After", response.header("retry-after"), 0, 60);
  if (!seconds.ok()) return backoff;
  return std::max(backoff, std::min(Duration::from_seconds(*seconds), kBackoffMax));
}

}  // namespace

Producer::Producer(Env& env, Remote& remote, std::string stream, ProducerOptions options)
    : env_(env),
      remote_(remote),
      target_("/v1/streams/" + url_escape(stream) + (options.validate ? "?validate=1" : "")),
      options_(options),
      key_(random_key(env)) {}

Status Producer::take(std::string_view bytes) {
  buffer_.append(bytes);
  size_t begin = 0;
  while (buffer_.size() - begin >= options_.chunk_bytes) {
    size_t end = buffer_.rfind('\n', begin + options_.chunk_bytes - 1);
    if (end == std::string::npos || end < begin) end = buffer_.find('\n', begin + options_.chunk_bytes);
    if (end == std::string::npos) break;
    MR_TRY(send(std::string_view(buffer_).substr(begin, end + 1 - begin)));
    begin = end + 1;
  }
  buffer_.erase(0, begin);
  return {};
}

Status Producer::finish() {
  if (!trim(buffer_).empty()) MR_TRY(send(buffer_));
  buffer_.clear();
  return {};
}

Status Producer::send(std::string_view lines) {
  HttpRequest request{"POST", target_, {}, std::string(lines), true};
  request.headers.emplace_back("Content-Type", "application/x-ndjson");
  request.headers.emplace_back("Idempotency-Key", key_ + "-" + std::to_string(chunks_++));
  MR_ASSIGN(HttpResponse response, send_until_taken(request));
  uint64_t lines_before = totals_.lines;
  totals_.lines +=
      static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n')) + (lines.ends_with('\n') ? 0 : 1);
  totals_.bytes += lines.size();
  return note(response.body, lines_before);
}

Result<HttpResponse> Producer::send_until_taken(const HttpRequest& request) {
  Duration backoff = kBackoffFirst;
  Duration begin = env_.clock().monotonic();
  while (true) {
    auto response = remote_.client().send(request);
    if (response.ok() && response->status == 200) return response;
    Error error = response.ok() ? error_of(*response) : response.error();
    // Whatever the server failed at: under its key the chunk is stored once.
    bool may_help = error.retry == Retry::kBackoff || error.fault == Fault::kExternal;
    bool in_time = env_.clock().monotonic().micros - begin.micros < options_.retry_for.micros;
    if (!may_help || !in_time) return error;
    if (backoff.micros == kBackoffFirst.micros) {
      write_message("waiting, for " + std::to_string(options_.retry_for.micros / 1000000) +
                    " s at most: " + error.message);
    }
    ++totals_.retries;
    env_.clock().sleep_for(response.ok() ? pause_after(*response, backoff) : backoff);
    backoff = std::min(Duration{backoff.micros * 2}, kBackoffMax);
  }
}

Status Producer::note(std::string_view body, uint64_t lines_before) {
  totals_.accepted += number_of(json_member(body, "accepted"));
  auto rejected = json_member(body, "rejected");
  if (!rejected) return {};
  MR_ASSIGN(auto lines, json_elements(*rejected));
  totals_.rejected += lines.size();
  for (std::string_view line : lines) {
    if (totals_.reasons.size() >= kReasonsMax) break;
    totals_.reasons.push_back("line " + std::to_string(lines_before + number_of(json_member(line, "line"))) + ": " +
                              json_unquoted(json_member(line, "error").value_or("rejected")));
  }
  return {};
}

}  // namespace millrace::app
