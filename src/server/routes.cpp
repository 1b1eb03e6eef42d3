#include "server/routes.h"

#include "base/text.h"
#include "server/error_answer.h"

namespace millrace::server {
namespace {

constexpr uint64_t kAccountBytesMax = 64ULL << 10;
constexpr uint64_t kSqlBytesMax = 1ULL << 20;

constexpr Route kRoutes[] = {
    {"POST", "/v1/streams/{stream}", append_records, WorkerKind::kAppend, Access::kWrite, kBodyBytesOption},
    {"POST", "/v1/sql", run_sql, WorkerKind::kQuery, Access::kAdmin, kSqlBytesMax},
    {"POST", "/v1/ledger/{stream}", declare_sent, WorkerKind::kAppend, Access::kWrite, kAccountBytesMax},
    {"POST", "/v1/dead/{sink}", replay_dead, WorkerKind::kQuery},
    {"POST", "/v1/savepoint", create_savepoint, WorkerKind::kQuery},
    {"GET", "/v1/status", show_status, WorkerKind::kLook, Access::kUser},
    {"GET", "/v1/ledger", show_ledger, WorkerKind::kLook, Access::kUser},
    {"GET", "/metrics", show_metrics, WorkerKind::kLook, Access::kUser},
    {"GET", "/healthz", show_health, WorkerKind::kLook, Access::kAnyone},
    {"GET", "/readyz", show_readiness, WorkerKind::kLook, Access::kAnyone},
    {"GET", "/", show_page, WorkerKind::kLook, Access::kAnyone},
};

/// Whether the path fits the pattern; `parameter` gets what stands at {…}, which is never empty and has no slash.
bool matches(std::string_view pattern, std::string_view path, std::string_view& parameter) {
  size_t brace = pattern.find('{');
  if (brace == std::string_view::npos) return pattern == path;
  if (!path.starts_with(pattern.substr(0, brace))) return false;
  parameter = path.substr(brace);
  return !parameter.empty() && parameter.find('/') == std::string_view::npos;
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

RouteMatch find_route(Request& request) {
  RouteMatch match;
  std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  for (const Route& route : kRoutes) {
    std::string_view parameter;
    if (!matches(route.path, request.path, parameter)) continue;
    if (route.method == method) {
      request.parameter = parameter;
      match.route = &route;
      return match;
    }
    if (!match.allowed.empty()) match.allowed += ", ";
    match.allowed += route.method;
  }
  return match;
}

Response no_route_answer(const Request& request, const RouteMatch& match) {
  if (!match.allowed.empty()) {
    Error error =
        user_error(sqlstate::kNotSupported, "this address takes " + match.allowed + ", not " + shorten(request.method));
    Response response = error_answer(405, error);
    response.headers.emplace_back("Allow", match.allowed);
    return response;
  }
  std::string hint = "there are";
  for (const Route& route : kRoutes) {
    hint += &route == &kRoutes[0] ? " " : ", ";
    hint += std::string(route.method) + " " + std::string(route.path);
  }
  return error_answer(
      404, user_error(sqlstate::kUndefinedTable, "there is nothing at " + shorten(request.path)).with_hint(hint));
}

}  // namespace millrace::server
