// A producer's own count and fingerprint of its messages open the first hop: what was lost or repeated on the way to
// the node is named.
#include "engine/producer_account.h"

#include "node_fixture.h"

namespace millrace::engine {
namespace {

class ProducerAccounts : public NodeFixture {
 protected:
  void open_stream() {
    open(false);
    pipeline(R"(CREATE STREAM plays (id VARCHAR, n INT) WITH (partitions = 3, key = 'id', message_id = 'id');
      CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n FROM plays;)");
  }
  static std::string line(int id) { return "{\"n\":1,\"id\":\"m" + std::to_string(id) + "\"}"; }
  static ledger::IdSum sum_of(int first, int count) {
    ledger::IdSum sum;
    for (int id = first; id < first + count; ++id) sum.add("m" + std::to_string(id));
    return sum;
  }
  void send_ids(int first, int count, std::optional<ledger::IdSum> sent, std::string key = {}) {
    std::vector<std::string> lines;
    for (int id = first; id < first + count; ++id) lines.push_back(line(id));
    std::vector<std::string_view> views(lines.begin(), lines.end());
    AppendRequest request;
    request.idempotency_key = std::move(key);
    request.account = ProducerAccount{"web", minute_, sent};
    auto receipt = node_->append("plays", views, request);
    ASSERT_TRUE(receipt.ok()) << render(receipt.error());
  }
  void expect_closed() {
    ok(node_->sync());
    ledger::Report report = node_->ledger_report();
    EXPECT_TRUE(report.closed);
    EXPECT_TRUE(report.open.empty());
  }
  void expect_open(ledger::VerdictKind kind, uint64_t lost, uint64_t repeated) {
    ok(node_->sync());
    ledger::Report report = node_->ledger_report();
    EXPECT_FALSE(report.closed);
    ASSERT_EQ(report.open.size(), 1u);
    const ledger::Verdict& verdict = report.open[0];
    EXPECT_EQ(verdict.from, "sent:web");
    EXPECT_EQ(verdict.to, "received:web");
    EXPECT_EQ(verdict.minute.micros, minute_.micros / 60'000'000 * 60'000'000);
    EXPECT_EQ(verdict.kind, kind);
    EXPECT_EQ(verdict.lost, lost);
    EXPECT_EQ(verdict.repeated, repeated);
  }
  /// The files as a crash would leave them: nothing ran that could commit.
  void crash() {
    std::string crashed = directory_ + "/crashed";
    std::filesystem::copy(directory_ + "/data", crashed, std::filesystem::copy_options::recursive);
    node_.reset();
    std::filesystem::remove_all(directory_ + "/data");
    std::filesystem::rename(crashed, directory_ + "/data");
    open(false);
  }

  Timestamp minute_ = RealEnv().clock().now();
};

TEST_F(ProducerAccounts, CloseWhenAllCame) {
  open_stream();
  send_ids(0, 100, sum_of(0, 100), "a");
  send_ids(0, 100, sum_of(0, 100), "a");  // a retry counts once
  send_ids(100, 7, std::nullopt);
  ok(node_->declare("plays", "web", minute_, sum_of(0, 107)));
  expect_closed();
}

TEST_F(ProducerAccounts, NameWhatIsMissingRepeatedOrDifferent) {
  open_stream();
  send_ids(0, 97, sum_of(0, 100));
  expect_open(ledger::VerdictKind::kLost, 3, 0);
  send_ids(95, 5, std::nullopt);
  expect_open(ledger::VerdictKind::kRepeated, 0, 2);
  ok(node_->declare("plays", "web", minute_, sum_of(0, 102)));
  expect_open(ledger::VerdictKind::kSwapped, 1, 1);
  ledger::IdSum right = sum_of(0, 97);
  for (int id = 95; id < 100; ++id) right.add("m" + std::to_string(id));
  ok(node_->declare("plays", "web", minute_, right));
  expect_closed();
}

TEST_F(ProducerAccounts, SurviveCrashAndRestart) {
  open_stream();
  ok(node_->declare("plays", "web", minute_, sum_of(0, 60)));
  send_ids(0, 50, std::nullopt);
  crash();  // the declaration was committed, the messages are in the log alone
  expect_open(ledger::VerdictKind::kLost, 10, 0);
  send_ids(60, 40, sum_of(60, 40));
  crash();
  expect_open(ledger::VerdictKind::kLost, 10, 0);
  ok(node_->stop());
  open(false);
  send_ids(50, 10, std::nullopt);
  expect_closed();
  EXPECT_EQ(sql("SELECT count FROM _ledger WHERE hop = 'sent:web'"), "100\n");
}

TEST_F(ProducerAccounts, RejectedLinesWereSent) {
  open_stream();
  std::vector<std::string_view> lines{R"({"id":"m0","n":1})", R"({"id":"m1","n":"x"})"};
  AppendRequest request;
  request.validate = true;
  request.account = ProducerAccount{"web", minute_, sum_of(0, 2)};
  auto receipt = node_->append("plays", lines, request);
  ASSERT_TRUE(receipt.ok());
  EXPECT_EQ(receipt->rejected.size(), 1u);
  expect_closed();
}

TEST_F(ProducerAccounts, RefuseForeignMinutes) {
  open_stream();
  EXPECT_FALSE(node_->declare("plays", "web", minute_ + Duration::from_seconds(7200), {}).ok());
  EXPECT_FALSE(node_->declare("plays", "web", minute_ - Duration::from_seconds(86400), {}).ok());
  EXPECT_FALSE(node_->declare("none", "web", minute_, {}).ok());
}

}  // namespace
}  // namespace millrace::engine
