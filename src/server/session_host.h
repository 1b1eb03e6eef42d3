// SessionHost: what sessions need of the server that they belong to.
#pragma once

#include <vector>

#include "base/metrics.h"
#include "server/byte_budget.h"
#include "server/routes.h"
#include "server/workers.h"

namespace millrace::server {

class Session;

/// Counters of one route.
struct RouteMetrics {
  Counter* answers[6] = {};  ///< by the first digit of the status
  Histogram* seconds = nullptr;
};

class SessionHost {
 public:
  SessionHost(Env& env, Metrics& metrics, engine::Node& node, HttpOptions options);
  virtual ~SessionHost() = default;

  /// The session's connection ended. Any thread.
  virtual void forget(Session& session) = 0;

  Context& context() { return context_; }
  const HttpOptions& options() const { return options_; }
  ByteBudget& budget() { return budget_; }
  Workers& workers(WorkerKind kind);
  Workers& subscription_workers() { return subscriptions_; }
  /// Workers take no more; stop_workers also waits for what they do.
  void close_workers();
  void stop_workers();
  /// Counts an answer; none of the routes: nullptr.
  void count(const Route* route, unsigned status, Duration took);
  Counter& received_bytes() { return received_bytes_; }
  Gauge& connections() { return connections_; }

 private:
  const HttpOptions options_;
  Context context_;
  ByteBudget budget_;
  std::vector<RouteMetrics> metrics_;  // in the order of routes(), then one for no route
  Counter& received_bytes_;
  Gauge& connections_;
  Workers appends_;
  Workers queries_;
  Workers looks_;
  Workers subscriptions_;
};

}  // namespace millrace::server
