// Connections: keep-alive, pipelining, heads, access, stopping.
#include <set>

#include "base/simulated_env.h"
#include "server/access.h"
#include "server/pace.h"
#include "server_fixture.h"

namespace millrace::server {
namespace {

constexpr const char* kToken = "0123456789abcdef0123";

class Connections : public ServerFixture {};

TEST_F(Connections, KeepAliveAndPipelining) {
  start();
  Client one = client();
  std::string many;
  for (int i = 0; i < 20; ++i) many += request("POST", "/v1/streams/orders", "{\"id\":" + std::to_string(i) + "}");
  one.write(many);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(one.read().json()["positions"][0]["first"], i) << "answers come in order";
  one.write(request("GET", "/healthz"));
  EXPECT_EQ(one.read().body, "ok\n");
  one.write(request("GET", "/healthz", {}, "Connection: close\r\n"));
  EXPECT_EQ(one.read().status, 200u);
  EXPECT_TRUE(one.at_end());
}

TEST_F(Connections, ARequestInPieces) {
  start();
  Client one = client();
  for (char c : request("POST", "/v1/streams/orders", "{\"id\":1}")) one.write(std::string_view(&c, 1));
  EXPECT_EQ(one.read().status, 200u);
}

TEST_F(Connections, HalfARequestStoresNothing) {
  start();
  std::string whole = request("POST", "/v1/streams/orders", "{\"id\":1}\n{\"id\":2}\n");
  Client one = client();
  one.write(whole.substr(0, whole.size() - 3));
  one.close();
  EXPECT_EQ(post("/v1/streams/orders", "{}").status, 200u);
  EXPECT_EQ(node_.stored(), std::vector<std::string>{"{}"});
}

TEST(PaceOfAClient, IsBoundByTheLongestPauseAndTheLeastSpeed) {
  SimulatedEnv env;
  const Pace pace(env.clock(), Duration::from_seconds(30), 1000);
  EXPECT_EQ(pace.patience(0), Duration::from_seconds(30));
  env.clock().advance(Duration::from_seconds(29));
  EXPECT_EQ(pace.patience(10), Duration::from_millis(1010)) << "30 s, and 10 ms for 10 bytes, are over by then";
  EXPECT_EQ(pace.patience(1 << 20), Duration::from_seconds(30));
  env.clock().advance(Duration::from_seconds(2));
  EXPECT_LE(pace.patience(10), Duration{});
  EXPECT_EQ(pace.patience(2000), Duration::from_seconds(1));
}

TEST_F(Connections, AHeadThatTricklesIsCutOff) {
  HttpOptions options;
  options.header_bytes_max = 1ULL << 30;
  options.read_timeout = Duration::from_millis(20);
  start(options);
  Client one = client();
  one.write("GET /healthz HTTP/1.1\r\nX-Long: ");
  bool cut = false;
  for (uint64_t sent = 0; sent < options.header_bytes_max && !cut; ++sent) cut = !one.try_write("x");
  EXPECT_TRUE(cut) << "each byte gave it more time";
  EXPECT_EQ(get("/healthz").status, 200u);
}

TEST_F(Connections, ABodyThatTricklesIsCutOff) {
  start();
  Client one = client();
  one.write("POST /v1/streams/orders HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n");
  EXPECT_EQ(one.read(true).status, 100u);
  one.write("{\"id\"");
  env_.pass(Duration::from_seconds(3600));
  one.write(":");  // a pause within the bounds, by the machine's clock, but not the pace
  EXPECT_TRUE(one.at_end());
  EXPECT_TRUE(node_.stored().empty());
}

TEST_F(Connections, ASilentConnectionIsClosed) {
  HttpOptions options;
  options.idle_timeout = Duration::from_millis(20);
  start(options);
  Client one = client();
  one.write(request("GET", "/healthz"));
  EXPECT_EQ(one.read().status, 200u);
  EXPECT_TRUE(one.at_end());
}

TEST_F(Connections, ExpectContinue) {
  start();
  Client one = client();
  one.write("POST /v1/streams/orders HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(one.read(true).status, 100u);
  one.write("{}");
  EXPECT_EQ(one.read().status, 200u);
}

TEST_F(Connections, BadHeads) {
  HttpOptions options;
  options.header_bytes_max = 1000;
  start(options);
  Client noise = client();
  noise.write("this is not HTTP at all\r\n\r\n");
  EXPECT_EQ(noise.read().status, 400u);
  EXPECT_EQ(get("/healthz", "X-Long: " + std::string(2000, 'x') + "\r\n").status, 431u);
  EXPECT_EQ(get("/nosuch").status, 404u);
  Answer method = get("/v1/sql");
  EXPECT_EQ(method.status, 405u);
  EXPECT_EQ(method.header("Allow"), "POST");
  EXPECT_EQ(get("/healthz").status, 200u);
}

TEST_F(Connections, Head) {
  start();
  Client one = client();
  one.write(request("HEAD", "/healthz"));
  Answer answer = one.read(true);
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.header("Content-Length"), "3");
  one.write(request("GET", "/healthz"));
  EXPECT_EQ(one.read().body, "ok\n") << "no body was sent before";
}

TEST_F(Connections, Token) {
  HttpOptions options;
  options.auth_token_hash = hash_token(kToken);
  start(options);
  for (const char* target : {"/v1/status", "/v1/ledger", "/metrics", "/nosuch"}) {
    Answer answer = get(target);
    EXPECT_EQ(answer.status, 401u) << target;
    EXPECT_EQ(answer.header("WWW-Authenticate"), "Bearer realm=\"millrace\"");
  }
  EXPECT_EQ(post("/v1/streams/orders", "{}").status, 401u);
  EXPECT_EQ(post("/v1/sql", "{}", "Authorization: Bearer wrong\r\n").status, 401u);
  EXPECT_EQ(get("/v1/status", "Authorization: Basic " + std::string(kToken) + "\r\n").status, 401u);
  EXPECT_EQ(get("/v1/status", "Authorization: bearer " + std::string(kToken) + "\r\n").status, 200u);
  for (const char* target : {"/healthz", "/readyz", "/"})
    EXPECT_NE(get(target).status, 401u) << target << " tells nothing";
  EXPECT_TRUE(node_.stored().empty());
}

TEST_F(Connections, ForeignPages) {
  start();
  EXPECT_EQ(get("/v1/status", "Origin: http://localhost\r\n").status, 200u);
  EXPECT_EQ(get("/v1/status", "Origin: https://elsewhere.example\r\n").status, 403u);
  EXPECT_EQ(get("/v1/status", "Origin: null\r\n").status, 403u);
  Client rebound = client();
  rebound.write("GET /v1/status HTTP/1.1\r\nHost: elsewhere.example:80\r\n\r\n");
  EXPECT_EQ(rebound.read().status, 403u);
  for (const char* host : {"127.0.0.1:8780", "[::1]:8780", "LOCALHOST"}) {
    Client own = client();
    own.write("GET /v1/status HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
    EXPECT_EQ(own.read().status, 200u) << host;
  }
}

TEST_F(Connections, WhereToListen) {
  HttpOptions options;
  EXPECT_TRUE(check_listen_allowed(options).ok());
  for (const char* host : {"0.0.0.0", "", "::", "192.0.2.1"}) {
    options = HttpOptions();
    options.host = host;
    EXPECT_FALSE(check_listen_allowed(options).ok()) << host;
    options.insecure = true;
    EXPECT_TRUE(check_listen_allowed(options).ok());
    options.insecure = false;
    options.auth_token_hash = hash_token(kToken);
    EXPECT_TRUE(check_listen_allowed(options).ok());
  }
  start();
  options = HttpOptions();
  options.port = server_->port();
  auto taken = HttpServer::start(env_, metrics_, node_, options);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code, sqlstate::kObjectInUse);
  EXPECT_NE(taken.error().message.find("--listen"), std::string::npos);
}

TEST_F(Connections, TokenFile) {
  std::string path = ::testing::TempDir() + "millrace_token_" + std::to_string(env_.random().next());
  auto read = [&](std::string_view text) {
    EXPECT_TRUE(env_.files().write_atomically(path, text).ok());
    return read_auth_token(env_, path);
  };
  EXPECT_EQ(*read(std::string(kToken) + "\n"), hash_token(kToken));
  std::string hex;
  for (uint8_t byte : hash_token(kToken)) hex += fmt::format("{:02x}", byte);
  EXPECT_EQ(*read("sha256:" + hex), hash_token(kToken));
  for (const char* text : {"", "short", "two words of some length", "sha256:12"}) EXPECT_FALSE(read(text).ok()) << text;
  EXPECT_TRUE(env_.files().remove(path).ok());
  EXPECT_FALSE(read_auth_token(env_, path).ok());
}

TEST_F(Connections, StopFinishesWhatIsInHand) {
  start();
  node_.hold();
  Client busy = client();
  busy.write(request("POST", "/v1/streams/orders", "{}"));
  node_.wait_for_appends(1);
  Client idle = client();
  idle.write(request("GET", "/healthz"));
  EXPECT_EQ(idle.read().status, 200u);
  std::thread stopper([&] { server_->stop(); });
  EXPECT_TRUE(idle.at_end()) << "an idle connection is closed at once";
  node_.let_go();
  Answer answer = busy.read();
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.header("Connection"), "close");
  stopper.join();
}

TEST_F(Connections, StopDoesNotWaitForEver) {
  HttpOptions options;
  options.stop_timeout = Duration::from_millis(20);
  start(options);
  node_.hold();
  Client busy = client();
  busy.write(request("POST", "/v1/streams/orders", "{}"));
  node_.wait_for_appends(1);
  server_->stop();
  EXPECT_TRUE(busy.at_end());
  node_.let_go();
  server_.reset();
}

}  // namespace
}  // namespace millrace::server
