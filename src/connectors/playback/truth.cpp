#include "connectors/playback/truth.h"

#include <algorithm>

namespace millrace::connectors::playback {
namespace {

int64_t week_start(int64_t ms) {
  const int64_t since = ms - kFirstMondayMs;
  const int64_t within = ((since % kWeekMs) + kWeekMs) % kWeekMs;
  return ms - within;
}

/// Calls played(from, to) for each span in which the session was playing, as the events that arrived by `limit_ms` tell
/// it.
template <typename Played>
void for_each_span(int64_t epoch_ms, const std::vector<SessionEvent>& events, int64_t limit_ms, Played played) {
  const SessionEvent* before = nullptr;
  for (const SessionEvent& event : events) {
    if (!event.delivered || event.arrival_ms > limit_ms) continue;
    if (before != nullptr && before->state == PlayerState::kPlaying)
      played(epoch_ms + before->mono_ms, epoch_ms + event.mono_ms);
    before = &event;
  }
}

/// How much of a span lies inside the window.
int64_t inside_ms(int64_t from_ms, int64_t to_ms, const Window& window) {
  return std::max<int64_t>(0, std::min(to_ms, window.end_ms) - std::max(from_ms, window.start_ms));
}

/// Indexes of the rows in the catalogue, by title_id.
std::vector<size_t> by_title_id(const std::vector<Row>& rows) {
  std::vector<size_t> order;
  for (size_t index = 0; index < rows.size(); ++index)
    if (rows[index].role != Role::kUnknown) order.push_back(index);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rows[a].title_id < rows[b].title_id; });
  return order;
}

}  // namespace

Truth::Truth(size_t rows, const Window& window, int64_t asof_ms)
    : window_(window),
      asof_limit_ms_(asof_ms),
      week_first_ms_(week_start(window.start_ms)),
      weeks_(static_cast<size_t>((week_start(window.end_ms - 1) - week_first_ms_) / kWeekMs + 1)),
      total_(rows),
      asof_(rows),
      week_(rows * weeks_) {}

int64_t Truth::add_session(size_t row, int64_t epoch_ms, const std::vector<SessionEvent>& events) {
  int64_t credited = 0;
  for_each_span(epoch_ms, events, INT64_MAX, [&](int64_t from_ms, int64_t to_ms) {
    credited += inside_ms(from_ms, to_ms, window_);
    credit_weeks(row, from_ms, to_ms);
  });
  total_[row] += credited;
  int64_t latest = 0;
  for (const SessionEvent& event : events) latest = std::max(latest, event.arrival_ms);
  if (latest <= asof_limit_ms_) {
    asof_[row] += credited;
  } else {
    for_each_span(epoch_ms, events, asof_limit_ms_,
                  [&](int64_t from_ms, int64_t to_ms) { asof_[row] += inside_ms(from_ms, to_ms, window_); });
  }
  return credited;
}

void Truth::credit_weeks(size_t row, int64_t from_ms, int64_t to_ms) {
  from_ms = std::max(from_ms, week_first_ms_);
  to_ms = std::min(to_ms, week_first_ms_ + static_cast<int64_t>(weeks_) * kWeekMs);
  while (from_ms < to_ms) {
    const auto week = static_cast<size_t>((from_ms - week_first_ms_) / kWeekMs);
    const int64_t end = std::min(to_ms, week_first_ms_ + static_cast<int64_t>(week + 1) * kWeekMs);
    week_[row * weeks_ + week] += end - from_ms;
    from_ms = end;
  }
}

std::string Truth::csv(const std::vector<Row>& rows, const std::vector<int64_t>& values) const {
  std::string out = "title_id,credited_ms\n";
  for (const size_t index : by_title_id(rows))
    if (values[index] > 0) out += rows[index].title_id + "," + std::to_string(values[index]) + "\n";
  return out;
}

std::string Truth::week_csv(const std::vector<Row>& rows) const {
  std::string out = "title_id,week_start_ms,credited_ms\n";
  for (const size_t index : by_title_id(rows)) {
    for (size_t week = 0; week < weeks_; ++week) {
      const int64_t credited = week_[index * weeks_ + week];
      if (credited == 0) continue;
      const int64_t start = week_first_ms_ + static_cast<int64_t>(week) * kWeekMs;
      out += rows[index].title_id + "," + std::to_string(start) + "," + std::to_string(credited) + "\n";
    }
  }
  return out;
}

uint64_t Truth::week_rows(const std::vector<Row>& rows) const {
  uint64_t count = 0;
  for (const size_t index : by_title_id(rows))
    for (size_t week = 0; week < weeks_; ++week) count += week_[index * weeks_ + week] > 0 ? 1 : 0;
  return count;
}

}  // namespace millrace::connectors::playback
