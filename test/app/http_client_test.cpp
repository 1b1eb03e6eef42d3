// The HTTP client against a server that answers what the test wrote down.
#include "app/http_client.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "app/producer.h"
#include "app/remote.h"
#include "base/real_env.h"

namespace millrace::app {
namespace {

/// Answers one request after another with the given bytes; after an empty one it closes the connection and takes
/// another.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> answers) : answers_(std::move(answers)) {
    auto listener = env_.network().listen("127.0.0.1", 0);
    EXPECT_TRUE(listener.ok());
    listener_ = std::move(listener).value();
    thread_ = std::thread([this] { run(); });
  }
  ~ScriptedServer() {
    listener_->close();
    thread_.join();
  }
  Endpoint endpoint() const { return {"127.0.0.1", listener_->port()}; }
  RealEnv& env() { return env_; }
  std::vector<std::string> requests;  ///< read them when all answers were taken

 private:
  /// One request with its body; empty when the client is gone.
  std::string read_request(Connection& connection) {
    std::string text;
    char bytes[4096];
    while (true) {
      size_t head = text.find("\r\n\r\n");
      if (head != std::string::npos) {
        size_t at = text.find("Content-Length: ");
        size_t body = at == std::string::npos ? 0 : std::stoul(text.substr(at + 16));
        if (text.size() >= head + 4 + body) return text;
      }
      auto count = connection.read(bytes, sizeof bytes);
      if (!count.ok() || *count == 0) return {};
      text.append(bytes, *count);
    }
  }
  void run() {
    size_t next = 0;
    while (next < answers_.size()) {
      auto connection = listener_->accept();
      if (!connection.ok()) return;
      while (next < answers_.size()) {
        std::string request = read_request(**connection);
        if (request.empty()) break;
        requests.push_back(std::move(request));
        const std::string& answer = answers_[next++];
        if (answer.empty() || !(*connection)->write(answer).ok()) break;
      }
    }
  }

  RealEnv env_;
  std::vector<std::string> answers_;
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
};

std::string answer_of(int status, const std::string& body, const std::string& headers = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + headers + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

TEST(HttpClient, KeepsTheConnection) {
  ScriptedServer server(
      {answer_of(200, "one"), answer_of(404, "two"),
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
       answer_of(200, "")});
  HttpClient client(server.env(), server.endpoint(), "secret");
  EXPECT_EQ(client.send({})->body, "one");
  auto second = client.send({"POST", "/x", {{"A", "b"}}, "hello", false});
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->status, 404);
  EXPECT_EQ(second->body, "two");
  EXPECT_EQ(client.send({})->body, "abcde");
  EXPECT_EQ(client.send({})->body, "");
  ASSERT_EQ(server.requests.size(), 4u);
  EXPECT_NE(server.requests[1].find("POST /x HTTP/1.1\r\n"), std::string::npos);
  EXPECT_NE(server.requests[1].find("Authorization: Bearer secret\r\n"), std::string::npos);
  EXPECT_TRUE(server.requests[1].ends_with("\r\n\r\nhello"));
}

TEST(HttpClient, AClosedConnectionIsOpenedAgainWhenThatIsSafe) {
  ScriptedServer server({answer_of(200, "one"), "", answer_of(200, "two"), ""});
  HttpClient client(server.env(), server.endpoint());
  EXPECT_EQ(client.send({})->body, "one");
  EXPECT_EQ(client.send({})->body, "two");
  HttpRequest once{"POST", "/v1/sql", {}, "{}", false};
  EXPECT_FALSE(client.send(once).ok());
}

TEST(HttpClient, RefusesWhatIsNotHttp) {
  for (const char* text :
       {"nonsense\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"}) {
    ScriptedServer server({text, ""});
    HttpClient client(server.env(), server.endpoint());
    EXPECT_FALSE(client.send({"GET", "/", {}, {}, false}).ok()) << text;
    (void)client.send({"GET", "/", {}, {}, false});
  }
}

TEST(HttpClient, Urls) {
  EXPECT_EQ(parse_url("http://localhost:81/")->text(), "localhost:81");
  EXPECT_EQ(parse_url("127.0.0.1:8780")->port, 8780);
  EXPECT_FALSE(parse_url("https://x:1").ok());
  EXPECT_EQ(url_escape("a b/ü"), "a%20b%2F%C3%BC");
}

TEST(Remote, ErrorsKeepTheirPlace) {
  ScriptedServer server({answer_of(
      400, R"({"error":{"code":"42601","message":"no \"x\"","position":{"offset":7,"length":2},"hint":"try"}})")});
  Remote remote(server.env(), server.endpoint(), {});
  auto answer = remote.execute("SELECT xx");
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, "42601");
  EXPECT_EQ(answer.error().message, "no \"x\"");
  EXPECT_EQ(answer.error().position->offset, 7u);
  EXPECT_EQ(answer.error().position->length, 2u);
  EXPECT_EQ(answer.error().hint, "try");
}

TEST(Remote, StreamsLines) {
  ScriptedServer server(
      {"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
       "5\r\n{\"a\":\r\n6\r\n1}\n\n{\"\r\n6\r\nb\":2}\n\r\n0\r\n\r\n"});
  Remote remote(server.env(), server.endpoint(), {});
  std::string seen;
  auto answer = remote.execute("SUBSCRIBE TO x", [&](std::string_view line) -> Status {
    seen += std::string(line) + "|";
    return {};
  });
  ASSERT_TRUE(answer.ok()) << render(answer.error());
  EXPECT_EQ(seen, "|{\"a\":1}|{\"b\":2}|");
}

TEST(Producer, SendsWholeLinesAndTriesAgain) {
  std::string slow = answer_of(503, R"({"error":{"code":"57P03","message":"slow down","position":null,"hint":null}})");
  ScriptedServer server({answer_of(200, R"({"accepted":2,"rejected":[]})"), slow,
                         answer_of(200, R"({"accepted":1,"rejected":[{"line":2,"error":"bad"}]})"),
                         answer_of(200, R"({"accepted":1})")});
  Remote remote(server.env(), server.endpoint(), {});
  ProducerOptions options;
  options.chunk_bytes = 8;
  Producer producer(server.env(), remote, "my stream", options);
  ASSERT_TRUE(producer.take("12\n34\n5").ok());
  ASSERT_TRUE(producer.take("6\n7\nlonger than a chunk").ok());
  ASSERT_TRUE(producer.finish().ok());
  ASSERT_EQ(server.requests.size(), 4u);
  auto body = [&](size_t i) { return server.requests[i].substr(server.requests[i].find("\r\n\r\n") + 4); };
  auto key = [&](size_t i) { return server.requests[i].substr(server.requests[i].find("Idempotency-Key: ") + 17, 34); };
  EXPECT_EQ(body(0), "12\n34\n");
  EXPECT_EQ(body(0) + body(2) + body(3), "12\n34\n56\n7\nlonger than a chunk");
  EXPECT_EQ(body(1), body(2));
  EXPECT_EQ(key(1), key(2));
  EXPECT_NE(key(0), key(1));
  EXPECT_NE(server.requests[0].find("POST /v1/streams/my%20stream HTTP"), std::string::npos);
  EXPECT_EQ(producer.totals().lines, 5u);
  EXPECT_EQ(producer.totals().accepted, 4u);
  EXPECT_EQ(producer.totals().retries, 1u);
  EXPECT_EQ(producer.totals().reasons, std::vector<std::string>{"line 4: bad"});
}

}  // namespace
}  // namespace millrace::app
