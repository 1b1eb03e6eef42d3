// `millrace generate playback`: the generator, with files or a callback at its ends.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/env.h"
#include "connectors/playback/generator.h"

namespace millrace::connectors::playback {

struct CommandOptions {
  std::string titles_path;
  /// Gets events.ndjson (unless events_sink takes them), catalogue.ndjson, truth.csv, truth_week.csv, truth_asof.csv
  /// and, last and atomically, manifest.json. Created when missing. Empty: only events_sink gets anything.
  std::string out_dir;
  Options generator;  ///< titles_csv is filled from titles_path
  /// Takes chunks of whole lines of about 1 MiB; an error ends the run.
  std::function<Status(std::string_view chunk)> events_sink;
};

/// Blocks until all is written. At least one of out_dir and events_sink must be given.
Result<Manifest> run_generate(Env& env, CommandOptions options);

}  // namespace millrace::connectors::playback
