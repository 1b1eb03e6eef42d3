// The playback generator: from a published engagement report back to raw playback events that a correct pipeline turns
// into that report again, and into nothing else. docs/generators.md explains the model and every planted fault.
//
// Everything follows from (titles, Options): integer arithmetic and SplitMix64 only, so that equal input gives equal
// bytes on every machine. No clock, no files, no threads. The one use of doubles is the published views formula.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::connectors::playback {

struct Options {
  /// CSV with a header: kind,title,available_globally,release_date,runtime,hours_viewed,views (others are ignored).
  /// runtime is H:MM, H:MM*, or *; release_date is YYYY-MM-DD or empty; hours_viewed a multiple of 100,000.
  std::string titles_csv;
  uint64_t seed = 1;
  int64_t unit_ms = 3600;       ///< ms of play that stand for 100,000 published hours
  int64_t window_start_ms = 0;  ///< first ms that counts, UTC
  int64_t window_end_ms = 0;    ///< first ms that no longer counts; at least a day later
  bool faults = true;           ///< false: in time, in order, once, and well-formed; pauses, previews and decoys remain
  uint32_t decoy_titles = 500;  ///< titles in the catalogue that stay under the 50,000-view line
  uint32_t unknown_sessions = 300;  ///< sessions of titles that the catalogue does not hold
  uint32_t malformed_lines = 180;
  uint32_t sessions_in_memory =
      1u << 20;  ///< sessions planned at a time (32 bytes each); more of them cost more passes
};

/// What was generated, counted where it was planted. "Unique" means by (session_id, seq).
struct Manifest {
  uint64_t lines = 0;          ///< unique_events + duplicates + malformed
  uint64_t bytes = 0;          ///< of the events, newlines included
  uint64_t unique_events = 0;  ///< delivered at least once
  uint64_t duplicates = 0;     ///< second copies
  uint64_t malformed = 0;      ///< lines that are no event
  uint64_t sessions = 0;       ///< all of them: main, preview, decoy, unknown
  uint64_t preview_sessions = 0;
  uint64_t offline_sessions = 0;    ///< delivered whole, 1 h to 13 days late, shuffled
  uint64_t bad_clock_sessions = 0;  ///< client_ts a year ahead or at 1970
  uint64_t straddle = 0;            ///< sessions that cross the start or the end of the window
  uint64_t missing_start = 0;
  uint64_t missing_stop = 0;
  uint64_t paused_sessions = 0;
  uint64_t lost_heartbeats = 0;       ///< holes in seq
  uint64_t stragglers = 0;            ///< first copies up to 10 minutes late
  uint64_t unknown_title = 0;         ///< sessions of unknown titles
  uint64_t unknown_title_events = 0;  ///< unique events of unknown titles (all of them are main plays)
  uint64_t decoy_titles = 0;
  uint64_t effective_runtime_rows = 0;  ///< titles whose runtime_h is hours / views, because no H:MM gives the views
  uint64_t rows = 0;                    ///< rows of the report
  uint64_t titles = 0;                  ///< rows of the catalogue, and of truth.csv
  uint64_t title_weeks = 0;             ///< rows of truth_week.csv
  int64_t credited_ms_total = 0;        ///< sum of truth.csv
  int64_t asof_ms = 0;                  ///< first publication: window end + 1 day, by server_ts, inclusive
  int64_t asof_ms_total = 0;            ///< sum of truth_asof.csv
  std::string sha256_events;            ///< hex; of the bytes of the events, newlines included
};

/// The events as NDJSON in the order of server_ts, in chunks that the caller pulls. One thread.
class Generator {
 public:
  /// Reads the titles and plans the sessions. A user error names the line of the titles file.
  static Result<std::unique_ptr<Generator>> create(Options options);
  virtual ~Generator() = default;

  /// Replaces `out` by the next whole lines (about 1 MiB); an empty `out` is the end.
  virtual Status next(std::string& out) = 0;
  /// The catalogue as NDJSON; at any time.
  virtual std::string catalogue() const = 0;

  // After the end of the events only:
  virtual const Manifest& manifest() const = 0;
  virtual std::string manifest_json() const = 0;
  virtual std::string truth_csv() const = 0;       ///< title_id,credited_ms
  virtual std::string truth_week_csv() const = 0;  ///< title_id,week_start_ms,credited_ms
  virtual std::string truth_asof_csv() const = 0;  ///< truth.csv from what had arrived at the first publication
};

enum class Part : uint8_t { kCatalogue, kEvents, kTruth, kTruthWeek, kTruthAsOf, kManifest };

/// Takes one part of the output: the events in chunks of whole lines, every other part in one call.
using Output = std::function<Status(Part part, std::string_view bytes)>;

/// Runs a generator to its end: catalogue, events, truths, manifest, in this order. Stops at the output's first error.
Result<Manifest> generate(Options options, const Output& output);

}  // namespace millrace::connectors::playback
