// A generated run as a test sees it: every output, and the events read back by a strict reader that shares no code with
// the generator.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/playback/generator.h"

namespace millrace::connectors::playback {

inline constexpr int64_t kHalfStartMs = 1'735'689'600'000;  // 2025-01-01
inline constexpr int64_t kHalfEndMs = 1'751'328'000'000;    // 2025-07-01

/// Twelve titles with the traps of real ones: a live runtime, none, quotes, one name twice, a release near the end.
std::string small_titles();
Options small_options(uint64_t seed = 1, int64_t unit_ms = 20'000);

struct GeneratedRun {
  Manifest manifest;
  std::string catalogue, events, truth, truth_week, truth_asof, manifest_json;
  size_t chunk_bytes_max = 0;
};

/// Fails the test when generation does.
GeneratedRun run_generator(Options options);

struct ReadEvent {
  std::string event_id, type, state, session_id, title_id, play_kind;
  int64_t seq = 0, session_epoch_ms = 0, mono_ms = 0, client_ts = 0, played_ms = 0, server_ts = 0;
};

/// The event of a line; nothing when it is malformed.
std::optional<ReadEvent> read_event(std::string_view line);
std::vector<std::string_view> split_lines(std::string_view text);

}  // namespace millrace::connectors::playback
