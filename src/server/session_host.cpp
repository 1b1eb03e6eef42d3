#include "server/session_host.h"

#include <string>

namespace millrace::server {
namespace {

constexpr size_t kLookThreads = 2;

RouteMetrics make_metrics(Metrics& metrics, std::string_view name) {
  RouteMetrics made;
  std::string route(name);
  for (size_t digit = 1; digit < std::size(made.answers); ++digit) {
    made.answers[digit] = &metrics.counter("millrace_http_answers", "HTTP answers by route and kind of status",
                                           {{"route", route}, {"status", std::to_string(digit) + "xx"}});
  }
  made.seconds = &metrics.histogram("millrace_http_request_seconds", "From the end of a request's body to its answer",
                                    {{"route", route}}, Unit::kSeconds);
  return made;
}

}  // namespace

SessionHost::SessionHost(Env& env, Metrics& metrics, engine::Node& node, HttpOptions options)
    : options_(std::move(options)),
      context_{env, metrics, node, options_},
      budget_(options_.body_bytes_in_hand_max),
      received_bytes_(metrics.counter("millrace_http_received_bytes", "Bytes of request bodies", {}, Unit::kBytes)),
      connections_(metrics.gauge("millrace_http_connections", "Open connections")),
      appends_(options_.append_threads, options_.queued_appends_max),
      queries_(options_.query_threads, options_.queued_requests_max),
      looks_(kLookThreads, options_.queued_requests_max),
      subscriptions_(options_.subscriptions_max, options_.subscriptions_max) {
  for (const Route& route : routes()) {
    metrics_.push_back(make_metrics(metrics, std::string(route.method) + " " + std::string(route.path)));
  }
  metrics_.push_back(make_metrics(metrics, "none"));
}

Workers& SessionHost::workers(WorkerKind kind) {
  switch (kind) {
    case WorkerKind::kAppend: return appends_;
    case WorkerKind::kQuery: return queries_;
    case WorkerKind::kLook: break;
  }
  return looks_;
}

void SessionHost::close_workers() {
  for (Workers* workers : {&appends_, &queries_, &looks_, &subscriptions_}) workers->close();
}

void SessionHost::stop_workers() {
  for (Workers* workers : {&appends_, &queries_, &looks_, &subscriptions_}) workers->stop();
}

void SessionHost::count(const Route* route, unsigned status, Duration took) {
  RouteMetrics& metrics =
      metrics_[route == nullptr ? metrics_.size() - 1 : static_cast<size_t>(route - routes().data())];
  if (status >= 100 && status < 600) metrics.answers[status / 100]->add();
  metrics.seconds->record(static_cast<uint64_t>(std::max<int64_t>(took.micros, 0)));
}

}  // namespace millrace::server
