// HttpServer: the HTTP API and the built-in page of a node, over HTTP/1.1. docs/http.md is its contract with clients.
//
// A few threads read and write sockets; handlers that wait (fsync, SQL) run on worker threads behind bounded queues, so
// that many requests share one group commit and a full queue answers 503 instead of growing. Memory is bounded too: the
// bodies in hand share one budget.
//
// start, stop and the destructor are for one thread; the node must outlive the server.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/env.h"
#include "base/metrics.h"
#include "base/result.h"
#include "engine/node.h"
#include "server/users.h"

namespace millrace::server {

/// SHA-256 of a bearer token. The token itself is not kept.
using TokenHash = std::array<uint8_t, 32>;

struct HttpOptions {
  std::string host = "127.0.0.1";  ///< a name or an address; IPv6 without brackets
  uint16_t port = 8780;            ///< 0: a free one, see port()
  std::optional<TokenHash> auth_token_hash;
  std::shared_ptr<const Users> users;  ///< null: there are none
  bool insecure = false;  ///< --insecure: no token although others can reach the listener; shows in /v1/status

  uint32_t io_threads = 2;
  uint32_t append_threads = 16;
  uint32_t query_threads = 4;
  uint32_t subscriptions_max = 32;
  uint32_t queued_appends_max = 4096;  ///< that no thread has taken up yet; more: 503
  uint32_t queued_requests_max = 256;  ///< the same for each other kind of worker
  uint32_t connections_max = 4096;
  uint64_t header_bytes_max = 16ULL << 10;
  uint64_t body_bytes_max = 64ULL << 20;               ///< of one request, before and after unpacking; more: 413
  uint64_t body_bytes_in_hand_max = 512ULL << 20;      ///< of all requests; more: 503
  uint64_t records_max = 1000000;                      ///< of one request; more: 413
  Duration idle_timeout = Duration::from_seconds(60);  ///< between requests
  Duration read_timeout =
      Duration::from_seconds(30);  ///< the longest pause inside a request, and for its answer to be taken
  uint64_t bytes_per_second_min = 4 << 10;  ///< of a body and of an answer, beyond the first read_timeout of each
  Duration heartbeat_interval = Duration::from_seconds(2);  ///< of a subscription without changes
  Duration stop_timeout = Duration::from_seconds(5);        ///< for requests in hand when the server stops
};

/// Refuses (kInvalidParameter) a listener that others can reach and that asks nobody who they are, unless `insecure` is set.
Status check_listen_allowed(const HttpOptions& options);

/// Reads --auth-token-file: one line, the token itself (at least 16 characters), or `sha256:` and 64 hex digits.
Result<TokenHash> read_auth_token(Env& env, const std::string& path);

class HttpServer {
 public:
  /// Listens and serves from now on. A taken port is a kObjectInUse error that names --listen; check_listen_allowed is
  /// asked too.
  static Result<std::unique_ptr<HttpServer>> start(Env& env, Metrics& metrics, engine::Node& node, HttpOptions options);
  /// Stops.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Takes no more connections and requests, lets those in hand finish for up to stop_timeout, then closes them. A
  /// second call does nothing. Call it before Node::stop, whose end would fail the requests in hand.
  void stop();

  uint16_t port() const;
  /// "http://127.0.0.1:8780"
  std::string url() const;

 private:
  struct Rep;
  explicit HttpServer(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace millrace::server
