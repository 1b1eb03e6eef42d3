#include "app/report_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <map>

#include "base/text.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

const char* kind_name(ledger::VerdictKind kind) {
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

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string status_json(const engine::NodeStatus& status) {
  Json out = {{"version", status.version},         {"data_directory", status.data_directory},
              {"epoch", status.epoch.value},       {"bounded_done", status.bounded_done},
              {"lag_records", status.lag_records}, {"state_bytes", status.state_bytes}};
  out["streams"] = Json::array();
  for (const auto& stream : status.streams) {
    out["streams"].push_back({{"name", stream.name},
                              {"kind", stream.kind},
                              {"records", stream.records},
                              {"bytes", stream.bytes},
                              {"lag_records", stream.lag_records},
                              {"dead", stream.dead}});
  }
  out["views"] = Json::array();
  for (const auto& view : status.views) {
    out["views"].push_back({{"name", view.name}, {"kind", view.kind}, {"reads", view.reads}, {"rows", view.rows}});
  }
  return text_of(out);
}

std::string ledger_json(const ledger::Report& report) {
  std::map<uint32_t, std::string> names;
  Json totals = Json::array();
  for (const ledger::HopTotal& total : report.totals) {
    names[total.stream.value] = total.stream_name;
    totals.push_back({{"hop", total.hop},
                      {"stream", total.stream_name},
                      {"count", total.count},
                      {"fingerprint", fmt::format("{:016x}", total.fingerprint)}});
  }
  Json open = Json::array();
  for (const ledger::Verdict& verdict : report.open) {
    open.push_back({{"from", verdict.from},
                    {"to", verdict.to},
                    {"stream", names.contains(verdict.stream.value) ? names[verdict.stream.value]
                                                                    : std::to_string(verdict.stream.value)},
                    {"minute", format_iso8601(verdict.minute)},
                    {"kind", kind_name(verdict.kind)},
                    {"lost", verdict.lost},
                    {"repeated", verdict.repeated},
                    {"in_flight", verdict.in_flight},
                    {"detail", verdict.detail}});
  }
  return text_of({{"closed", report.closed}, {"totals", std::move(totals)}, {"open", std::move(open)}});
}

}  // namespace millrace::app
