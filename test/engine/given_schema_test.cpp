// CREATE STREAM over a stream of raw bytes, as a topic is that a Kafka client made.
#include <filesystem>

#include "base/failpoints.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

class GivenSchema : public NodeFixture {
 protected:
  void make_topic(const std::string& more = "") {
    ASSERT_EQ(sql("CREATE STREAM orders (value BLOB) WITH (format = 'raw'" + more + ")"), "");
  }
  /// Rows, their dead letters, and whether the books are closed.
  void expect_rows(const std::string& rows, const std::string& dead) {
    ASSERT_EQ(sql("SYNC"), "");
    EXPECT_EQ(sql("SELECT id, item FROM orders ORDER BY id"), rows);
    EXPECT_EQ(sql("SELECT source_offset, raw::VARCHAR FROM orders_dead ORDER BY 1"), dead);
    const ledger::Report report = node_->ledger_report();
    EXPECT_TRUE(report.closed);
    for (const auto& total : report.totals) {
      if (total.hop == "dead" && total.stream_name == "orders") {
        EXPECT_EQ(total.count, static_cast<uint64_t>(std::count(dead.begin(), dead.end(), '\n')));
      }
    }
  }
  const std::string create_ = "CREATE STREAM orders (id BIGINT, item VARCHAR)";
  const std::vector<std::string> lines_{R"({"id":1,"item":"a"})", "no json", R"({"id":2,"item":"b"})"};
};

TEST_F(GivenSchema, RecordsThatAreThereAreDecoded) {
  open();
  make_topic(", partitions = 3");
  send("orders", lines_);
  EXPECT_EQ(sql("SYNC; SELECT count(*) FROM orders"), "3\n");
  const std::string made = node_->execute(create_)->message;
  EXPECT_EQ(made, "created stream orders over the topic of that name");
  expect_rows("1,a\n2,b\n", "1,no json\n");
  EXPECT_EQ(sql("CREATE MATERIALIZED VIEW v AS SELECT item, count(*) AS c FROM orders GROUP BY item"), "");
  send("orders", {R"({"id":3,"item":"a"})", "bad"});
  ASSERT_EQ(sql("SYNC"), "");
  EXPECT_EQ(sql("SELECT * FROM v ORDER BY item"), "a,2\nb,1\n");
  EXPECT_EQ(sql("SELECT count(*) FROM orders_dead"), "2\n");
  // The same again, as the pipeline file has it, is no change: it says nothing about partitions.
  EXPECT_EQ(node_->execute(create_)->message, "stream orders is already there, unchanged");
}

TEST_F(GivenSchema, ADeadLetterOfTheBytesIsNoSecondOne) {
  open();
  make_topic();
  AppendRequest request;
  request.refused[1] = "the producer says so";
  ASSERT_TRUE(node_->append("orders", {lines_[0], "refused", lines_[2]}, request).ok());
  ASSERT_EQ(sql("SYNC"), "");
  EXPECT_EQ(sql("SELECT source_offset FROM orders_dead"), "1\n");
  ASSERT_EQ(sql(create_), "");
  expect_rows("1,a\n2,b\n", "1,refused\n");
}

TEST_F(GivenSchema, SurvivesARestart) {
  open();
  make_topic();
  send("orders", lines_);
  ASSERT_EQ(sql("SYNC"), "");
  ASSERT_EQ(sql(create_), "");
  for (int i = 0; i < 2; ++i) {
    expect_rows("1,a\n2,b\n", "1,no json\n");
    open();
  }
}

/// A crash anywhere on the way, the worst between the catalog and the checkpoint that says that positions are those of
/// rows.
TEST_F(GivenSchema, ACrashOnTheWayDecodesAllTheSame) {
  for (const char* point : {"engine.change.before", "engine.change.filled", "engine.change.durable",
                            "engine.change.swapped", "engine.change.rebuilt"}) {
    SCOPED_TRACE(point);
    open();
    make_topic();
    send("orders", lines_);
    ASSERT_EQ(sql("SYNC"), "");
    const std::string copy = directory_ + "/copy";
    env_->failpoints().on_abort([&](const std::string&) {
      std::filesystem::copy(directory_ + "/data", copy, std::filesystem::copy_options::recursive);
    });
    ok(env_->failpoints().configure(std::string(point) + "=abort,times=1"));
    (void)sql(create_);
    node_.reset();
    std::filesystem::remove_all(directory_ + "/data");
    std::filesystem::rename(copy, directory_ + "/data");
    open();
    (void)sql(create_);  // where the first attempt came to nothing
    expect_rows("1,a\n2,b\n", "1,no json\n");
    node_.reset();
    std::filesystem::remove_all(directory_ + "/data");
  }
}

TEST_F(GivenSchema, WatermarksBeginAnew) {
  open();
  make_topic();
  send("orders", {R"({"ts":"2020-01-01T00:00:00Z","n":1})", R"({"ts":"2020-01-01T00:10:00Z","n":2})"});
  ASSERT_EQ(sql("SYNC"), "");
  ASSERT_EQ(sql("CREATE STREAM orders (ts TIMESTAMP, n INT, WATERMARK FOR ts DELAY INTERVAL 0 SECOND)"), "");
  ASSERT_EQ(sql("CREATE MATERIALIZED VIEW w AS SELECT window_start, sum(n)::INT AS n FROM tumble(orders, ts, INTERVAL 1 MINUTE) "
                "GROUP BY window_start EMIT ON WINDOW CLOSE"),
            "");
  send("orders", {R"({"ts":"2020-01-01T00:20:00Z","n":3})"});
  ASSERT_EQ(sql("SYNC"), "");
  EXPECT_EQ(sql("SELECT n FROM w ORDER BY window_start"), "1\n2\n");
  EXPECT_EQ(sql("SELECT count(*) FROM w_late"), "0\n");
}

TEST_F(GivenSchema, WhatCannotBeIsRefused) {
  open();
  make_topic(", partitions = 2");
  EXPECT_NE(sql("CREATE STREAM orders (id BIGINT) WITH (partitions = 3)").find("option partitions is fixed: 2"),
            std::string::npos);
  EXPECT_NE(sql("CREATE TABLE orders (id BIGINT PRIMARY KEY)").find("is already there"), std::string::npos);
  ASSERT_EQ(sql("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS c FROM orders"), "");
  EXPECT_NE(sql(create_).find("cannot be replaced while others read it: materialized view v"), std::string::npos);
  ASSERT_EQ(sql("DROP MATERIALIZED VIEW v"), "");
  ASSERT_EQ(sql(create_), "");
  EXPECT_NE(sql("CREATE STREAM orders (id INT)").find("another definition"), std::string::npos);
}

}  // namespace
}  // namespace millrace::engine
