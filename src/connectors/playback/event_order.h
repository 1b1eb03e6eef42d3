// All copies of all events in the order of their arrival, with memory for the open sessions only: sessions are expanded
// in the order of their start, and whatever arrives before the next start is final.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "connectors/playback/event_json.h"
#include "connectors/playback/generator.h"
#include "connectors/playback/rows.h"
#include "connectors/playback/truth.h"

namespace millrace::connectors::playback {

class EventOrder {
 public:
  /// All references outlive this object. Counts into `manifest` and `truth` as sessions are expanded.
  EventOrder(const Options& options, const std::vector<Row>& rows, uint64_t sessions, Manifest& manifest, Truth& truth);

  /// Appends lines to `out` until it holds `bytes` or more; false when there were none left to append.
  bool append_lines(size_t bytes, std::string& out);

 private:
  struct Planned {
    int64_t epoch_ms;
    uint64_t number;
    uint64_t seed;
    uint32_t row;
    uint32_t play_ms : 31;
    uint32_t preview : 1;
  };

  void place_malformed();
  bool plan_slice();
  void expand(const Planned& planned);
  void count_session(const Planned& planned, const SessionPlan& plan, const SessionText& text);
  void emit_event(const SessionEvent& event, uint64_t number, uint32_t slot);
  bool refill();
  void release(int64_t watermark_ms);
  size_t write_copy(const EventCopy& copy, char* out);
  uint32_t take_slot();

  const Options& options_;
  const std::vector<Row>& rows_;
  const Window window_;
  const uint64_t sessions_;
  const uint64_t accounts_;
  Manifest& manifest_;
  Truth& truth_;

  size_t slices_;
  size_t slice_ = 0;
  std::vector<Planned> planned_;  ///< of the current slice of start times, by start
  size_t planned_at_ = 0;

  std::vector<SessionText> texts_;
  std::vector<uint32_t> free_slots_;
  std::vector<std::string> malformed_;
  std::vector<SessionEvent> events_;  ///< of the session being expanded
  std::vector<EventCopy> pending_;    ///< may still be overtaken
  std::vector<EventCopy> ready_;      ///< in their final order
  size_t ready_at_ = 0;
};

}  // namespace millrace::connectors::playback
