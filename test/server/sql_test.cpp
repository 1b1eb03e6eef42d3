// POST /v1/sql, subscriptions, and what a node tells of itself.
#include <future>
#include <thread>

#include "server_fixture.h"

namespace millrace::server {
namespace {

constexpr const char* kJson = "Content-Type: application/json\r\n";

class Sql : public ServerFixture {
 protected:
  void SetUp() override {
    node_.on_execute = [](const std::string& sql) -> Result<engine::StatementResult> {
      if (sql.starts_with("CREATE")) return engine::StatementResult{{}, {}, "created view hours"};
      if (sql.starts_with("SELEKT")) {
        return user_error(sqlstate::kSyntaxError, "syntax error").at({7, 3}).with_hint("did you mean SELECT?");
      }
      if (sql.starts_with("MANY")) return user_error(sqlstate::kTooLarge, "the answer has too many rows");
      engine::StatementResult result;
      result.schema.fields = {{"a \"b\"", batch::Type(batch::TypeId::kInteger)},
                              {"name", batch::Type(batch::TypeId::kVarchar)}};
      batch::Batch rows(result.schema);
      rows.mutable_column(0).set<int32_t>(0, 7);
      rows.mutable_column(1).set_string(0, "x\ny");
      rows.mutable_column(0).set_null(1);
      rows.mutable_column(1).set_string(1, sql);
      rows.set_rows(2);
      result.batches.push_back(std::move(rows));
      return result;
    };
  }
  Answer run(const std::string& sql) { return post("/v1/sql", nlohmann::json{{"sql", sql}}.dump(), kJson); }
};

TEST_F(Sql, Rows) {
  start();
  Answer answer = run("SELECT 1");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.body,
            "{\"columns\":[\"a \\\"b\\\"\",\"name\"],\"types\":[\"INTEGER\",\"VARCHAR\"],"
            "\"rows\":[[7,\"x\\ny\"],[null,\"SELECT 1\"]]}\n");
}

TEST_F(Sql, Message) {
  start();
  EXPECT_EQ(run("CREATE VIEW").body, "{\"columns\":[],\"types\":[],\"rows\":[],\"message\":\"created view hours\"}\n");
}

TEST_F(Sql, ErrorsHaveAPosition) {
  start();
  Answer answer = run("SELEKT\nabc");
  EXPECT_EQ(answer.status, 400u);
  EXPECT_EQ(
      answer.body,
      "{\"error\":{\"code\":\"42601\",\"message\":\"syntax error\",\"position\":{\"offset\":7,\"length\":3,\"line\":2,"
      "\"column\":1},\"hint\":\"did you mean SELECT?\"}}\n");
  EXPECT_EQ(run("MANY").status, 400u) << "the request was not too large";
}

TEST_F(Sql, AClientThatGoesCancelsItsQuery) {
  std::promise<void> begun, cancelled;
  node_.on_cancellable = [&](const std::string&, CancelToken& cancel) -> Result<engine::StatementResult> {
    const CancelToken::Registration registration(&cancel, [&] { cancelled.set_value(); });
    begun.set_value();
    EXPECT_EQ(cancelled.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
    return user_error(sqlstate::kCancelled, "the client is gone");
  };
  start();
  Client one = client();
  one.write(request("POST", "/v1/sql", "{\"sql\":\"SELECT 1\"}", kJson));
  begun.get_future().wait();
  one.close();
  server_.reset();  // would wait for the query
}

TEST_F(Sql, AClientThatStaysIsNotTakenForGone) {
  node_.on_cancellable = [](const std::string&, CancelToken& cancel) -> Result<engine::StatementResult> {
    for (int i = 0; i < 20; ++i) std::this_thread::yield();
    if (cancel.cancelled()) return user_error(sqlstate::kCancelled, "the client is gone");
    return engine::StatementResult{};
  };
  start();
  Client one = client();
  for (int i = 0; i < 2000; ++i) {
    one.write(request("POST", "/v1/sql", "{\"sql\":\"SELECT 1\"}", kJson));
    EXPECT_EQ(one.read().status, 200u);
  }
}

TEST_F(Sql, BadBodies) {
  start();
  for (const char* body :
       {"", "SELECT 1", "[]", "{}", "{\"sql\":1}", "{\"sql\":\"x\",\"y\":1}", "{\"sql\":\"x\"", "{\"sql\":\"\xff\"}"}) {
    EXPECT_EQ(post("/v1/sql", body, kJson).status, 400u) << body;
  }
  EXPECT_EQ(post("/v1/sql", "{\"sql\":\"x\"}", "Content-Type: text/plain\r\n").status, 415u);
  EXPECT_EQ(post("/v1/sql", "{\"sql\":\"x\"}", "Content-Encoding: gzip\r\n").status, 415u);
  EXPECT_EQ(post("/v1/sql", std::string(2 << 20, ' '), kJson).status, 413u);
  EXPECT_EQ(post("/v1/sql", std::string(1 << 19, '['), kJson).status, 400u) << "deep nesting";
}

TEST_F(Sql, Subscription) {
  HttpOptions options;
  options.heartbeat_interval = Duration::from_millis(5);
  start(options);
  node_.emit(1);
  Client one = client();
  one.write(request("POST", "/v1/sql", "{\"sql\":\"SUBSCRIBE TO changes\"}", kJson));
  Answer head = one.read(true);
  EXPECT_EQ(head.status, 200u);
  EXPECT_EQ(head.header("Content-Type"), "application/x-ndjson");
  EXPECT_EQ(head.header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(one.read_chunk(), "{\"number\":1,\"_op\":\"+I\"}\n");
  EXPECT_EQ(one.read_chunk(), "\n") << "a heartbeat";
  node_.emit(2);
  std::string next = one.read_chunk();
  while (next == "\n") next = one.read_chunk();
  EXPECT_EQ(next, "{\"number\":2,\"_op\":\"+I\"}\n");
  one.close();
  node_.wait_for_subscriptions(0);  // a client that goes away ends it
}

TEST_F(Sql, SubscriptionsEndWhenTheServerStops) {
  start();
  Client one = client();
  one.write(request("POST", "/v1/sql", "{\"sql\":\"SUBSCRIBE TO changes\"}", kJson));
  EXPECT_EQ(one.read(true).status, 200u);
  server_->stop();
  EXPECT_NE(one.read_chunk().find(sqlstate::kCancelled), std::string::npos);
  EXPECT_EQ(one.read_chunk(), "");
  EXPECT_TRUE(one.at_end());
}

TEST_F(Sql, SubscriptionsHaveABound) {
  HttpOptions options;
  options.subscriptions_max = 1;
  start(options);
  EXPECT_EQ(run("SUBSCRIBE TO nosuch").status, 404u);
  Client one = client();
  one.write(request("POST", "/v1/sql", "{\"sql\":\"SUBSCRIBE TO changes\"}", kJson));
  EXPECT_EQ(one.read(true).status, 200u);
  EXPECT_EQ(run("SUBSCRIBE TO changes").status, 503u);
}

TEST_F(Sql, Status) {
  HttpOptions options;
  options.insecure = true;
  start(options);
  node_.status_now.ready = true;
  node_.status_now.rows_in = 12;
  node_.status_now.streams = {{"orders", "stream", 5, 100, 1, 2}};
  node_.status_now.views = {{"hours", "view", {"orders"}, 3, false}};
  engine::SinkStatus lake;
  lake.name = "lake";
  lake.state = "failing: \xff";
  lake.lag = 2;
  lake.failing_since = Timestamp{0};
  lake.failed_attempts = 3;
  lake.last_error = "\xff";
  node_.status_now.sinks = {lake};
  nlohmann::json status = get("/v1/status").json();
  EXPECT_EQ(status["rows_in"], 12);
  EXPECT_EQ(status["insecure"], true);
  EXPECT_EQ(status["failure"], nullptr);
  EXPECT_EQ(status["streams"][0]["dead"], 2);
  EXPECT_EQ(status["views"][0]["reads"][0], "orders");
  EXPECT_EQ(status["views"][0]["kept"], false);
  EXPECT_EQ(status["sinks"][0]["state"], "failing: \xEF\xBF\xBD");
  EXPECT_EQ(status["sinks"][0]["failing_since"], "1970-01-01T00:00:00Z");
  EXPECT_EQ(status["sinks"][0]["delivered_at"], nullptr);
  EXPECT_EQ(get("/healthz").body,
            "ok\nsink lake: failing since 1970-01-01T00:00:00Z, 3 attempts, 2 behind; /v1/status says why\n");
}

TEST_F(Sql, HealthAndReadiness) {
  start();
  EXPECT_EQ(get("/healthz").status, 200u);
  EXPECT_EQ(get("/readyz").status, 503u);
  node_.status_now.ready = true;
  EXPECT_EQ(get("/readyz").status, 200u);
  node_.status_now.failure = "disk gone";
  EXPECT_EQ(get("/readyz").status, 503u);
  Answer health = get("/healthz");
  EXPECT_EQ(health.status, 503u);
  EXPECT_NE(health.body.find("disk gone"), std::string::npos);
}

TEST_F(Sql, Ledger) {
  start();
  node_.report_now.totals = {{"stored", StreamId(3), "orders", 10, 0xab}};
  node_.report_now.open = {
      {"stored", "decoded", StreamId(3), Timestamp{0}, ledger::VerdictKind::kLost, 2, 0, 0, "offsets 4, 5"}};
  nlohmann::json report = get("/v1/ledger").json();
  EXPECT_EQ(report["closed"], false);
  EXPECT_EQ(report["totals"][0]["fingerprint"], "00000000000000ab");
  EXPECT_EQ(report["open"][0]["stream"], "orders");
  EXPECT_EQ(report["open"][0]["kind"], "lost");
  EXPECT_EQ(report["open"][0]["lost"], 2);
}

TEST_F(Sql, MetricsCountRequests) {
  start();
  EXPECT_EQ(post("/v1/streams/nosuch", "{}").status, 404u);
  Answer answer = get("/metrics");
  EXPECT_EQ(answer.header("Content-Type"), Metrics::kOpenMetricsType);
  EXPECT_NE(answer.body.find("millrace_http_answers_total{route=\"POST /v1/streams/{stream}\",status=\"4xx\"} 1\n"),
            std::string::npos);
  EXPECT_TRUE(answer.body.ends_with("# EOF\n"));
}

TEST_F(Sql, MetricsShowTheStatus) {
  start();
  node_.status_now.epoch = Epoch(7);
  node_.status_now.streams = {{"orders", "stream", 5, 100, 1, 2}};
  engine::LoadStatus load;
  load.stream = "orders";
  load.too_long = 2;
  load.failure = "gone";
  node_.status_now.loads = {load};
  std::string body = get("/metrics").body;
  for (const char* line :
       {"millrace_epoch 7\n", "millrace_stream_dead_records{stream=\"orders\"} 2\n",
        "millrace_load_too_long{stream=\"orders\"} 2\n", "millrace_load_failed{stream=\"orders\"} 1\n"}) {
    EXPECT_NE(body.find(line), std::string::npos) << line << body;
  }
  EXPECT_EQ(body.find("# EOF"), body.size() - 6);
  EXPECT_EQ(get("/v1/status").json()["loads"][0]["state"], "failed: gone");
  node_.status_now.streams.clear();
  EXPECT_EQ(get("/metrics").body.find("millrace_stream_dead_records"), std::string::npos);
}

TEST_F(Sql, ThePageHoldsAllThatItNeeds) {
  start();
  Answer page = get("/");
  EXPECT_EQ(page.status, 200u);
  EXPECT_EQ(page.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_NE(page.header("Content-Security-Policy").find("default-src 'none'"), std::string::npos);
  for (const char* marker : {"/*style*/", "/*scripts*/", "<script src", "stylesheet"}) {
    EXPECT_EQ(page.body.find(marker), std::string::npos) << marker;
  }
  for (const char* part : {"function drawPipeline", "--accent", "</html>"})
    EXPECT_NE(page.body.find(part), std::string::npos) << part;
}

}  // namespace
}  // namespace millrace::server
