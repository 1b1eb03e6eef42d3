// One playback session: what its device did, and when each of its events arrived. Every planted fault is decided here.
#pragma once

#include <cstdint>
#include <vector>

#include "connectors/split_mix.h"

namespace millrace::connectors::playback {

enum class EventType : uint8_t { kStart, kHeartbeat, kPause, kResume, kStop, kMalformed };
enum class PlayerState : uint8_t { kPlaying, kPaused, kStopped };

struct Window {
  int64_t start_ms = 0;
  int64_t end_ms = 0;
};

/// What a session is asked to be.
struct SessionRequest {
  uint64_t seed = 0;
  int64_t play_ms = 0;      ///< what it is credited inside the window, exactly (a preview: nothing)
  int64_t earliest_ms = 0;  ///< the title's release; 0 when it does not matter
  bool preview = false;
};

/// When a session runs and what goes wrong in it. In play time it is lead | play_ms | tail; only the middle is
/// credited: lead and tail lie outside the window (a straddling session) or beyond the first or last event that
/// arrives.
struct SessionPlan {
  int64_t epoch_ms = 0;  ///< the server-issued start; event time = epoch + mono
  int64_t play_ms = 0;
  int64_t lead_ms = 0;
  int64_t tail_ms = 0;
  int pauses = 0;
  int64_t pause_at_ms[2] = {};  ///< in play time, inside the credited part, ascending
  int64_t pause_ms[2] = {};
  bool straddle = false;
  bool missing_start = false;
  bool missing_stop = false;
  bool offline = false;
  bool faults = false;
};

/// One event as the device made it.
struct SessionEvent {
  EventType type = EventType::kStart;
  PlayerState state = PlayerState::kPlaying;
  bool delivered = true;
  bool straggler = false;
  uint32_t seq = 0;
  uint32_t mono_ms = 0;
  uint32_t played_ms = 0;
  int64_t arrival_ms = 0;       ///< server_ts of the first copy
  int64_t copy_arrival_ms = 0;  ///< of the second copy, always later; 0 when there is none
};

/// Draws the plan. `random` was made from request.seed; expand_session goes on drawing from it.
SessionPlan plan_session(const SessionRequest& request, const Window& window, bool faults, SplitMix64& random);

/// Replaces `events` by all events of the session, by seq, those lost on the way included.
void expand_session(const SessionPlan& plan, SplitMix64& random, std::vector<SessionEvent>& events);

}  // namespace millrace::connectors::playback
