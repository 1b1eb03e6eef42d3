#include "server/status_metrics.h"

#include "base/metrics.h"

namespace millrace::server {

std::string status_metrics(const engine::NodeStatus& status) {
  Metrics metrics;
  auto set = [&](const char* name, const char* help, const Labels& labels, uint64_t value, Unit unit = Unit::kNone) {
    metrics.gauge(name, help, labels, unit).set(static_cast<int64_t>(value));
  };
  set("millrace_epoch", "The last commit", {}, status.epoch.value);
  set("millrace_memory_bytes", "Resident memory", {}, status.memory_bytes, Unit::kBytes);
  set("millrace_state_bytes", "Operator state and rows of views in memory", {}, status.state_bytes, Unit::kBytes);
  for (const engine::LoadStatus& load : status.loads) {
    const Labels labels{{"stream", load.stream}};
    set("millrace_load_records", "Records that came from the file of a stream since the start", labels, load.records);
    set("millrace_load_too_long", "Of them those over the size limit: dead letters", labels, load.too_long);
    set("millrace_load_failed", "1: the file could not be read to its end", labels, load.failure.empty() ? 0 : 1);
  }
  for (const engine::StreamStatus& stream : status.streams) {
    const Labels labels{{"stream", stream.name}};
    set("millrace_stream_records", "Records in the log", labels, stream.records);
    set("millrace_stream_lag_records", "Records that are in no commit yet", labels, stream.lag_records);
    set("millrace_stream_dead_records", "Records that did not decode", labels, stream.dead);
  }
  for (const engine::ViewStatus& view : status.views) {
    const Labels labels{{"view", view.name}};
    set("millrace_view_rows", "Rows", labels, view.rows);
    set("millrace_view_late_rows", "Rows that came too late", labels, view.late);
    set("millrace_view_error_rows", "Rows whose expression failed", labels, view.errors);
  }
  for (const engine::SinkStatus& sink : status.sinks) {
    const Labels labels{{"sink", sink.name}};
    set("millrace_sink_lag", "Changes or commits behind", labels, sink.lag);
    set("millrace_sink_dead_rows", "Rows that the destination refused", labels, sink.dead);
  }
  std::string text = metrics.openmetrics();
  text.erase(text.rfind("# EOF"));
  return text;
}

}  // namespace millrace::server
