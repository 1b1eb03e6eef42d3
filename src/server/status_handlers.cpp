// GET /v1/status, /v1/ledger, /metrics, /healthz, /readyz.
#include <fmt/format.h>

#include <optional>

#include "base/text.h"
#include "ledger/render.h"
#include "server/error_answer.h"
#include "server/routes.h"
#include "server/status_json.h"
#include "server/status_metrics.h"

namespace millrace::server {
namespace {

Response json_answer(std::string json) {
  Response response;
  response.body = std::move(json);
  response.body += '\n';
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Response plain_answer(unsigned status, std::string text) {
  Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text) + "\n";
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

std::string engine_failure(const engine::NodeStatus& status) {
  return (status.recovering ? "the engine recovers from: " : "the engine stopped: ") + status.failure;
}

/// An answer when the disk hangs. Asked before anything that may wait for a commit.
std::optional<Response> disk_failure(Context& context) {
  constexpr Duration kHangs = Duration::from_seconds(5);
  const Duration oldest = context.env.files().oldest_sync();
  if (oldest < kHangs) return std::nullopt;
  return plain_answer(503, fmt::format("the disk hangs: a sync has not come back for {} s; nothing is acked meanwhile",
                                       oldest.micros / 1000000));
}

}  // namespace

Response show_status(Context& context, Request&) {
  return json_answer(status_json(context.node.status(), context.options.insecure, context.env.clock().now()));
}

Response show_ledger(Context& context, Request&) { return json_answer(ledger::to_json(context.node.ledger_report())); }

Response show_metrics(Context& context, Request&) {
  Response response;
  response.content_type = Metrics::kOpenMetricsType;
  response.body = status_metrics(context.node.status()) + context.metrics.openmetrics();
  return response;
}

Response show_health(Context& context, Request&) {
  if (std::optional<Response> hangs = disk_failure(context)) return std::move(*hangs);
  engine::NodeStatus status = context.node.status();
  if (!status.failure.empty()) return plain_answer(503, engine_failure(status));
  std::string text = "ok";
  // A destination that is away is nothing that another node or a restart would mend.
  for (const engine::SinkStatus& sink : status.sinks) {
    if (!sink.failing_since) continue;
    text += fmt::format("\nsink {}: failing since {}, {} attempts, {} behind; /v1/status says why", sink.name,
                        format_iso8601(*sink.failing_since), sink.failed_attempts, sink.lag);
  }
  return plain_answer(200, std::move(text));
}

Response show_readiness(Context& context, Request&) {
  if (std::optional<Response> hangs = disk_failure(context)) return std::move(*hangs);
  engine::NodeStatus status = context.node.status();
  if (!status.safe_mode.empty()) return plain_answer(503, "safe mode: " + status.safe_mode);
  if (!status.failure.empty()) return plain_answer(503, engine_failure(status));
  if (!status.stopped.empty()) {
    return plain_answer(503, "stopped at a row that fails: " + status.stopped +
                                 "; GET /v1/status says why and how to go on, reads and appends are served");
  }
  if (!status.ready || context.stopping) return plain_answer(503, "not ready");
  return plain_answer(200, "ready: caught up to commit " + std::to_string(status.epoch.value));
}

}  // namespace millrace::server
