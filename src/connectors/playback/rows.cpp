#include "connectors/playback/rows.h"

#include <algorithm>
#include <cstdio>

namespace millrace::connectors::playback {
namespace {

constexpr int64_t kSecond = 1'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kPreviewPpm = 30'000;
constexpr uint32_t kSessionsPerUnknownTitle = 3;
constexpr int64_t kDecoyRuntimeHours = 3;  ///< 1.5 units are 50,000 views; decoys stay below

std::string id(char letter, size_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "%c%06zu", letter, number);
  return text;
}

uint64_t row_seed(uint64_t seed, size_t row_index) {
  return mix64(mix64(seed ^ 0x706c61796261636bULL) + static_cast<uint64_t>(row_index));
}

/// A stream apart from the one that makes the row's sessions.
SplitMix64 time_random(uint64_t seed, size_t row_index) { return SplitMix64(~row_seed(seed, row_index)); }

bool decoy_is_show(size_t decoy) { return decoy % 2 == 0; }

Row listed_row(const Title& title, size_t index, const Options& options) {
  Row row;
  row.role = Role::kListed;
  row.show = title.kind == "Show";
  row.title_id = id('t', index + 1);
  const int64_t units = title.hours_viewed / kPublishedStep;
  SplitMix64 random = time_random(options.seed, index);
  row.play_ms = units * options.unit_ms + random.below(options.unit_ms) - options.unit_ms / 2;
  row.cap_ms = std::clamp(title.runtime.millis(), kMinute, 2 * kHour);
  row.earliest_ms = title.release_ms < options.window_end_ms ? title.release_ms : 0;
  return row;
}

Row decoy_row(size_t decoy, size_t index, const Options& options) {
  Row row;
  row.role = Role::kDecoy;
  row.show = decoy_is_show(decoy);
  row.title_id = id('d', decoy);
  SplitMix64 random = time_random(options.seed, index);
  row.play_ms = options.unit_ms / 5 + random.below(options.unit_ms * 6 / 5);
  row.cap_ms = 2 * kHour;
  return row;
}

Row unknown_row(size_t unknown, uint32_t sessions, size_t index, const Options& options) {
  Row row;
  row.role = Role::kUnknown;
  row.title_id = id('x', unknown);
  SplitMix64 random = time_random(options.seed, index);
  row.play_ms = 5 * kSecond + random.below(10 * kMinute);
  row.cap_ms = 2 * kHour;
  row.sessions = sessions;
  return row;
}

void append_json_text(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void append_catalogue_line(std::string& out, const std::string& title_id, const Title& title) {
  out += "{\"title_id\":";
  append_json_text(out, title_id);
  out += ",\"title\":";
  append_json_text(out, title.title);
  out += ",\"kind\":";
  append_json_text(out, title.kind);
  out += ",\"available_globally\":";
  append_json_text(out, title.available_globally);
  out += ",\"release_date\":";
  append_json_text(out, title.release_date);
  out += ",\"runtime_label\":";
  append_json_text(out, title.runtime_label);
  out += ",\"runtime_h\":" + title.runtime.text() + "}\n";
}

}  // namespace

RowSessions::RowSessions(const Row& row, uint64_t seed, size_t row_index)
    : row_(row),
      random_(row_seed(seed, row_index)),
      rest_ms_(row.play_ms),
      sessions_left_(row.sessions),
      number_(row.session_first) {}

bool RowSessions::next(RowSession& out) {
  if (preview_due_) {
    preview_due_ = false;
    out.request = SessionRequest{random_.next(), kSecond + random_.below(kMinute), row_.earliest_ms, true};
    out.number = number_++;
    return true;
  }
  int64_t play_ms = row_.play_ms;
  if (row_.role == Role::kUnknown) {
    if (sessions_left_ == 0) return false;
    --sessions_left_;
  } else {
    if (rest_ms_ == 0) return false;
    play_ms = std::min(rest_ms_, 5 * kSecond + random_.below(row_.cap_ms));
    rest_ms_ -= play_ms;
    preview_due_ = row_.role == Role::kListed && random_.chance(kPreviewPpm);
  }
  out.request = SessionRequest{random_.next(), play_ms, row_.earliest_ms, false};
  out.number = number_++;
  return true;
}

std::vector<Row> make_rows(const std::vector<Title>& titles, const Options& options) {
  std::vector<Row> rows;
  const size_t unknown_titles = (options.unknown_sessions + kSessionsPerUnknownTitle - 1) / kSessionsPerUnknownTitle;
  rows.reserve(titles.size() + options.decoy_titles + unknown_titles);
  for (const Title& title : titles) rows.push_back(listed_row(title, rows.size(), options));
  for (size_t decoy = 0; decoy < options.decoy_titles; ++decoy) rows.push_back(decoy_row(decoy, rows.size(), options));
  uint32_t sessions_left = options.unknown_sessions;
  for (size_t unknown = 0; unknown < unknown_titles; ++unknown) {
    const uint32_t sessions = std::min(sessions_left, kSessionsPerUnknownTitle);
    rows.push_back(unknown_row(unknown, sessions, rows.size(), options));
    sessions_left -= sessions;
  }
  uint64_t number = 1;
  for (size_t index = 0; index < rows.size(); ++index) {
    rows[index].session_first = number;
    RowSession session;
    for (RowSessions sessions(rows[index], options.seed, index); sessions.next(session);) ++number;
  }
  return rows;
}

std::string catalogue_ndjson(const std::vector<Title>& titles, const std::vector<Row>& rows) {
  std::string out;
  for (size_t index = 0; index < titles.size(); ++index)
    append_catalogue_line(out, rows[index].title_id, titles[index]);
  for (size_t decoy = 0; titles.size() + decoy < rows.size(); ++decoy) {
    const Row& row = rows[titles.size() + decoy];
    if (row.role != Role::kDecoy) break;
    Title title;
    char name[32];
    std::snprintf(name, sizeof name, "Decoy %03zu", decoy);
    title.title = name;
    title.kind = row.show ? "Show" : "Movie";
    title.available_globally = "No";
    title.runtime_label = std::to_string(kDecoyRuntimeHours) + ":00";
    title.runtime = Runtime{kDecoyRuntimeHours * 10'000, 4};
    append_catalogue_line(out, row.title_id, title);
  }
  return out;
}

}  // namespace millrace::connectors::playback
