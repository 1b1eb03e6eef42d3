// CREATE OR REPLACE MATERIALIZED VIEW where it goes wrong: crashes around the swap, a filling that fails, readers that
// would not bear it.
#include <filesystem>
#include <map>

#include "base/failpoints.h"
#include "ledger/render.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

class Replace : public NodeFixture {
 protected:
  void SetUp() override {
    NodeFixture::SetUp();
    open();
    pipeline(R"(
        CREATE STREAM s (k INTEGER, v INTEGER);
        CREATE MATERIALIZED VIEW a AS SELECT k, sum(v)::BIGINT AS n FROM s GROUP BY k;
        CREATE MATERIALIZED VIEW b AS SELECT max(n) AS n FROM a;)");
    send("s", {R"({"k":1,"v":2})", R"({"k":2,"v":5})", R"({"k":1,"v":4})"});
    ok(node_->sync());
  }
  static constexpr const char* kReplace =
      "CREATE OR REPLACE MATERIALIZED VIEW a AS SELECT k, count(*) AS n FROM s GROUP BY k";
  std::string both() { return sql("SELECT * FROM a ORDER BY ALL") + sql("SELECT * FROM b"); }

  /// The node as a crash at this point of the statement leaves it.
  void crash_at(const std::string& point, const char* statement) {
    const std::string copy = directory_ + "/copy";
    env_->failpoints().on_abort([&](const std::string&) {
      std::filesystem::copy(directory_ + "/data", copy, std::filesystem::copy_options::recursive);
    });
    ok(env_->failpoints().configure(point + "=abort,times=1"));
    EXPECT_NE(sql(statement), "");
    node_.reset();
    std::filesystem::remove_all(directory_ + "/data");
    std::filesystem::rename(copy, directory_ + "/data");
    open();
  }
  std::string crash_at(const std::string& point) {
    crash_at(point, kReplace);
    send("s", {R"({"k":2,"v":1})"});
    ok(node_->sync());
    EXPECT_TRUE(node_->ledger_report().closed);
    return both();
  }
};

TEST_F(Replace, ACrashBeforeTheSwapLeavesTheOldOne) { EXPECT_EQ(crash_at("engine.change.filled"), "1,6\n2,6\n6\n"); }

TEST_F(Replace, ACrashAfterTheSwapLeavesTheNewOne) { EXPECT_EQ(crash_at("engine.change.durable"), "1,2\n2,2\n2\n"); }

// The commits before knew nothing of the view, and so have nothing of it in their books.
TEST_F(Replace, AFirstViewWhoseCreateACrashEndedHasAllRowsInTheBooks) {
  pipeline("DROP MATERIALIZED VIEW b; DROP MATERIALIZED VIEW a");
  pipeline("CREATE STREAM t (k BIGINT)");
  node_.reset();
  open();
  send("t", {R"({"k":1})", R"({"k":2})"});
  ok(node_->sync());
  crash_at("engine.change.durable", "CREATE MATERIALIZED VIEW c AS SELECT count(*) AS n FROM t");
  send("t", {R"({"k":3})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM c"), "3\n");
  EXPECT_TRUE(node_->ledger_report().closed) << ledger::render(node_->ledger_report());
}

// Its books are those of another view, which had the name.
TEST_F(Replace, AViewWhoseDropACrashEndedMayBeMadeAnew) {
  pipeline("CREATE MATERIALIZED VIEW c AS SELECT min(v) AS n FROM s");
  crash_at("engine.change.durable", "DROP MATERIALIZED VIEW c");
  EXPECT_NE(sql("SELECT * FROM c").find("error"), std::string::npos);
  pipeline("CREATE MATERIALIZED VIEW c AS SELECT max(v) AS n FROM s");
  send("s", {R"({"k":2,"v":9})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM c"), "9\n");
  EXPECT_TRUE(node_->ledger_report().closed) << ledger::render(node_->ledger_report());
}

TEST_F(Replace, WhatCannotBeFilledChangesNothing) {
  EXPECT_NE(sql("CREATE OR REPLACE MATERIALIZED VIEW a AS SELECT k, sum(CAST('x' || v AS INTEGER))::BIGINT AS n FROM s "
                "GROUP BY k WITH (on_error = 'stop')")
                .find("error"),
            std::string::npos);
  EXPECT_EQ(both(), "1,6\n2,5\n6\n");
  send("s", {R"({"k":2,"v":9})"});
  ok(node_->sync());
  EXPECT_EQ(both(), "1,6\n2,14\n14\n");
  EXPECT_TRUE(node_->ledger_report().closed);
}

class ReplaceUnderSinks : public Replace {
 protected:
  void SetUp() override {
    Replace::SetUp();
    pipeline("CREATE SINK out FROM a WITH (connector = 'file', path = 'out', format = 'ndjson', mode = 'changes');"
             "CREATE SINK more FROM b WITH (connector = 'file', path = 'more', format = 'ndjson', mode = 'changes');");
    send("s", {R"({"k":2,"v":1})"});
    ok(node_->sync());
  }
  /// The rows that the changes in a sink's files add up to.
  std::map<std::string, int> delivered(const std::string& folder) {
    std::map<std::string, int> rows;
    for (const auto& file : std::filesystem::directory_iterator(directory_ + "/" + folder)) {
      if (file.path().filename().string().starts_with(".")) continue;
      std::string text = *env_->files().read_all(file.path());
      for (std::string_view line : split_view(text, '\n')) {
        if (line.empty()) continue;
        const size_t row = line.find("\"_commit\"");
        rows[std::string(line.substr(line.find(',', row)))] += line.find("\"_op\":\"+") < line.size() ? 1 : -1;
      }
    }
    std::erase_if(rows, [](const auto& row) { return row.second == 0; });
    return rows;
  }
  void expect_delivered() {
    ok(node_->sync());
    ok(node_->stop());  // delivers
    // From the rows that were there when the sinks were made to those of the new definition.
    EXPECT_EQ(delivered("out"), (std::map<std::string, int>{{R"(,"k":1,"n":6})", -1},
                                                            {R"(,"k":1,"n":2})", 1},
                                                            {R"(,"k":2,"n":5})", -1},
                                                            {R"(,"k":2,"n":2})", 1}}));
    EXPECT_EQ(delivered("more"), (std::map<std::string, int>{{R"(,"n":6})", -1}, {R"(,"n":2})", 1}}));
    open();
    EXPECT_EQ(both(), "1,2\n2,2\n2\n");
    const ledger::Report report = node_->ledger_report();
    EXPECT_TRUE(report.closed) << ledger::render(report);
  }
};

TEST_F(ReplaceUnderSinks, ReadersOfChangesGetTheDifference) {
  EXPECT_EQ(sql(kReplace), "");
  expect_delivered();
}

TEST_F(ReplaceUnderSinks, ACrashBeforeTheCatalogLeavesNothingOfIt) {
  crash_at("engine.change.changes", kReplace);
  EXPECT_EQ(both(), "1,6\n2,6\n6\n");
  EXPECT_EQ(sql(kReplace), "");
  expect_delivered();
}

TEST_F(ReplaceUnderSinks, ACrashBehindTheCatalogKeepsIt) {
  crash_at("engine.change.durable", kReplace);
  EXPECT_EQ(sql(kReplace), "");
  expect_delivered();
}

TEST_F(ReplaceUnderSinks, ACrashBeforeTheNextCommitKeepsIt) {
  crash_at("engine.change.dropped", kReplace);
  expect_delivered();
}

TEST_F(Replace, ASinkThatAppendsTakesNothingBack) {
  pipeline("CREATE MATERIALIZED VIEW few AS SELECT v FROM s WHERE v > 3;"
           "CREATE SINK out FROM few WITH (connector = 'file', path = 'out', format = 'ndjson');");
  ok(node_->sync());
  EXPECT_NE(sql("CREATE OR REPLACE MATERIALIZED VIEW few AS SELECT v FROM s WHERE v > 4").find("rows of few would go"),
            std::string::npos);
  EXPECT_EQ(sql("SELECT * FROM few ORDER BY v"), "4\n5\n");
  EXPECT_EQ(sql("CREATE OR REPLACE MATERIALIZED VIEW few AS SELECT v FROM s WHERE v > 1"), "");
  ok(node_->stop());
  std::string text;
  for (const auto& file : std::filesystem::directory_iterator(directory_ + "/out")) {
    if (!file.path().filename().string().starts_with(".")) text += *env_->files().read_all(file.path());
  }
  EXPECT_EQ(text, "{\"v\":2}\n");  // 4 and 5 were there when the sink was made
  open();
  EXPECT_TRUE(node_->ledger_report().closed);
}

TEST_F(Replace, AViewWhoseReaderGoesHasItsRows) {
  EXPECT_EQ(sql("DROP MATERIALIZED VIEW b"), "");
  EXPECT_EQ(sql("SELECT * FROM a ORDER BY ALL"), "1,6\n2,5\n");
}

TEST_F(Replace, SubscribersBeginAgain) {
  auto subscription = node_->subscribe({.view = "b"});
  ASSERT_TRUE(subscription.ok());
  EXPECT_EQ(sql(kReplace), "");
  Result<batch::Batch> next = (*subscription)->next(Duration::from_seconds(10));
  ASSERT_FALSE(next.ok());
  EXPECT_NE(next.error().message.find("replaced"), std::string::npos);
}

TEST_F(Replace, RestartsAndMoreRows) {
  EXPECT_EQ(sql(kReplace), "");
  ok(node_->stop());
  open();
  EXPECT_EQ(both(), "1,2\n2,1\n2\n");
  send("s", {R"({"k":3,"v":1})"});
  ok(node_->sync());
  EXPECT_EQ(both(), "1,2\n2,1\n3,1\n2\n");
  EXPECT_TRUE(node_->ledger_report().closed);
}

}  // namespace
}  // namespace millrace::engine
