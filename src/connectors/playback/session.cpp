#include "connectors/playback/session.h"

#include <algorithm>

namespace millrace::connectors::playback {
namespace {

constexpr int64_t kSecond = 1'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;

// Parts per million, of sessions.
constexpr int64_t kPausePpm = 300'000;
constexpr int64_t kMissingStopPpm = 30'000;
constexpr int64_t kMissingStartPpm = 2'000;
constexpr int64_t kOfflinePpm = 50'000;
constexpr int64_t kStraddlePpm = 6'000;
// Parts per million, of events.
constexpr int64_t kLostHeartbeatPpm = 10'000;
constexpr int64_t kDuplicatePpm = 20'000;
constexpr int64_t kStragglerPpm = 20'000;

constexpr int64_t kPlayToPauseMin = 10 * kSecond;  ///< a shorter session is never paused

void plan_pauses(SessionPlan& plan, SplitMix64& random) {
  if (plan.play_ms < kPlayToPauseMin || !random.chance(kPausePpm)) return;
  plan.pauses = 1 + static_cast<int>(random.below(2));
  for (int i = 0; i < plan.pauses; ++i) {
    plan.pause_at_ms[i] = 1 + random.below(plan.play_ms - 1);
    plan.pause_ms[i] = 5 * kSecond + random.below(40 * kMinute);
  }
  if (plan.pauses < 2) return;
  if (plan.pause_at_ms[0] > plan.pause_at_ms[1]) std::swap(plan.pause_at_ms[0], plan.pause_at_ms[1]);
  if (plan.pause_at_ms[0] == plan.pause_at_ms[1]) plan.pauses = 1;
}

void plan_faults(SessionPlan& plan, SplitMix64& random) {
  plan.straddle = random.chance(kStraddlePpm);
  const bool missing_start = random.chance(kMissingStartPpm);
  const bool missing_stop = random.chance(kMissingStopPpm);
  if (plan.straddle) return;
  plan.missing_start = missing_start;
  plan.missing_stop = missing_stop;
  if (missing_start) plan.lead_ms = 5 * kSecond + random.below(50 * kSecond);
  if (missing_stop) plan.tail_ms = 1 + random.below(55 * kSecond);
}

int64_t credited_wall_ms(const SessionPlan& plan) {
  int64_t wall = plan.play_ms;
  for (int i = 0; i < plan.pauses; ++i) wall += plan.pause_ms[i];
  return wall;
}

void place_straddling(SessionPlan& plan, const SessionRequest& request, const Window& window, SplitMix64& random) {
  const int64_t outside = kSecond + random.below(30 * kMinute);
  const bool at_start = random.below(2) == 0 && request.earliest_ms <= window.start_ms;
  if (at_start) {
    plan.lead_ms = outside;
    plan.epoch_ms = window.start_ms - outside;
  } else {
    plan.tail_ms = outside;
    plan.epoch_ms = window.end_ms - credited_wall_ms(plan);
  }
}

void place_inside(SessionPlan& plan, const SessionRequest& request, const Window& window, SplitMix64& random) {
  const int64_t first = std::max(window.start_ms, request.earliest_ms);
  const int64_t last = window.end_ms - (plan.lead_ms + credited_wall_ms(plan) + plan.tail_ms);
  plan.epoch_ms = last > first ? first + random.below(last - first) : last;
}

/// Writes a session's events in order, walking along its play time.
class Timeline {
 public:
  Timeline(SplitMix64& random, std::vector<SessionEvent>& events) : random_(random), events_(events) {}

  void add(EventType type, PlayerState state, bool delivered = true) {
    SessionEvent event;
    event.type = type;
    event.state = state;
    event.delivered = delivered;
    event.seq = static_cast<uint32_t>(events_.size());
    event.mono_ms = static_cast<uint32_t>(mono_ms_);
    event.played_ms = static_cast<uint32_t>(played_ms_);
    events_.push_back(event);
  }

  /// Plays up to `target_ms` of play time, with a heartbeat every 55 to 60 s.
  void play_to(int64_t target_ms) {
    for (;;) {
      const int64_t step = 55 * kSecond + random_.below(5 * kSecond);
      if (played_ms_ + step >= target_ms) break;
      pass(step, true);
      add(EventType::kHeartbeat, PlayerState::kPlaying);
    }
    pass(target_ms - played_ms_, true);
  }

  void pause(int64_t length_ms) {
    add(EventType::kPause, PlayerState::kPaused);
    int64_t rest = length_ms;
    for (; rest > kMinute; rest -= kMinute) {
      pass(kMinute, false);
      add(EventType::kHeartbeat, PlayerState::kPaused);
    }
    pass(rest, false);
    add(EventType::kResume, PlayerState::kPlaying);
  }

 private:
  void pass(int64_t ms, bool playing) {
    mono_ms_ += ms;
    if (playing) played_ms_ += ms;
  }

  SplitMix64& random_;
  std::vector<SessionEvent>& events_;
  int64_t mono_ms_ = 0;
  int64_t played_ms_ = 0;
};

void run_timeline(const SessionPlan& plan, SplitMix64& random, std::vector<SessionEvent>& events) {
  Timeline timeline(random, events);
  timeline.add(EventType::kStart, PlayerState::kPlaying, !plan.missing_start);
  if (plan.missing_start) {  // the first event to arrive marks where the credit begins
    timeline.play_to(plan.lead_ms);
    timeline.add(EventType::kHeartbeat, PlayerState::kPlaying);
  }
  for (int i = 0; i < plan.pauses; ++i) {
    timeline.play_to(plan.lead_ms + plan.pause_at_ms[i]);
    timeline.pause(plan.pause_ms[i]);
  }
  if (plan.missing_stop) {  // the last event to arrive marks where it ends
    timeline.play_to(plan.lead_ms + plan.play_ms);
    timeline.add(EventType::kHeartbeat, PlayerState::kPlaying);
  }
  timeline.play_to(plan.lead_ms + plan.play_ms + plan.tail_ms);
  timeline.add(EventType::kStop, PlayerState::kStopped, !plan.missing_stop);
}

/// Drops heartbeats between the first and the last event that arrive: the state before a lost one is the state after
/// it.
void lose_heartbeats(SplitMix64& random, std::vector<SessionEvent>& events) {
  size_t first = 0;
  size_t last = events.size() - 1;
  while (!events[first].delivered) ++first;
  while (!events[last].delivered) --last;
  for (size_t i = first + 1; i < last; ++i)
    if (events[i].type == EventType::kHeartbeat && random.chance(kLostHeartbeatPpm)) events[i].delivered = false;
}

void deliver(const SessionPlan& plan, SplitMix64& random, std::vector<SessionEvent>& events) {
  int64_t upload_ms = 0;
  if (plan.offline) upload_ms = plan.epoch_ms + events.back().mono_ms + kHour + random.below(13 * kDay - 8 * kHour);
  for (SessionEvent& event : events) {
    if (!event.delivered) continue;
    if (plan.offline) {
      event.arrival_ms = upload_ms + random.below(20 * kSecond);
    } else {
      event.arrival_ms = plan.epoch_ms + event.mono_ms + 50 + (plan.faults ? random.below(5 * kSecond) : 0);
      event.straggler = plan.faults && random.chance(kStragglerPpm);
      if (event.straggler) event.arrival_ms += random.below(10 * kMinute);
    }
    if (plan.faults && random.chance(kDuplicatePpm))
      event.copy_arrival_ms = event.arrival_ms + kSecond + random.below(30 * kSecond);
  }
}

}  // namespace

SessionPlan plan_session(const SessionRequest& request, const Window& window, bool faults, SplitMix64& random) {
  SessionPlan plan;
  plan.play_ms = request.play_ms;
  plan.faults = faults;
  plan.offline = faults && random.chance(kOfflinePpm);
  if (!request.preview) {
    plan_pauses(plan, random);
    if (faults) plan_faults(plan, random);
  }
  if (plan.straddle)
    place_straddling(plan, request, window, random);
  else
    place_inside(plan, request, window, random);
  return plan;
}

void expand_session(const SessionPlan& plan, SplitMix64& random, std::vector<SessionEvent>& events) {
  events.clear();
  run_timeline(plan, random, events);
  if (plan.faults) lose_heartbeats(random, events);
  deliver(plan, random, events);
}

}  // namespace millrace::connectors::playback
