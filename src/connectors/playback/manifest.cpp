#include "connectors/playback/manifest.h"

namespace millrace::connectors::playback {
namespace {

class JsonObject {
 public:
  template <typename Number>
  void number(const char* name, Number value) {
    line(name) += std::to_string(value);
  }
  void text(const char* name, const std::string& value) { line(name) += "\"" + value + "\""; }
  std::string finish() && { return std::move(out_) + "\n}\n"; }

 private:
  std::string& line(const char* name) {
    out_ += out_.empty() ? "{\n" : ",\n";
    out_ += std::string("  \"") + name + "\": ";
    return out_;
  }

  std::string out_;
};

}  // namespace

std::string to_json(const Manifest& manifest, const Options& options) {
  JsonObject json;
  json.text("generator", "playback");
  json.number("format", 1);
  json.number("seed", options.seed);
  json.number("unit_ms", options.unit_ms);
  json.number("window_start_ms", options.window_start_ms);
  json.number("window_end_ms", options.window_end_ms);
  json.number("asof_ms", manifest.asof_ms);
  json.number("faults", options.faults ? 1 : 0);
  json.number("lines", manifest.lines);
  json.number("bytes", manifest.bytes);
  json.number("unique_events", manifest.unique_events);
  json.number("duplicates", manifest.duplicates);
  json.number("malformed", manifest.malformed);
  json.number("sessions", manifest.sessions);
  json.number("preview_sessions", manifest.preview_sessions);
  json.number("offline_sessions", manifest.offline_sessions);
  json.number("bad_clock_sessions", manifest.bad_clock_sessions);
  json.number("paused_sessions", manifest.paused_sessions);
  json.number("straddle", manifest.straddle);
  json.number("missing_start", manifest.missing_start);
  json.number("missing_stop", manifest.missing_stop);
  json.number("lost_heartbeats", manifest.lost_heartbeats);
  json.number("stragglers", manifest.stragglers);
  json.number("unknown_title", manifest.unknown_title);
  json.number("unknown_title_events", manifest.unknown_title_events);
  json.number("decoy_titles", manifest.decoy_titles);
  json.number("effective_runtime_rows", manifest.effective_runtime_rows);
  json.number("rows", manifest.rows);
  json.number("titles", manifest.titles);
  json.number("title_weeks", manifest.title_weeks);
  json.number("credited_ms_total", manifest.credited_ms_total);
  json.number("asof_ms_total", manifest.asof_ms_total);
  json.text("sha256_events", manifest.sha256_events);
  return std::move(json).finish();
}

}  // namespace millrace::connectors::playback
