// Rows that are dropped, repeated or swapped between two hops of a running node are named: hop, kind and exact number.
#include <random>

#include "base/failpoints.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

class LedgerFaults : public NodeFixture {
 protected:
  void open_small_pipeline() {
    open(/*start=*/false);
    pipeline(R"(CREATE STREAM s (k INTEGER) WITH (partitions = 2, key = 'k');
      CREATE MATERIALIZED VIEW n AS SELECT k % 10 AS d, count(*) AS n FROM s GROUP BY ALL;)");
  }
  void send_rows(int count) {
    std::vector<std::string> lines;
    for (int i = 0; i < count; ++i) lines.push_back("{\"k\":" + std::to_string(i) + "}");
    send("s", lines);
  }
};

TEST_F(LedgerFaults, EveryKindBetweenEveryTwoHops) {
  struct Hop {
    const char* point;
    const char* from;
    const char* to;
  };
  const Hop hops[] = {{"ledger.decoded", "stored", "decoded"}, {"ledger.view", "decoded", "view:n"}};
  std::mt19937_64 random(11);
  for (int seed = 0; seed < 24; ++seed) {
    const Hop& hop = hops[random() % 2];
    const char* kind = std::array{"drop", "repeat", "swap"}[random() % 3];
    uint64_t rows = 1 + random() % 12;
    SCOPED_TRACE(std::string(hop.point) + " " + kind + " " + std::to_string(rows) + " seed " + std::to_string(seed));
    node_.reset();
    std::filesystem::remove_all(directory_ + "/data");
    open_small_pipeline();
    env_->failpoints().reseed(static_cast<uint64_t>(seed));
    ok(env_->failpoints().configure(std::string(hop.point) + "=" + kind + "(" + std::to_string(rows) + ")"));
    send_rows(400);
    ok(node_->sync());
    uint64_t fired = env_->failpoints().point(hop.point).fired();
    env_->failpoints().clear();
    ASSERT_GT(fired, 0u);

    ledger::Report report = node_->ledger_report();
    EXPECT_FALSE(report.closed);
    uint64_t lost = 0;
    uint64_t repeated = 0;
    for (const ledger::Verdict& verdict : report.open) {
      EXPECT_EQ(verdict.from, hop.from);
      EXPECT_EQ(verdict.to, hop.to);
      lost += verdict.lost;
      repeated += verdict.repeated;
    }
    if (std::string_view(kind) == "swap") {
      // Of neighbours that are both swapped the one in between is neither lost nor there twice.
      EXPECT_EQ(lost, repeated);
      EXPECT_GE(lost, 1u);
      EXPECT_LE(lost, fired);
    } else {
      EXPECT_EQ(lost, std::string_view(kind) == "drop" ? fired : 0);
      EXPECT_EQ(repeated, std::string_view(kind) == "repeat" ? fired : 0);
    }
  }
}

TEST_F(LedgerFaults, NoFalseAlarmWhileRowsWait) {
  open_small_pipeline();
  for (int round = 0; round < 5; ++round) {
    send_rows(3000);
    ledger::Report waiting = node_->ledger_report();
    EXPECT_TRUE(waiting.closed);
    uint64_t in_flight = 0;
    for (const ledger::Verdict& verdict : waiting.open) in_flight += verdict.in_flight;
    EXPECT_EQ(in_flight, 3000u);
    ok(node_->sync());
    ledger::Report settled = node_->ledger_report();
    EXPECT_TRUE(settled.closed);
    EXPECT_TRUE(settled.open.empty());
  }
}

TEST_F(LedgerFaults, TheBooksSurviveARestart) {
  open_small_pipeline();
  send_rows(500);
  ok(node_->sync());
  ok(node_->stop());
  open(/*start=*/false);
  send_rows(500);
  ok(node_->sync());
  ledger::Report report = node_->ledger_report();
  EXPECT_TRUE(report.closed);
  EXPECT_TRUE(report.open.empty());
  for (const ledger::HopTotal& total : report.totals) EXPECT_EQ(total.count, 1000u) << total.hop;
}

}  // namespace
}  // namespace millrace::engine
