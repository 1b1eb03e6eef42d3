// A producer's account with the ledger: the headers of POST /v1/streams/{stream}, and POST /v1/ledger/{stream}.
#include "server_fixture.h"

namespace millrace::server {
namespace {

class Account : public ServerFixture {};

TEST_F(Account, Headers) {
  start();
  EXPECT_EQ(post("/v1/streams/orders", "{\"id\":1}\n").status, 200u);
  EXPECT_FALSE(node_.last_request.account);
  EXPECT_EQ(post("/v1/streams/orders", "{\"id\":1}\n", "Millrace-Producer: web-1\r\n").status, 200u);
  ASSERT_TRUE(node_.last_request.account);
  EXPECT_EQ(node_.last_request.account->producer, "web-1");
  EXPECT_FALSE(node_.last_request.account->minute);
  EXPECT_FALSE(node_.last_request.account->sent);
  EXPECT_EQ(post("/v1/streams/orders", "{\"id\":1}\n",
                 "Millrace-Producer: web-1\r\nMillrace-Minute: 1970-01-01T00:02:00Z\r\nMillrace-Batch-Count: 7\r\n"
                 "Millrace-Batch-Fingerprint: ff00000000000001\r\n")
                .status,
            200u);
  EXPECT_EQ(node_.last_request.account->minute->micros, 120'000'000);
  EXPECT_EQ(node_.last_request.account->sent->count, 7u);
  EXPECT_EQ(node_.last_request.account->sent->fingerprint, 0xff00000000000001u);
}

TEST_F(Account, BadHeaders) {
  start();
  for (const char* headers :
       {"Millrace-Batch-Count: 7\r\n", "Millrace-Minute: 1970-01-01T00:02:00Z\r\n", "Millrace-Producer: a b\r\n",
        "Millrace-Producer: w\r\nMillrace-Batch-Count: 7\r\n", "Millrace-Producer: w\r\nMillrace-Minute: noon\r\n",
        "Millrace-Producer: w\r\nMillrace-Batch-Count: -7\r\nMillrace-Batch-Fingerprint: 0\r\n",
        "Millrace-Producer: w\r\nMillrace-Batch-Count: 7\r\nMillrace-Batch-Fingerprint: 1ffffffffffffffff\r\n"}) {
    EXPECT_EQ(post("/v1/streams/orders", "{\"id\":1}\n", headers).status, 400u) << headers;
  }
  EXPECT_TRUE(node_.stored().empty());
}

TEST_F(Account, Declaration) {
  start();
  Answer answer =
      post("/v1/ledger/orders", R"({"producer":"web-1","minute":"1970-01-01T00:02:00Z","count":7,"fingerprint":"0f"})");
  EXPECT_EQ(answer.status, 200u) << answer.body;
  EXPECT_EQ(node_.declared.producer, "web-1");
  EXPECT_EQ(node_.declared.minute->micros, 120'000'000);
  EXPECT_EQ(*node_.declared.sent, (ledger::IdSum{7, 15}));
  for (const char* body :
       {"", "[]", "7", R"({"producer":"w"})",
        R"({"producer":"w","minute":"1970-01-01T00:02:00Z","count":-7,"fingerprint":"0f"})",
        R"({"producer":"w","minute":"1970-01-01T00:02:00Z","count":7,"fingerprint":15})",
        R"({"producer":"w","minute":"soon","count":7,"fingerprint":"0f"})",
        R"({"producer":"w","minute":"1970-01-01T00:02:00Z","count":7,"fingerprint":"0f","more":1})"}) {
    EXPECT_EQ(post("/v1/ledger/orders", body).status, 400u) << body;
  }
}

}  // namespace
}  // namespace millrace::server
