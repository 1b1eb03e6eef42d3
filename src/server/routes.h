// The one list of endpoints: method, path, handler. Adding one is a handler and a line in routes.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <variant>

#include "base/env.h"
#include "base/metrics.h"
#include "engine/node.h"
#include "server/http_server.h"
#include "server/message.h"

namespace millrace::server {

/// What handlers share. Lives as long as the server.
struct Context {
  Env& env;
  Metrics& metrics;
  engine::Node& node;
  const HttpOptions& options;
  std::atomic<bool> stopping{false};
  std::atomic<uint32_t> subscriptions{0};
};

/// Which threads run the handler, so that SQL that takes long does not hold up ingest, nor either of them the status.
enum class WorkerKind : uint8_t { kAppend, kQuery, kLook };

/// Waits and returns the answer.
using Handler = Response (*)(Context&, Request&);
/// Gives the answer to its last argument, once: before it returns or later, from any thread.
using LaterHandler = void (*)(Context&, std::shared_ptr<Request>, std::function<void(Response)>);

/// Who may ask, where anybody is asked who they are.
enum class Access : uint8_t {
  kAnyone,
  kUser,   ///< who has logged in
  kWrite,  ///< who may write to the stream that the path names
  kAdmin,  ///< who may do everything
};

struct Route {
  std::string_view method;
  std::string_view path;  ///< may hold one {parameter}
  std::variant<Handler, LaterHandler> handler;
  WorkerKind workers = WorkerKind::kLook;
  Access access = Access::kAdmin;
  uint64_t body_bytes_max = 0;  ///< kBodyBytesOption: HttpOptions::body_bytes_max
};

inline constexpr uint64_t kBodyBytesOption = UINT64_MAX;

std::span<const Route> routes();

struct RouteMatch {
  const Route* route = nullptr;  ///< none: `allowed` says which methods the path has; empty: there is no such path
  std::string allowed;
};

/// Also sets the request's `parameter`. HEAD is answered by GET's route.
RouteMatch find_route(Request& request);
/// 404 or 405 for a match without a route.
Response no_route_answer(const Request& request, const RouteMatch& match);

/// The producer's account that the request's headers carry, checked. account_handler.cpp
Status read_account(const Request& request, engine::AppendRequest& options);

// Handlers. Each is in the file of its area.
void append_records(Context& context, std::shared_ptr<Request> request,
                    std::function<void(Response)> respond);     // append_handler.cpp
Response declare_sent(Context& context, Request& request);      // account_handler.cpp
Response replay_dead(Context& context, Request& request);       // dead_handler.cpp
Response create_savepoint(Context& context, Request& request);  // savepoint_handler.cpp
Response run_sql(Context& context, Request& request);           // sql_handler.cpp
Response show_status(Context& context, Request& request);       // status_handlers.cpp
Response show_ledger(Context& context, Request& request);
Response show_metrics(Context& context, Request& request);
Response show_health(Context& context, Request& request);
Response show_readiness(Context& context, Request& request);
Response show_page(Context& context, Request& request);  // page/page.cpp

}  // namespace millrace::server
