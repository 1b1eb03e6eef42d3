// Events as JSON text, written by hand into a buffer: what is equal in all events of a session is rendered once.
#pragma once

#include <cstdint>
#include <string>

#include "connectors/split_mix.h"
#include "connectors/playback/rows.h"
#include "connectors/playback/session.h"

namespace millrace::connectors::playback {

/// One year, by which a bad device clock runs ahead.
inline constexpr int64_t kYearMs = 31'536'000'000;

/// The constant half of a session's events.
struct SessionText {
  static constexpr size_t kIdMax = 20;
  static constexpr size_t kMiddleMax = 268;

  int64_t epoch_ms = 0;
  int64_t clock_offset_ms = 0;  ///< client_ts - event time
  int64_t resume_ms = 0;        ///< media position at which the play began
  uint32_t unsent = 0;          ///< copies that are not yet written
  uint16_t middle_length = 0;
  uint8_t id_length = 0;
  bool bad_clock = false;
  char id[kIdMax];          ///< s000000001
  char middle[kMiddleMax];  ///< ,"account_id":… up to "mono_ms":
};

/// Draws account, device, country, clock and episode, and renders what they fix.
void make_session_text(const Row& row, const RowSession& session, const SessionPlan& plan, uint64_t accounts,
                       bool faults, SplitMix64& random, SessionText& text);

/// The changing half of one copy of an event.
struct EventCopy {
  int64_t arrival_ms = 0;
  uint64_t order = 0;  ///< breaks ties: session number, seq, copy; see order_of
  uint32_t slot = 0;   ///< of its SessionText, or of the malformed line
  uint32_t mono_ms = 0;
  uint32_t played_ms = 0;
  EventType type = EventType::kStart;
  PlayerState state = PlayerState::kPlaying;
};

inline constexpr int kSeqBits = 15;
constexpr uint64_t order_of(uint64_t session_number, uint32_t seq, bool second_copy) {
  return (session_number << (kSeqBits + 1)) | (static_cast<uint64_t>(seq) << 1) | (second_copy ? 1 : 0);
}

/// No line of an event is longer, its newline included.
inline constexpr size_t kEventLineMax = 700;

/// Writes the line of an event and returns its end. `out` has room for kEventLineMax.
char* write_event(const SessionText& session, const EventCopy& event, char* out);

}  // namespace millrace::connectors::playback
