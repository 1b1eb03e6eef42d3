// POST /v1/streams/{stream}: what is taken, and every kind of bad input.
#include "compressed.h"
#include "server_fixture.h"

namespace millrace::server {
namespace {

constexpr const char* kTwo = "{\"id\":1}\n{\"id\":2}\n";
const std::vector<std::string> kTwoStored = {"{\"id\":1}", "{\"id\":2}"};

class Append : public ServerFixture {};

TEST_F(Append, Lines) {
  start();
  Answer answer = post("/v1/streams/orders", kTwo, "Content-Type: application/x-ndjson\r\n");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.body, "{\"accepted\":2,\"rejected\":[],\"positions\":[{\"partition\":0,\"first\":0,\"last\":1}]}\n");
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  EXPECT_EQ(node_.stored(), kTwoStored);
}

TEST_F(Append, ContentTypes) {
  start();
  for (const char* type : {"", "Content-Type: text/plain\r\n", "Content-Type: application/json; charset=utf-8\r\n",
                           "Content-Type: APPLICATION/X-NDJSON\r\n", "Content-Type: text/csv\r\n"}) {
    EXPECT_EQ(post("/v1/streams/orders", kTwo, type).status, 200u) << type;
  }
  EXPECT_EQ(
      post("/v1/streams/orders", "[{\"id\":1},{\"id\":2}]", "Content-Type: application/json\r\n").json()["accepted"],
      2);
  Answer refused = post("/v1/streams/orders", kTwo, "Content-Type: application/x-www-form-urlencoded\r\n");
  EXPECT_EQ(refused.status, 415u);
  EXPECT_NE(refused.json()["error"]["hint"].get<std::string>().find("curl"), std::string::npos);
}

TEST_F(Append, Compressed) {
  start();
  EXPECT_EQ(post("/v1/streams/orders", gzip(kTwo), "Content-Encoding: gzip\r\n").status, 200u);
  EXPECT_EQ(post("/v1/streams/orders", zstd(kTwo), "Content-Encoding: zstd\r\n").status, 200u);
  EXPECT_EQ(post("/v1/streams/orders", kTwo, "Content-Encoding: identity\r\n").status, 200u);
  EXPECT_EQ(node_.stored().size(), 6u);
  EXPECT_EQ(post("/v1/streams/orders", kTwo, "Content-Encoding: br\r\n").status, 415u);
  std::string packed = gzip(kTwo);
  Answer cut = post("/v1/streams/orders", packed.substr(0, packed.size() - 9), "Content-Encoding: gzip\r\n");
  EXPECT_EQ(cut.status, 400u);
  EXPECT_NE(cut.error_message().find("ends too early"), std::string::npos);
  EXPECT_EQ(node_.stored().size(), 6u) << "nothing of a refused body is stored";
}

TEST_F(Append, CompressionBomb) {
  HttpOptions options;
  options.body_bytes_max = 1 << 20;
  start(options);
  Answer answer = post("/v1/streams/orders", gzip(std::string(100 << 20, ' ')), "Content-Encoding: gzip\r\n");
  EXPECT_EQ(answer.status, 413u);
  EXPECT_EQ(answer.error_code(), sqlstate::kTooLarge);
}

TEST_F(Append, EmptyBody) {
  start();
  for (const char* body : {"", "\n\r\n", "[]"}) {
    Answer answer = post("/v1/streams/orders", body);
    EXPECT_EQ(answer.status, 400u) << body;
    EXPECT_EQ(answer.error_message(), "the body holds no records");
  }
}

TEST_F(Append, UnknownStream) {
  start();
  Answer answer = post("/v1/streams/nosuch", kTwo);
  EXPECT_EQ(answer.status, 404u);
  EXPECT_EQ(answer.error_code(), sqlstate::kUndefinedTable);
  EXPECT_EQ(post("/v1/streams/%6frders", kTwo).status, 200u) << "names may be escaped";
  EXPECT_EQ(post("/v1/streams/%6", kTwo).status, 400u);
}

TEST_F(Append, InvalidUtf8IsStoredAsItCame) {
  start();
  EXPECT_EQ(post("/v1/streams/orders", "{\"id\":\"\xff\xc0\"}\n").status, 200u);
  EXPECT_EQ(node_.stored()[0], "{\"id\":\"\xff\xc0\"}");
}

TEST_F(Append, RejectedLinesKeepTheirNumbers) {
  start();
  Answer answer = post("/v1/streams/orders?validate=1", "{\"id\":1}\n\nbad\n{}\n");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.json()["accepted"], 2);
  EXPECT_EQ(answer.json()["rejected"].dump(), R"([{"error":"no object: \"bad\"","line":3}])");
  EXPECT_TRUE(node_.last_request.validate);
  EXPECT_EQ(post("/v1/streams/orders?validat=1", kTwo).status, 400u);
  EXPECT_EQ(post("/v1/streams/orders?validate=perhaps", kTwo).status, 400u);
}

TEST_F(Append, IdempotencyKey) {
  start();
  EXPECT_EQ(post("/v1/streams/orders", kTwo, "Idempotency-Key: k-17\r\n").status, 200u);
  EXPECT_EQ(node_.last_request.idempotency_key, "k-17");
  EXPECT_EQ(post("/v1/streams/orders", kTwo, "Idempotency-Key: " + std::string(256, 'k') + "\r\n").status, 400u);
}

TEST_F(Append, StatusOfErrors) {
  start();
  struct {
    Error error;
    unsigned status;
  } cases[] = {{external_error(sqlstate::kDiskFull, "the disk is full"), 507},
               {external_error(sqlstate::kUnavailable, "starting", Retry::kBackoff), 503},
               {external_error(sqlstate::kIoError, "read-only file system"), 500},
               {external_error(sqlstate::kIoError, "busy", Retry::kNow), 503},
               {user_error(sqlstate::kReadOnly, "ended"), 403},
               {user_error(sqlstate::kTooLarge, "too large"), 413},
               {user_error(sqlstate::kWrongObjectType, "a view"), 400},
               {internal_error("a defect"), 500}};
  for (const auto& one : cases) {
    node_.append_error = one.error;
    Answer answer = post("/v1/streams/orders", kTwo);
    EXPECT_EQ(answer.status, one.status) << one.error.message;
    EXPECT_EQ(answer.error_message(), one.error.message);
    EXPECT_EQ(answer.header("Retry-After"), one.status == 503 ? "1" : "");
  }
}

TEST_F(Append, BodyOverTheLimit) {
  HttpOptions options;
  options.body_bytes_max = 1000;
  start(options);
  std::string body(1000, 'x');
  EXPECT_EQ(post("/v1/streams/orders", body).status, 200u);
  Answer answer = post("/v1/streams/orders", body + "x");
  EXPECT_EQ(answer.status, 413u);
  EXPECT_EQ(answer.header("Connection"), "close");

  Client chunked = client();
  chunked.write("POST /v1/streams/orders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  chunked.write("3e9\r\n" + body + "x\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.read().status, 413u);
}

TEST_F(Append, ChunkedBody) {
  start();
  Client one = client();
  one.write("POST /v1/streams/orders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  one.write("5\r\n{\"id\"\r\n5\r\n:1}\n{\r\n");
  one.write("7\r\n\"id\":2}\r\n0\r\n\r\n");
  EXPECT_EQ(one.read().json()["accepted"], 2);
  EXPECT_EQ(node_.stored(), kTwoStored);

  Client broken = client();
  broken.write("POST /v1/streams/orders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  EXPECT_EQ(broken.read().status, 400u);
}

TEST_F(Append, MoreRecordsThanOneRequestMay) {
  HttpOptions options;
  options.records_max = 2;
  start(options);
  EXPECT_EQ(post("/v1/streams/orders", kTwo).status, 200u);
  EXPECT_EQ(post("/v1/streams/orders", std::string(kTwo) + "{}\n").status, 413u);
}

TEST_F(Append, LongLineIsWhole) {
  start();
  std::string line = "{\"id\":\"" + std::string(10 << 20, 'x') + "\"}";
  EXPECT_EQ(post("/v1/streams/orders", line + "\n{\"id\":2}\n").json()["accepted"], 2);
  EXPECT_EQ(node_.stored()[0], line);
}

TEST_F(Append, BodiesInHandHaveABudget) {
  HttpOptions options;
  options.body_bytes_in_hand_max = 1500;
  start(options);
  node_.hold();
  std::string body(1000, 'x');
  Client first = client();
  first.write(request("POST", "/v1/streams/orders", body));
  node_.wait_for_appends(1);
  Answer second = post("/v1/streams/orders", body);
  EXPECT_EQ(second.status, 503u);
  EXPECT_EQ(second.header("Retry-After"), "1");
  node_.let_go();
  EXPECT_EQ(first.read().status, 200u);
  // The budget is given back once the answer is written: the client may have read it a moment before.
  unsigned status = 503;
  for (int attempt = 0; attempt < 1000 && status == 503; ++attempt) status = post("/v1/streams/orders", body).status;
  EXPECT_EQ(status, 200u) << "the budget was given back";
}

TEST_F(Append, ManyWaitTogetherAndAFullQueueSaysSo) {
  HttpOptions options;
  options.append_threads = 4;
  options.queued_appends_max = 1;
  start(options);
  node_.hold();
  std::vector<Client> waiting;
  for (size_t i = 0; i < 4; ++i) {
    waiting.push_back(client());
    waiting.back().write(request("POST", "/v1/streams/orders", "{}"));
    node_.wait_for_appends(i + 1);
  }
  // All threads wait now. Of two more, one has a place in the queue and the other is told to come back.
  waiting.push_back(client());
  waiting.push_back(client());
  for (size_t i = 4; i < 6; ++i) waiting[i].write(request("POST", "/v1/streams/orders", "{}"));
  EXPECT_EQ(get("/v1/status").status, 200u) << "others are not held up";
  node_.let_go();
  size_t busy = 0;
  for (Client& one : waiting) {
    unsigned status = one.read().status;
    busy += status == 503;
    EXPECT_TRUE(status == 200 || status == 503) << status;
  }
  EXPECT_LE(busy, 1u);
  EXPECT_EQ(node_.stored().size(), 6u - busy) << "what was refused was not stored";
}

}  // namespace
}  // namespace millrace::server
