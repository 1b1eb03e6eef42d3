// CREATE OR REPLACE MATERIALIZED VIEW where it goes wrong: crashes around the swap, a filling that fails, readers that
// would not bear it.
#include <filesystem>

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

TEST_F(Replace, ReadersOfChangesAreNamed) {
  pipeline("CREATE SINK out FROM a WITH (connector = 'file', path = 'out', format = 'ndjson', mode = 'changes');");
  EXPECT_NE(sql(kReplace).find("the changes of a are kept one by one, for sink out"), std::string::npos);
  EXPECT_EQ(both(), "1,6\n2,5\n6\n");
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
