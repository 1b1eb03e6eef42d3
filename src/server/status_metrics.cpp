#include "server/status_metrics.h"

#include <functional>

#include "base/metrics.h"

namespace millrace::server {
namespace {

using Set = std::function<void(const char* name, const char* help, const Labels& labels, uint64_t value)>;

void set_node(const Set& set, const Set& set_bytes, const engine::NodeStatus& status) {
  set("millrace_ready", "1 when recovery is done and requests are served", {}, status.ready);
  set("millrace_engine_failed", "1 while no steps are made because of a failure", {}, !status.failure.empty());
  set("millrace_safe_mode", "1 when the node only serves reads", {}, !status.safe_mode.empty());
  set("millrace_sync_hangs_seconds", "Seconds that the oldest sync which has not come back has been running", {},
      static_cast<uint64_t>(status.sync_hangs.micros) / 1000000);
  set("millrace_epoch", "The last commit", {}, status.epoch.value);
  set_bytes("millrace_memory_bytes", "Resident memory", {}, status.memory_bytes);
  set_bytes("millrace_memory_limit_bytes", "--memory", {}, status.memory_limit_bytes);
  set_bytes("millrace_state_bytes", "Operator state and rows of views in memory", {}, status.state_bytes);
  set_bytes("millrace_state_limit_bytes", "The share of --memory for it", {}, status.state_limit_bytes);
  set_bytes("millrace_disk_free_bytes", "Free in the data directory's file system", {}, status.free_bytes);
  set_bytes("millrace_low_space_bytes", "With less free, ingest is refused", {}, status.low_space_bytes);
}

void set_sink(const Set& set, const engine::SinkStatus& sink) {
  const Labels labels{{"sink", sink.name}};
  set("millrace_sink_lag", "Rows that wait; of a snapshot: commits since the one it shows", labels, sink.lag);
  set("millrace_sink_dead_rows", "Rows that the destination refused", labels, sink.dead);
  set("millrace_sink_lost_rows", "Rows that were given up undelivered", labels, sink.lost);
  set("millrace_sink_failing", "1 while deliveries fail", labels, sink.failing_since.has_value());
  set("millrace_sink_failed_attempts", "Failed deliveries in a row", labels, sink.failed_attempts);
}

}  // namespace

std::string status_metrics(const engine::NodeStatus& status) {
  Metrics metrics;
  const Set set = [&](const char* name, const char* help, const Labels& labels, uint64_t value) {
    metrics.gauge(name, help, labels).set(static_cast<int64_t>(value));
  };
  const Set set_bytes = [&](const char* name, const char* help, const Labels& labels, uint64_t value) {
    metrics.gauge(name, help, labels, Unit::kBytes).set(static_cast<int64_t>(value));
  };
  set_node(set, set_bytes, status);
  for (const engine::LoadStatus& load : status.loads) {
    const Labels labels{{"stream", load.stream}};
    set("millrace_load_records", "Records that came from the file of a stream since the start", labels, load.records);
    set("millrace_load_too_long", "Of them those over the size limit: dead letters", labels, load.too_long);
    set("millrace_load_failed", "1: the file could not be read to its end", labels, load.failure.empty() ? 0 : 1);
  }
  for (const engine::StreamStatus& stream : status.streams) {
    const Labels labels{{"stream", stream.name}};
    set("millrace_stream_records", "Records in the log", labels, stream.records);
    set_bytes("millrace_stream_bytes", "Bytes that they take", labels, stream.bytes);
    set("millrace_stream_lag_records", "Records that are in no commit yet", labels, stream.lag_records);
    set("millrace_stream_dead_records", "Records that did not decode", labels, stream.dead);
  }
  for (const engine::ViewStatus& view : status.views) {
    const Labels labels{{"view", view.name}};
    set("millrace_view_rows", "Rows", labels, view.rows);
    set("millrace_view_late_rows", "Rows that came too late", labels, view.late);
    set("millrace_view_error_rows", "Rows whose expression failed", labels, view.errors);
  }
  for (const engine::SinkStatus& sink : status.sinks) set_sink(set, sink);
  std::string text = metrics.openmetrics();
  text.erase(text.rfind("# EOF"));
  return text;
}

}  // namespace millrace::server
