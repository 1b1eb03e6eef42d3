#include "server/status_json.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace millrace::server {
namespace {

using Json = nlohmann::ordered_json;

Json loads_json(const engine::NodeStatus& status) {
  Json out = Json::array();
  for (const engine::LoadStatus& load : status.loads) {
    out.push_back({{"stream", load.stream},
                   {"path", load.path},
                   {"records", load.records},
                   {"too_long", load.too_long},
                   {"bytes", load.bytes},
                   {"bytes_total", load.bytes_total},
                   {"state", !load.failure.empty() ? "failed: " + load.failure
                             : load.done           ? "done"
                                                   : "reading"}});
  }
  return out;
}

Json streams_json(const engine::NodeStatus& status) {
  Json out = Json::array();
  for (const engine::StreamStatus& stream : status.streams) {
    out.push_back({{"name", stream.name},
                   {"kind", stream.kind},
                   {"records", stream.records},
                   {"bytes", stream.bytes},
                   {"lag_records", stream.lag_records},
                   {"dead", stream.dead}});
  }
  return out;
}

Json views_json(const engine::NodeStatus& status) {
  Json out = Json::array();
  for (const engine::ViewStatus& view : status.views) {
    out.push_back({{"name", view.name},
                   {"kind", view.kind},
                   {"reads", view.reads},
                   {"rows", view.rows},
                   {"kept", view.kept},
                   {"changes", view.changes},
                   {"errors", view.errors},
                   {"late", view.late}});
  }
  return out;
}

Json time_json(const std::optional<Timestamp>& time) { return time ? Json(format_iso8601(*time)) : Json(nullptr); }

Json sinks_json(const engine::NodeStatus& status) {
  Json out = Json::array();
  for (const engine::SinkStatus& sink : status.sinks) {
    out.push_back({{"name", sink.name},
                   {"source", sink.source},
                   {"state", sink.state},
                   {"rows", sink.rows},
                   {"lag", sink.lag},
                   {"dead", sink.dead},
                   {"lost", sink.lost},
                   {"failing_since", time_json(sink.failing_since)},
                   {"failed_attempts", sink.failed_attempts},
                   {"last_error", sink.last_error.empty() ? Json(nullptr) : Json(sink.last_error)},
                   {"delivered_at", time_json(sink.delivered_at)}});
  }
  return out;
}

}  // namespace

std::string status_json(const engine::NodeStatus& status, bool insecure, Timestamp now) {
  Json out = {{"version", status.version},
              {"data_directory", status.data_directory},
              {"ready", status.ready},
              {"bounded_done", status.bounded_done},
              {"insecure", insecure},
              {"safe_mode", status.safe_mode.empty() ? Json(nullptr) : Json(status.safe_mode)},
              {"failure", status.failure.empty() ? Json(nullptr) : Json(status.failure)},
              {"stopped", status.stopped.empty() ? Json(nullptr) : Json(status.stopped)},
              {"stopped_error", status.stopped.empty() ? Json(nullptr) : Json(status.stopped_error)},
              {"stopped_hint", status.stopped.empty() ? Json(nullptr) : Json(status.stopped_hint)},
              {"sync_hangs_ms", status.sync_hangs.micros / 1000},
              {"stale_ms", status.stale.micros / 1000},
              {"time", format_iso8601(now)},
              {"epoch", status.epoch.value},
              {"rows_in", status.rows_in},
              {"rows_per_second", status.rows_per_second},
              {"lag_records", status.lag_records},
              {"memory_bytes", status.memory_bytes},
              {"memory_limit_bytes", status.memory_limit_bytes},
              {"state_bytes", status.state_bytes},
              {"state_limit_bytes", status.state_limit_bytes},
              {"state_evicted_bytes", status.state_evicted_bytes},
              {"state_blocks_read", status.state_blocks_read},
              {"free_bytes", status.free_bytes},
              {"low_space_bytes", status.low_space_bytes},
              {"commits", status.commits},
              {"checkpoints", status.checkpoints}};
  out["loads"] = loads_json(status);
  const engine::CompactionStatus& compaction = status.compaction;
  out["compaction"] = {{"passes", compaction.passes},
                       {"records_removed", compaction.records_removed},
                       {"bytes_freed", compaction.bytes_freed},
                       {"failure", compaction.failure.empty() ? Json(nullptr) : Json(compaction.failure)}};
  out["streams"] = streams_json(status);
  out["views"] = views_json(status);
  out["sinks"] = sinks_json(status);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace millrace::server
