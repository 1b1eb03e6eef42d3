#include "ledger/render.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace millrace::ledger {

namespace {

std::string stream_name(const Report& report, StreamId stream) {
  for (const HopTotal& total : report.totals) {
    if (total.stream == stream && !total.stream_name.empty()) return total.stream_name;
  }
  return "stream " + std::to_string(stream.value);
}

std::string numbers_of(const Verdict& verdict) {
  std::vector<std::string> parts;
  const auto add = [&](uint64_t rows, const char* what) {
    if (rows > 0) parts.push_back(format_count(static_cast<int64_t>(rows)) + " " + what);
  };
  add(verdict.lost, "lost");
  add(verdict.repeated, "repeated");
  add(verdict.in_flight, "in flight");
  return join(parts, ", ");
}

}  // namespace

const char* kind_name(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::kClosed: return "closed";
    case VerdictKind::kInFlight: return "in flight";
    case VerdictKind::kLost: return "lost";
    case VerdictKind::kRepeated: return "repeated";
    case VerdictKind::kSwapped: return "swapped";
    case VerdictKind::kMixed: return "mixed";
  }
  return "unknown";
}

std::string render(const Report& report) {
  size_t stream_width = 6;
  size_t hop_width = 3;
  size_t count_width = 4;
  for (const HopTotal& total : report.totals) {
    stream_width = std::max(stream_width, stream_name(report, total.stream).size());
    hop_width = std::max(hop_width, total.hop.size());
    count_width = std::max(count_width, format_count(static_cast<int64_t>(total.count)).size());
  }
  std::string out = fmt::format("{:<{}}  {:<{}}  {:>{}}  {}\n", "stream", stream_width, "hop", hop_width, "rows",
                                count_width, "fingerprint");
  for (const HopTotal& total : report.totals) {
    out += fmt::format("{:<{}}  {:<{}}  {:>{}}  {:016x}\n", stream_name(report, total.stream), stream_width, total.hop,
                       hop_width, format_count(static_cast<int64_t>(total.count)), count_width, total.fingerprint);
  }
  for (const Verdict& verdict : report.open) {
    out += fmt::format("{}: {} -> {}, minute {}: {}: {}", stream_name(report, verdict.stream), verdict.from, verdict.to,
                       format_iso8601(verdict.minute), kind_name(verdict.kind), numbers_of(verdict));
    out += verdict.detail.empty() ? "\n" : " (" + verdict.detail + ")\n";
  }
  if (report.closed) {
    out += report.open.empty() ? "the books are closed\n" : "the books are closed, but for what is in flight\n";
  } else {
    out += "the books are NOT closed\n";
  }
  return out;
}

std::string to_json(const Report& report) {
  std::string out = report.closed ? R"({"closed":true,"totals":[)" : R"({"closed":false,"totals":[)";
  const char* separator = "";
  for (const HopTotal& total : report.totals) {
    out += fmt::format(R"({}{{"stream":{},"hop":{},"count":{},"fingerprint":"{:016x}"}})",
                       std::exchange(separator, ","), json_string(stream_name(report, total.stream)),
                       json_string(total.hop), total.count, total.fingerprint);
  }
  out += R"(],"open":[)";
  separator = "";
  for (const Verdict& verdict : report.open) {
    out += fmt::format(
        R"({}{{"stream":{},"from":{},"to":{},"minute":"{}","kind":"{}","lost":{},"repeated":{},"in_flight":{},"detail":{}}})",
        std::exchange(separator, ","), json_string(stream_name(report, verdict.stream)), json_string(verdict.from),
        json_string(verdict.to), format_iso8601(verdict.minute), kind_name(verdict.kind), verdict.lost,
        verdict.repeated, verdict.in_flight, json_string(verdict.detail));
  }
  return out + "]}";
}

}  // namespace millrace::ledger
