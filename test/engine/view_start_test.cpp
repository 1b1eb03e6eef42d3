// WITH (start = …): the start is found once and kept; rows before it are not owed to the view.
#include <filesystem>

#include "base/failpoints.h"
#include "ledger/render.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

class ViewStart : public NodeFixture {
 protected:
  void SetUp() override {
    NodeFixture::SetUp();
    open();
    pipeline(R"(CREATE STREAM s (k INTEGER, v INTEGER) WITH (partitions = 3);
                CREATE STREAM t (k INTEGER, v INTEGER);)");  // of one partition: positions are sure
  }
  void send_some(int first, int end, const std::string& stream = "s") {
    std::vector<std::string> lines;
    for (int i = first; i < end; ++i) {
      lines.push_back(R"({"k":)" + std::to_string(i % 5) + R"(,"v":)" + std::to_string(i) + "}");
    }
    lines.push_back("not a row");
    send(stream, lines);
  }
  void expect_closed() {
    ok(node_->sync());
    const ledger::Report report = node_->ledger_report();
    EXPECT_TRUE(report.closed && report.open.empty()) << ledger::render(report);
  }
  uint64_t counted(const std::string& hop) {
    uint64_t count = 0;
    for (const ledger::HopTotal& total : node_->ledger_report().totals) count += total.hop == hop ? total.count : 0;
    return count;
  }
};

TEST_F(ViewStart, NowLeavesOutWhatWasAcknowledgedAlsoWhenNoStepTookIt) {
  send_some(0, 10);
  ok(node_->sync());
  send_some(10, 20);
  EXPECT_EQ(sql("CREATE MATERIALIZED VIEW a WITH (start = 'now') AS SELECT count(*) AS n, min(v) AS first FROM s"), "");
  send_some(20, 30);
  expect_closed();
  EXPECT_EQ(sql("SELECT * FROM a"), "10,20\n");
  EXPECT_EQ(counted("before:a"), 20u);
  EXPECT_EQ(counted("view:a"), 10u);
}

TEST_F(ViewStart, ItIsKeptAcrossRestarts) {
  send_some(0, 10);
  EXPECT_EQ(sql("CREATE MATERIALIZED VIEW a WITH (start = 'now') AS SELECT k, count(*) AS n FROM s GROUP BY k"), "");
  EXPECT_EQ(sql("CREATE MATERIALIZED VIEW b AS SELECT sum(n)::BIGINT AS n FROM a"), "");
  send_some(10, 15);
  for (int i = 0; i < 2; ++i) {
    ok(node_->stop());
    open();
    expect_closed();
    EXPECT_EQ(sql("SELECT * FROM b"), "5\n");
    EXPECT_EQ(sql("SELECT sum(n)::BIGINT FROM a"), "5\n");  // a keeps no rows until now: they come from the log
    pipeline("CREATE MATERIALIZED VIEW a WITH (start = 'now') AS SELECT k, count(*) AS n FROM s GROUP BY k");
  }
}

TEST_F(ViewStart, ACrashBehindTheCatalogFillsItFromItsStart) {
  send_some(0, 10, "t");
  ok(node_->sync());
  const std::string copy = directory_ + "/copy";
  env_->failpoints().on_abort([&](const std::string&) {
    std::filesystem::copy(directory_ + "/data", copy, std::filesystem::copy_options::recursive);
  });
  ok(env_->failpoints().configure("engine.change.durable=abort,times=1"));
  EXPECT_NE(sql("CREATE MATERIALIZED VIEW a WITH (start = '0:2') AS SELECT count(*) AS n FROM t"), "");
  node_.reset();
  std::filesystem::remove_all(directory_ + "/data");
  std::filesystem::rename(copy, directory_ + "/data");
  open();
  send_some(10, 20, "t");
  expect_closed();
  EXPECT_EQ(sql("SELECT * FROM a"), "18\n");
}

TEST_F(ViewStart, ATimeIsOfAppending) {
  send_some(0, 10);
  const std::string time = sql("SELECT max(_append_time) + INTERVAL 1 MICROSECOND FROM s");
  while (env_->clock().now() < *parse_iso8601(trim(time))) {
  }
  send_some(10, 20);
  EXPECT_EQ(sql("CREATE MATERIALIZED VIEW a WITH (start = '" + std::string(trim(time)) +
                "') AS SELECT min(v) AS first FROM s"),
            "");
  expect_closed();
  EXPECT_EQ(sql("SELECT * FROM a"), "10\n");
}

// With the rows before the start in the books as such, a row that gets lost behind it is still named.
TEST_F(ViewStart, ALostRowIsStillNamed) {
  send_some(0, 10, "t");
  ok(node_->sync());
  ok(env_->failpoints().configure("ledger.view=drop(1),times=1"));
  EXPECT_EQ(sql("CREATE MATERIALIZED VIEW a WITH (start = '0:1') AS SELECT k FROM t"), "");
  ok(env_->failpoints().configure("ledger.view=off"));
  ok(node_->sync());
  EXPECT_FALSE(node_->ledger_report().closed);
}

class ViewOverShortenedLog : public ViewStart {};

// What retention took from the log before the view was made is not owed to it.
TEST_F(ViewOverShortenedLog, ItsBooksClose) {
  pipeline("CREATE STREAM short (v INTEGER) WITH (retention_size = '1 MiB', segment_size = '64 KiB')");
  const std::string line = R"({"v":1,"pad":")" + std::string(1000, 'x') + "\"}";
  for (int i = 0; i < 40; ++i) send("short", std::vector<std::string>(60, line));
  ok(node_->sync());
  pipeline("CREATE MATERIALIZED VIEW other AS SELECT count(*) AS n FROM short");  // with a checkpoint, which enforces retention
  pipeline("CREATE MATERIALIZED VIEW a AS SELECT count(*) AS n FROM short");
  expect_closed();
  EXPECT_GT(counted("before:a"), 0u);
  EXPECT_EQ(counted("before:a") + counted("view:a"), 2400u);
}

}  // namespace
}  // namespace millrace::engine
