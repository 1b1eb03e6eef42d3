// How long a POST of one event takes until its answer, which comes after fsync, with many connections: in a closed loop
// (every connection sends as soon as it is answered), then in an open loop at half of that (requests are due at fixed
// times; waiting for a free connection counts). Beside it, one write + fdatasync of the same size. As one JSON object.
//
//   build/release/bench/bench_http_latency [CONNECTIONS] [SECONDS]
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/real_env.h"
#include "engine/node.h"
#include "latencies.h"
#include "server/http_server.h"

namespace {

using namespace millrace;
using bench::Latencies;

constexpr size_t kEventBytes = 200;

int64_t now_micros(Env& env) { return env.clock().monotonic().micros; }

std::string request_of_one_event() {
  std::string body = "{\"id\":1,\"pad\":\"";
  body.append(kEventBytes - body.size() - 3, 'x');
  body += "\"}\n";
  return "POST /v1/streams/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// One thread that drives all connections.
class Clients {
 public:
  Clients(Env& env, int port, size_t connections) : env_(env), request_(request_of_one_event()), due_(connections) {
    poll_ = ::epoll_create1(0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < connections; ++i) {
      int socket = ::socket(AF_INET, SOCK_STREAM, 0);
      MR_CHECK(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "no connection");
      int one = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      ::epoll_ctl(poll_, EPOLL_CTL_ADD, socket, &event);
      sockets_.push_back(socket);
    }
  }
  ~Clients() {
    for (int socket : sockets_) ::close(socket);
    ::close(poll_);
  }
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  /// Requests answered per second. `rate` 0: a closed loop.
  double run(double rate, double seconds, Latencies& latencies) {
    start_ = now_micros(env_);
    end_ = start_ + static_cast<int64_t>(seconds * 1e6);
    rate_ = rate;
    issued_ = 0;
    for (size_t i = 0; i < sockets_.size(); ++i) free_.push_back(i);
    latencies.micros.clear();
    size_t waiting = 0;
    while (true) {
      waiting += send_what_is_due();
      if (waiting == 0 && now_micros(env_) >= end_) break;
      epoll_event events[256];
      timespec pause = until_next_due();
      int count = ::epoll_pwait2(poll_, events, 256, &pause, nullptr);
      for (int i = 0; i < count; ++i) {
        size_t connection = events[i].data.u64;
        take_answer(connection);
        latencies.micros.push_back(now_micros(env_) - due_[connection]);
        free_.push_back(connection);
        --waiting;
      }
    }
    free_.clear();
    return static_cast<double>(latencies.micros.size()) * 1e6 / static_cast<double>(now_micros(env_) - start_);
  }

 private:
  size_t send_what_is_due() {
    size_t sent = 0;
    while (!free_.empty()) {
      int64_t now = now_micros(env_);
      int64_t due = rate_ > 0 ? next_due() : now;
      if (due > now || due >= end_) break;
      size_t connection = free_.front();
      free_.pop_front();
      due_[connection] = due;
      MR_CHECK(
          ::send(sockets_[connection], request_.data(), request_.size(), 0) == static_cast<ssize_t>(request_.size()),
          "the request was not taken");
      ++issued_;
      ++sent;
    }
    return sent;
  }

  int64_t next_due() const { return start_ + static_cast<int64_t>(static_cast<double>(issued_) * 1e6 / rate_); }

  timespec until_next_due() {
    int64_t micros = 100'000;
    if (rate_ > 0 && !free_.empty()) micros = std::clamp<int64_t>(next_due() - now_micros(env_), 0, micros);
    return {0, micros * 1000};
  }

  void take_answer(size_t connection) {
    char bytes[4096];
    ssize_t count = ::recv(sockets_[connection], bytes, sizeof bytes, 0);
    std::string_view answer(bytes, count > 0 ? static_cast<size_t>(count) : 0);
    MR_CHECK(answer.starts_with("HTTP/1.1 200") && answer.ends_with("]}\n"), std::string(answer));
  }

  Env& env_;
  std::string request_;
  int poll_ = -1;
  std::vector<int> sockets_;
  std::vector<int64_t> due_;  // of the request under way, one a connection
  std::deque<size_t> free_;
  int64_t start_ = 0;
  int64_t end_ = 0;
  double rate_ = 0;
  uint64_t issued_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  auto connections = static_cast<size_t>(argc > 1 ? std::atoi(argv[1]) : 64);
  double seconds = argc > 2 ? std::atof(argv[2]) : 5;
  RealEnv env;
  Metrics metrics;
  std::string directory = (std::filesystem::temp_directory_path() / "millrace_bench_http_latency").string();
  std::filesystem::remove_all(directory);
  engine::NodeOptions options;
  options.data_directory = directory;
  auto node = engine::Node::open(env, metrics, options).value();
  MR_CHECK(node->apply_pipeline("CREATE STREAM events (id BIGINT, pad VARCHAR) WITH (partitions = 4);", ".", {}).ok(),
           "the pipeline was refused");
  MR_CHECK(node->start().ok(), "the node does not start");
  server::HttpOptions http;
  http.port = 0;
  auto server = server::HttpServer::start(env, metrics, *node, http).value();
  Latencies disk = bench::sync_alone(env, directory + "/probe", kEventBytes + 100);
  Latencies closed;
  Latencies open;
  double most = 0;
  double rate = 0;
  {
    Clients clients(env, server->port(), connections);
    most = clients.run(0, seconds, closed);
    rate = clients.run(most / 2, seconds, open);
  }
  std::printf(
      "{\"connections\":%zu,\"fdatasync_p50_ms\":%.3f,\"fdatasync_p99_ms\":%.3f,\"closed_per_second\":%.0f,"
      "\"closed_p50_ms\":%.3f,\"closed_p99_ms\":%.3f,\"connections_over_throughput_ms\":%.3f,\"open_per_second\":%.0f,"
      "\"open_p50_ms\":%.3f,\"open_p99_ms\":%.3f}\n",
      connections, disk.at(0.5), disk.at(0.99), most, closed.at(0.5), closed.at(0.99),
      static_cast<double>(connections) * 1e3 / most, rate, open.at(0.5), open.at(0.99));
  server->stop();
  MR_CHECK(node->stop().ok(), "the node does not stop");
  std::filesystem::remove_all(directory);
  return 0;
}
