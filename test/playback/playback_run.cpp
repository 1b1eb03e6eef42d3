#include "playback/playback_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace millrace::connectors::playback {

std::string small_titles() {
  return "kind,title,available_globally,release_date,runtime,hours_viewed,views\n"
         "Show,Long: Season 1,Yes,2025-03-13,3:50,9700000,2500000\n"
         "Show,\"Comma, and \"\"quotes\"\": Season 2\",Yes,2024-12-26,7:10,4300000,600000\n"
         "Show,Same,No,,17:36,4400000,200000\n"
         "Show,Same,No,,1:00,400000,400000\n"
         "Show,Cartoon: Season 1 // Trickfilm,No,,*,900000,200000\n"
         "Show,Two minutes,No,,0:02,100000,3000000\n"
         "Movie,Film,Yes,2025-06-29,1:58,3100000,1600000\n"
         "Movie,Live,Yes,2025-02-01,02:59*,14400000,4800000\n"
         "Movie,Odd cut,Yes,2025-02-01,02:59,14400000,4900000\n"
         "Movie,Small,No,2019-01-01,1:30,100000,100000\n"
         "Movie,Old,No,1925-12-25,0:45,100000,100000\n"
         "Movie,Rounded,No,,2:08,3200000,1500000\n";
}

Options small_options(uint64_t seed, int64_t unit_ms) {
  Options options;
  options.titles_csv = small_titles();
  options.seed = seed;
  options.unit_ms = unit_ms;
  options.window_start_ms = kHalfStartMs;
  options.window_end_ms = kHalfEndMs;
  options.decoy_titles = 40;
  options.unknown_sessions = 20;
  return options;
}

GeneratedRun run_generator(Options options) {
  GeneratedRun run;
  auto manifest = generate(std::move(options), [&](Part part, std::string_view bytes) -> Status {
    std::string* const parts[] = {&run.catalogue,  &run.events,     &run.truth,
                                  &run.truth_week, &run.truth_asof, &run.manifest_json};
    *parts[static_cast<size_t>(part)] += bytes;
    if (part == Part::kEvents) {
      EXPECT_EQ(bytes.back(), '\n');
      run.chunk_bytes_max = std::max(run.chunk_bytes_max, bytes.size());
    }
    return {};
  });
  if (!manifest.ok()) {
    ADD_FAILURE() << render(manifest.error());
    return run;
  }
  run.manifest = *manifest;
  return run;
}

std::optional<ReadEvent> read_event(std::string_view line) {
  const nlohmann::json json = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
  if (!json.is_object()) return std::nullopt;
  for (const char* name : {"seq", "session_epoch_ms", "mono_ms", "client_ts", "position_ms", "played_ms", "server_ts"})
    if (!json.contains(name) || !json[name].is_number_integer()) return std::nullopt;
  ReadEvent event;
  event.event_id = json["event_id"];
  event.type = json["type"];
  event.state = json["state"];
  event.session_id = json["session_id"];
  event.title_id = json["title_id"];
  event.play_kind = json["play_kind"];
  event.seq = json["seq"];
  event.session_epoch_ms = json["session_epoch_ms"];
  event.mono_ms = json["mono_ms"];
  event.client_ts = json["client_ts"];
  event.played_ms = json["played_ms"];
  event.server_ts = json["server_ts"];
  return event;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

}  // namespace millrace::connectors::playback
