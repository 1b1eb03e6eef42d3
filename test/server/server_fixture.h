// An HTTP server over a FakeNode, and a client that writes and reads the bytes itself.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/metrics.h"
#include "base/real_env.h"
#include "base/text.h"
#include "fake_node.h"
#include "server/http_server.h"

namespace millrace::server {

struct Answer {
  unsigned status = 0;  ///< 0: the connection ended first
  std::string head;
  std::string body;
  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
  std::string error_code() const { return json()["error"]["code"].get<std::string>(); }
  std::string error_message() const { return json()["error"]["message"].get<std::string>(); }
  /// The value of a header, empty when it is not there.
  std::string header(std::string_view name) const {
    for (std::string_view line : split_view(head, '\n')) {
      size_t colon = line.find(':');
      if (colon != std::string_view::npos && iequals(line.substr(0, colon), name))
        return std::string(trim(line.substr(colon + 1)));
    }
    return {};
  }
};

class Client {
 public:
  Client(Env& env, uint16_t port) {
    auto connected = env.network().connect("127.0.0.1", port, Duration::from_seconds(10));
    EXPECT_TRUE(connected.ok());
    if (connected.ok()) connection_ = std::move(connected).value();
  }

  void write(std::string_view bytes) { (void)try_write(bytes); }
  bool try_write(std::string_view bytes) { return connection_->write(bytes).ok(); }
  Answer read(bool head_only = false) {
    Answer answer;
    if (!fill([&] { return buffer_.find("\r\n\r\n") != std::string::npos; })) return answer;
    size_t end = buffer_.find("\r\n\r\n") + 4;
    answer.head = buffer_.substr(0, end);
    buffer_.erase(0, end);
    answer.status = static_cast<unsigned>(std::stoul(answer.head.substr(9, 3)));
    std::string length = answer.header("Content-Length");
    if (head_only || length.empty()) return answer;
    size_t size = std::stoul(length);
    if (!fill([&] { return buffer_.size() >= size; })) answer.status = 0;
    answer.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return answer;
  }
  /// One chunk of a chunked body; empty at its end.
  std::string read_chunk() {
    if (!fill([&] { return buffer_.find("\r\n") != std::string::npos; })) return {};
    size_t size = std::stoul(buffer_, nullptr, 16);
    size_t begin = buffer_.find("\r\n") + 2;
    fill([&] { return buffer_.size() >= begin + size + 2; });
    std::string chunk = buffer_.substr(begin, size);
    buffer_.erase(0, begin + size + 2);
    return chunk;
  }
  bool at_end() {
    return !fill([&] { return !buffer_.empty(); });
  }
  void close() { connection_.reset(); }

 private:
  template <typename Done>
  bool fill(Done done) {
    char bytes[65536];
    while (!done()) {
      auto count = connection_->read(bytes, sizeof bytes);
      if (!count.ok() || *count == 0) return false;
      buffer_.append(bytes, *count);
    }
    return true;
  }

  std::unique_ptr<Connection> connection_;
  std::string buffer_;
};

/// The machine, with a monotonic clock that a test can move on.
class MovedEnv final : public RealEnv {
 public:
  Clock& clock() override { return clock_; }
  void pass(Duration time) { clock_.moved += time.micros; }

 private:
  struct MovedClock final : Clock {
    explicit MovedClock(Clock& real) : real(real) {}
    Timestamp now() override { return real.now(); }
    Duration monotonic() override { return Duration{real.monotonic().micros + moved}; }
    void sleep_for(Duration duration) override { real.sleep_for(duration); }
    Clock& real;
    std::atomic<int64_t> moved{0};
  };
  MovedClock clock_{RealEnv::clock()};
};

class ServerFixture : public ::testing::Test {
 protected:
  void start(HttpOptions options = {}) {
    options.port = 0;
    auto started = HttpServer::start(env_, metrics_, node_, std::move(options));
    ASSERT_TRUE(started.ok()) << render(started.error());
    server_ = std::move(started).value();
  }
  void TearDown() override {
    node_.let_go();
    server_.reset();
  }

  static std::string request(std::string_view method, std::string_view target, std::string_view body = {},
                             std::string_view headers = {}) {
    std::string out =
        std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers);
    if (!body.empty() || method == "POST") out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return out + "\r\n" + std::string(body);
  }
  Client client() { return Client(env_, server_->port()); }
  Answer get(std::string_view target, std::string_view headers = {}) {
    Client one = client();
    one.write(request("GET", target, {}, headers));
    return one.read();
  }
  Answer post(std::string_view target, std::string_view body, std::string_view headers = {}) {
    Client one = client();
    one.write(request("POST", target, body, headers));
    return one.read();
  }

  MovedEnv env_;
  Metrics metrics_;
  FakeNode node_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace millrace::server
