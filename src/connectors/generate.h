// `millrace generate KIND`: the generators, with files or a callback at their ends. Outsiders include this file and
// reach the options and the manifest through it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/env.h"
#include "connectors/nexmark/generator.h"
#include "connectors/playback/generator.h"

namespace millrace::connectors {

struct GeneratePlayback {
  std::string titles_path;
  /// Gets events.ndjson (unless events_sink takes them), catalogue.ndjson, truth.csv, truth_week.csv, truth_asof.csv
  /// and, last and atomically, manifest.json. Created when missing. Empty: only events_sink gets anything.
  std::string out_dir;
  playback::Options options;  ///< titles_csv is filled from titles_path
  /// Takes chunks of whole lines of about 1 MiB; an error ends the run.
  std::function<Status(std::string_view chunk)> events_sink;
};

struct GenerateNexmark {
  std::string type = "all";  ///< all, person, auction, bid
  std::string base_time;     ///< ISO 8601; empty: as options say
  uint64_t events = 1000000;
  nexmark::Options options;
  std::string out_path;  ///< of the file that gets the lines, unless events_sink takes them
  /// Takes chunks of whole lines of about 1 MiB; an error ends the run.
  std::function<Status(std::string_view chunk)> events_sink;
};

/// Blocks until all is written; returns the number of lines.
Result<uint64_t> generate_nexmark(Env& env, GenerateNexmark command);

/// Blocks until all is written. At least one of out_dir and events_sink must be given.
Result<playback::Manifest> generate_playback(Env& env, GeneratePlayback command);

}  // namespace millrace::connectors
