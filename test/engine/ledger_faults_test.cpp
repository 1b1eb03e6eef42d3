// Rows that are dropped, repeated or swapped between two hops of a running node are named: hop, kind and exact number.
#include <fmt/format.h>

#include <random>

#include "base/failpoints.h"
#include "ledger/render.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

class LedgerFaults : public NodeFixture {
 protected:
  void open_small_pipeline() {
    open(/*start=*/false);
    pipeline(R"(CREATE STREAM s (k INTEGER) WITH (partitions = 2, key = 'k');
      CREATE MATERIALIZED VIEW n AS SELECT k % 10 AS d, count(*) AS n FROM s GROUP BY ALL;
      CREATE MATERIALIZED VIEW f AS SELECT k % 10 AS d, count(*) AS n FROM s WHERE k % 3 <> 0 GROUP BY ALL;)");
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
  const Hop hops[] = {{"ledger.decoded", "stored", "decoded"},
                      {"ledger.view", "decoded", "view:"},
                      {"ledger.kept", "view:f", "kept:f"}};
  std::mt19937_64 random(11);
  for (int seed = 0; seed < 24; ++seed) {
    const Hop& hop = hops[random() % 3];
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
      EXPECT_TRUE(verdict.to.starts_with(hop.to)) << verdict.to;
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

TEST_F(LedgerFaults, EveryKindBetweenAViewAndItsSink) {
  std::mt19937_64 random(12);
  for (int seed = 0; seed < 9; ++seed) {
    const char* kind = std::array{"drop", "repeat", "swap"}[seed % 3];
    SCOPED_TRACE(std::string(kind) + " seed " + std::to_string(seed));
    node_.reset();
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    open(/*start=*/false);
    pipeline(R"(CREATE STREAM s (k INTEGER);
      CREATE MATERIALIZED VIEW odd AS SELECT k FROM s WHERE k % 2 = 1;
      CREATE SINK o FROM odd WITH (connector = 'file', path = 'odd', format = 'ndjson');)");
    send_rows(400);
    ok(node_->sync());
    env_->failpoints().reseed(static_cast<uint64_t>(seed));
    ok(env_->failpoints().configure(fmt::format("ledger.sink={}({})", kind, 1 + random() % 12)));
    ok(node_->finish_bounded());
    uint64_t fired = env_->failpoints().point("ledger.sink").fired();
    env_->failpoints().clear();
    ASSERT_GT(fired, 0u);

    ledger::Report report = node_->ledger_report();
    EXPECT_FALSE(report.closed);
    ASSERT_EQ(report.open.size(), 1u) << ledger::render(report);
    const ledger::Verdict& verdict = report.open[0];
    EXPECT_EQ(verdict.from, "changelog");
    EXPECT_EQ(verdict.to, "sink:o");
    if (std::string_view(kind) == "swap") {
      EXPECT_EQ(verdict.lost, verdict.repeated);
      EXPECT_GE(verdict.lost, 1u);
      EXPECT_LE(verdict.lost, fired);
    } else {
      EXPECT_EQ(verdict.lost, std::string_view(kind) == "drop" ? fired : 0);
      EXPECT_EQ(verdict.repeated, std::string_view(kind) == "repeat" ? fired : 0);
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
    EXPECT_EQ(in_flight, 3000u);  // between received and stored; behind that nothing knows of them yet
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
  for (const ledger::HopTotal& total : report.totals) {
    uint64_t filtered = 334;  // 167 multiples of 3 below 500, twice
    EXPECT_EQ(total.count, total.hop == "filtered:f" ? filtered
                           : total.hop == "kept:f"   ? 1000 - filtered
                                                     : 1000u)
        << total.hop;
  }
}

TEST_F(LedgerFaults, LateRowsOfAJoinAreCountedByTheirStream) {
  open(/*start=*/false);
  pipeline(R"(CREATE STREAM l (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts);
    CREATE STREAM r (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts);
    CREATE MATERIALIZED VIEW near AS
      SELECT l.k FROM l JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts AND l.ts + INTERVAL 1 MINUTE;
    CREATE MATERIALIZED VIEW versions AS SELECT l.k FROM l JOIN r FOR SYSTEM_TIME AS OF l.ts AS v ON l.k = v.k;)");
  send("l", {R"({"k":1,"ts":"2025-01-01 01:00:00"})", R"({"k":1,"ts":"2025-01-01 00:59:00"})",
             R"({"k":1,"ts":"2025-01-01 00:58:00"})"});
  send("r", {R"({"k":1,"ts":"2025-01-01 01:00:00"})", R"({"k":1,"ts":"2025-01-01 00:59:00"})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT hop, stream, count::BIGINT FROM _ledger WHERE hop LIKE 'late:%' ORDER BY ALL"),
            "late:near,l,1\nlate:near,r,1\nlate:versions,l,2\nlate:versions,r,1\n");
  EXPECT_TRUE(node_->ledger_report().closed);
}

TEST_F(LedgerFaults, WhatBecomesOfAViewsRows) {
  open(/*start=*/false);
  pipeline(R"(CREATE STREAM s (k INTEGER, t VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (partitions = 1);
    CREATE MATERIALIZED VIEW f AS SELECT k FROM s WHERE t::INTEGER > 5;
    CREATE MATERIALIZED VIEW w AS SELECT window_start, count(*) AS n FROM tumble(s, ts, INTERVAL 1 MINUTE) GROUP BY ALL;
    CREATE MATERIALIZED VIEW pairs AS SELECT a.k, b.t FROM s a JOIN s b USING (k) WHERE a.t <> '9';
    CREATE MATERIALIZED VIEW twice AS SELECT k FROM s UNION ALL SELECT k FROM s;)");
  std::vector<std::string> lines;
  for (int i = 0; i < 10; ++i) {
    lines.push_back(fmt::format(R"({{"k":{},"t":"{}","ts":"2025-01-01T00:0{}:00"}})", i,
                                i == 3 ? "three" : std::to_string(i), i == 7 ? 0 : i));
  }
  send("s", lines);
  ok(node_->sync());
  ledger::Report report = node_->ledger_report();
  EXPECT_TRUE(report.closed) << ledger::render(report);
  EXPECT_EQ(sql("SELECT hop, count::BIGINT FROM _ledger WHERE stream = 's' AND (hop LIKE '%:f' OR hop LIKE 'late:%') "
                "ORDER BY ALL"),
            "failed:f,1\nfiltered:f,5\nkept:f,4\nlate:w,1\nview:f,10\n");
}

}  // namespace
}  // namespace millrace::engine
