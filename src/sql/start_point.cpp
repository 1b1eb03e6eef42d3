#include "sql/start_point.h"

#include "base/config.h"
#include "base/text.h"

namespace millrace::sql {
namespace {

Error not_a_start(std::string_view text) {
  return user_error(sqlstate::kInvalidParameter, "the option start cannot be " + shorten(text))
      .with_hint(
          "start is 'beginning', 'now', a time such as '2026-01-31 12:00:00', or positions, partition:offset with "
          "commas between them, with the stream's name before where the query reads several: "
          "'plays:0:120, plays:1:98'");
}

/// Cuts `text` at its last colon: what is behind.
std::string_view cut_last(std::string_view& text) {
  const size_t colon = text.rfind(':');
  const std::string_view last = colon == std::string_view::npos ? text : text.substr(colon + 1);
  text = colon == std::string_view::npos ? std::string_view() : text.substr(0, colon);
  return trim(last);
}

std::optional<StartPoint::Position> parse_position(std::string_view text) {
  Result<int64_t> offset = parse_integer("start", cut_last(text), 0, INT64_MAX);
  if (!offset.ok() || text.empty()) return std::nullopt;
  Result<int64_t> partition = parse_integer("start", cut_last(text), 0, INT32_MAX);
  if (!partition.ok()) return std::nullopt;
  return StartPoint::Position{std::string(trim(text)), PartitionId(static_cast<int32_t>(*partition)), Offset(*offset)};
}

}  // namespace

Result<StartPoint> parse_start_point(std::string_view text) {
  const std::string_view trimmed = trim(text);
  StartPoint start;
  if (iequals(trimmed, "beginning")) return start;
  if (iequals(trimmed, "now")) {
    start.kind = StartPoint::Kind::kNow;
    return start;
  }
  if (Result<Timestamp> time = parse_iso8601(trimmed); time.ok()) {
    start.kind = StartPoint::Kind::kTime;
    start.time = *time;
    return start;
  }
  start.kind = StartPoint::Kind::kPositions;
  for (std::string_view part : split_view(trimmed, ',')) {
    std::optional<StartPoint::Position> position = parse_position(trim(part));
    if (!position) return not_a_start(text);
    start.positions.push_back(*std::move(position));
  }
  return start;
}

}  // namespace millrace::sql
