// GET /v1/status, /v1/ledger, /metrics, /healthz, /readyz.
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "server/error_answer.h"
#include "server/routes.h"

namespace millrace::server {
namespace {

using Json = nlohmann::ordered_json;

Response json_answer(const Json& json) {
  Response response;
  response.body = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  response.body += '\n';
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
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

Json sinks_json(const engine::NodeStatus& status) {
  Json out = Json::array();
  for (const engine::SinkStatus& sink : status.sinks) {
    out.push_back(
        {{"name", sink.name}, {"source", sink.source}, {"state", sink.state}, {"rows", sink.rows}, {"lag", sink.lag}});
  }
  return out;
}

std::string_view kind_name(ledger::VerdictKind kind) {
  switch (kind) {
    case ledger::VerdictKind::kClosed: return "closed";
    case ledger::VerdictKind::kInFlight: return "in flight";
    case ledger::VerdictKind::kLost: return "lost";
    case ledger::VerdictKind::kRepeated: return "repeated";
    case ledger::VerdictKind::kSwapped: return "swapped";
    case ledger::VerdictKind::kMixed: return "mixed";
  }
  return "unknown";
}

/// 64 bits as hex digits: a JSON number would lose some in a browser.
std::string hex_text(uint64_t value) { return fmt::format("{:016x}", value); }

Json verdict_json(const ledger::Verdict& verdict, const std::map<uint32_t, std::string>& names) {
  auto name = names.find(verdict.stream.value);
  return {{"from", verdict.from},
          {"to", verdict.to},
          {"stream", name == names.end() ? std::to_string(verdict.stream.value) : name->second},
          {"minute", format_iso8601(verdict.minute)},
          {"kind", kind_name(verdict.kind)},
          {"lost", verdict.lost},
          {"repeated", verdict.repeated},
          {"in_flight", verdict.in_flight},
          {"detail", verdict.detail}};
}

Response plain_answer(unsigned status, std::string text) {
  Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text) + "\n";
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace

Response show_status(Context& context, Request&) {
  engine::NodeStatus status = context.node.status();
  Json out = {{"version", status.version},
              {"data_directory", status.data_directory},
              {"ready", status.ready},
              {"bounded_done", status.bounded_done},
              {"insecure", context.options.insecure},
              {"failure", status.failure.empty() ? Json(nullptr) : Json(status.failure)},
              {"time", format_iso8601(context.env.clock().now())},
              {"epoch", status.epoch.value},
              {"rows_in", status.rows_in},
              {"rows_per_second", status.rows_per_second},
              {"lag_records", status.lag_records},
              {"memory_bytes", status.memory_bytes},
              {"state_bytes", status.state_bytes},
              {"commits", status.commits},
              {"checkpoints", status.checkpoints}};
  out["streams"] = streams_json(status);
  out["views"] = views_json(status);
  out["sinks"] = sinks_json(status);
  return json_answer(out);
}

Response show_ledger(Context& context, Request&) {
  ledger::Report report = context.node.ledger_report();
  std::map<uint32_t, std::string> names;
  Json totals = Json::array();
  for (const ledger::HopTotal& total : report.totals) {
    names[total.stream.value] = total.stream_name;
    totals.push_back({{"hop", total.hop},
                      {"stream", total.stream_name},
                      {"count", total.count},
                      {"fingerprint", hex_text(total.fingerprint)}});
  }
  Json open = Json::array();
  for (const ledger::Verdict& verdict : report.open) open.push_back(verdict_json(verdict, names));
  return json_answer({{"closed", report.closed}, {"totals", std::move(totals)}, {"open", std::move(open)}});
}

Response show_metrics(Context& context, Request&) {
  Response response;
  response.content_type = Metrics::kOpenMetricsType;
  response.body = context.metrics.openmetrics();
  return response;
}

Response show_health(Context& context, Request&) {
  std::string failure = context.node.status().failure;
  return failure.empty() ? plain_answer(200, "ok") : plain_answer(503, "the engine stopped: " + failure);
}

Response show_readiness(Context& context, Request&) {
  engine::NodeStatus status = context.node.status();
  bool ready = status.ready && status.failure.empty() && !context.stopping;
  return ready ? plain_answer(200, "ready") : plain_answer(503, "not ready");
}

}  // namespace millrace::server
