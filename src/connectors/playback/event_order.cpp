#include "connectors/playback/event_order.h"

#include <algorithm>
#include <climits>

#include "connectors/playback/malformed.h"

namespace millrace::connectors::playback {
namespace {

constexpr size_t kPendingMin = 1u << 16;           ///< copies gathered before a sort
constexpr int64_t kLeadMax = 30 * 60'000 + 1'000;  ///< sessions start at most this long before the window
constexpr size_t kMalformedRoom = 512;
static_assert(kMalformedRoom <= kEventLineMax);

struct Earlier {
  bool operator()(const EventCopy& a, const EventCopy& b) const {
    return a.arrival_ms != b.arrival_ms ? a.arrival_ms < b.arrival_ms : a.order < b.order;
  }
};

}  // namespace

EventOrder::EventOrder(const Options& options, const std::vector<Row>& rows, uint64_t sessions, Manifest& manifest,
                       Truth& truth)
    : options_(options),
      rows_(rows),
      window_{options.window_start_ms, options.window_end_ms},
      sessions_(sessions),
      accounts_(std::max<uint64_t>(1'000, sessions / 4 * 3)),
      manifest_(manifest),
      truth_(truth),
      slices_(static_cast<size_t>(sessions_ / std::max<uint32_t>(options.sessions_in_memory, 1) + 1)) {
  if (options.faults) place_malformed();
}

void EventOrder::place_malformed() {
  SplitMix64 random(mix64(options_.seed ^ 0x6d616c666f726d65ULL));
  for (uint32_t i = 0; i < options_.malformed_lines; ++i) {
    malformed_.push_back(malformed_line(i, i + 1) + "\n");
    MR_CHECK(malformed_.back().size() <= kMalformedRoom, "a malformed line has room");
    EventCopy copy;
    copy.arrival_ms = window_.start_ms + random.below(window_.end_ms - window_.start_ms);
    copy.order = i;
    copy.slot = i;
    copy.type = EventType::kMalformed;
    pending_.push_back(copy);
  }
  manifest_.malformed = options_.malformed_lines;
}

/// Plans the sessions that start in the next slice of time. False when there is no further slice.
bool EventOrder::plan_slice() {
  if (slice_ == slices_) return false;
  const int64_t first = window_.start_ms - kLeadMax;
  const int64_t length = (window_.end_ms - first) / static_cast<int64_t>(slices_) + 1;
  const int64_t from = first + length * static_cast<int64_t>(slice_);
  const int64_t to = from + length;
  ++slice_;
  planned_.clear();
  planned_at_ = 0;
  for (size_t index = 0; index < rows_.size(); ++index) {
    RowSessions sessions(rows_[index], options_.seed, index);
    for (RowSession session; sessions.next(session);) {
      SplitMix64 random(session.request.seed);
      const SessionPlan plan = plan_session(session.request, window_, options_.faults, random);
      if (plan.epoch_ms < from || plan.epoch_ms >= to) continue;
      planned_.push_back(Planned{plan.epoch_ms, session.number, session.request.seed, static_cast<uint32_t>(index),
                                 static_cast<uint32_t>(session.request.play_ms) & 0x7fffffffu,
                                 session.request.preview});
    }
  }
  std::sort(planned_.begin(), planned_.end(), [](const Planned& a, const Planned& b) {
    return a.epoch_ms != b.epoch_ms ? a.epoch_ms < b.epoch_ms : a.number < b.number;
  });
  return true;
}

uint32_t EventOrder::take_slot() {
  if (free_slots_.empty()) {
    texts_.emplace_back();
    return static_cast<uint32_t>(texts_.size() - 1);
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

void EventOrder::expand(const Planned& planned) {
  const Row& row = rows_[planned.row];
  const RowSession session{{planned.seed, planned.play_ms, row.earliest_ms, planned.preview != 0}, planned.number};
  SplitMix64 random(planned.seed);
  const SessionPlan plan = plan_session(session.request, window_, options_.faults, random);
  expand_session(plan, random, events_);
  const uint32_t slot = take_slot();
  SessionText& text = texts_[slot];
  make_session_text(row, session, plan, accounts_, options_.faults, random, text);
  count_session(planned, plan, text);
  for (const SessionEvent& event : events_) emit_event(event, planned.number, slot);
}

void EventOrder::count_session(const Planned& planned, const SessionPlan& plan, const SessionText& text) {
  const Role role = rows_[planned.row].role;
  ++manifest_.sessions;
  manifest_.preview_sessions += planned.preview;
  manifest_.offline_sessions += plan.offline;
  manifest_.bad_clock_sessions += text.bad_clock;
  manifest_.straddle += plan.straddle;
  manifest_.missing_start += plan.missing_start;
  manifest_.missing_stop += plan.missing_stop;
  manifest_.paused_sessions += plan.pauses > 0;
  uint64_t delivered = 0;
  for (const SessionEvent& event : events_) {
    delivered += event.delivered;
    manifest_.duplicates += event.copy_arrival_ms != 0;
    manifest_.stragglers += event.straggler;
    manifest_.lost_heartbeats += !event.delivered && event.type == EventType::kHeartbeat;
  }
  manifest_.unique_events += delivered;
  if (role == Role::kUnknown) {
    ++manifest_.unknown_title;
    manifest_.unknown_title_events += delivered;
  } else if (planned.preview == 0) {
    const int64_t credited = truth_.add_session(planned.row, plan.epoch_ms, events_);
    MR_CHECK(credited == plan.play_ms, "a session is credited what it was planned to be");
  }
}

void EventOrder::emit_event(const SessionEvent& event, uint64_t number, uint32_t slot) {
  if (!event.delivered) return;
  EventCopy copy;
  copy.arrival_ms = event.arrival_ms;
  copy.order = order_of(number, event.seq, false);
  copy.slot = slot;
  copy.mono_ms = event.mono_ms;
  copy.played_ms = event.played_ms;
  copy.type = event.type;
  copy.state = event.state;
  pending_.push_back(copy);
  ++texts_[slot].unsent;
  if (event.copy_arrival_ms == 0) return;
  copy.arrival_ms = event.copy_arrival_ms;
  copy.order = order_of(number, event.seq, true);
  pending_.push_back(copy);
  ++texts_[slot].unsent;
}

/// Fills ready_ with the next copies in order. False when all were written.
bool EventOrder::refill() {
  ready_.clear();
  ready_at_ = 0;
  while (ready_.empty()) {
    const size_t enough = std::max(kPendingMin, 2 * pending_.size());
    while (pending_.size() < enough) {
      if (planned_at_ == planned_.size()) {
        if (!plan_slice()) break;
        continue;
      }
      expand(planned_[planned_at_++]);
    }
    const bool last = planned_at_ == planned_.size() && slice_ == slices_;
    if (last && pending_.empty()) return false;
    if (planned_at_ == planned_.size() && !last) continue;
    release(last ? INT64_MAX : planned_[planned_at_].epoch_ms);
  }
  return true;
}

/// Moves what arrives before `watermark_ms` from pending_ to ready_ and sorts it. No session starts before the
/// watermark any more, and no event arrives before its session starts.
void EventOrder::release(int64_t watermark_ms) {
  auto middle = std::partition(pending_.begin(), pending_.end(),
                               [watermark_ms](const EventCopy& copy) { return copy.arrival_ms >= watermark_ms; });
  ready_.assign(middle, pending_.end());
  pending_.erase(middle, pending_.end());
  std::sort(ready_.begin(), ready_.end(), Earlier());
}

bool EventOrder::append_lines(size_t bytes, std::string& out) {
  size_t length = out.size();
  const size_t before = length;
  while (length < bytes) {
    if (ready_at_ == ready_.size() && !refill()) break;
    const size_t room = length + kEventLineMax;
    if (out.size() < room) out.resize(std::max(room, bytes + kEventLineMax));
    length += write_copy(ready_[ready_at_++], out.data() + length);
    ++manifest_.lines;
  }
  out.resize(length);
  return length > before;
}

size_t EventOrder::write_copy(const EventCopy& copy, char* out) {
  if (copy.type == EventType::kMalformed) return malformed_[copy.slot].copy(out, kMalformedRoom);
  SessionText& text = texts_[copy.slot];
  const char* end = write_event(text, copy, out);
  if (--text.unsent == 0) free_slots_.push_back(copy.slot);
  return static_cast<size_t>(end - out);
}

}  // namespace millrace::connectors::playback
