// A node from outside: statements, events, views, restarts.
#include <atomic>
#include <future>
#include <thread>

#include "base/failpoints.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

constexpr const char* kShop = R"(
  CREATE STREAM orders (id BIGINT, item VARCHAR, amount INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL 10 SECOND)
    WITH (partitions = 2, key = 'item', message_id = 'id');
  CREATE TABLE items (item VARCHAR PRIMARY KEY, label VARCHAR);
  CREATE MATERIALIZED VIEW totals AS SELECT item, count(*) AS n, sum(amount) AS total FROM orders GROUP BY item;
  CREATE MATERIALIZED VIEW labelled AS SELECT t.item, i.label, t.total FROM totals t LEFT JOIN items i USING (item);
)";

class NodeTest : public NodeFixture {
 protected:
  uint64_t acked_ = 0;
};

TEST_F(NodeTest, CountsAndSums) {
  open();
  pipeline(kShop);
  send("orders", {R"({"id":1,"item":"a","amount":5,"ts":"2025-01-01T00:00:00Z"})",
                  R"({"id":2,"item":"b","amount":7,"ts":"2025-01-01T00:00:01Z"})",
                  R"({"id":3,"item":"a","amount":1,"ts":"2025-01-01T00:00:02Z"})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM totals ORDER BY item"), "a,2,6\nb,1,7\n");
  EXPECT_EQ(sql("SELECT count(*) FROM orders"), "3\n");
  EXPECT_EQ(sql("SELECT item, label, total FROM labelled ORDER BY item"), "a,,6\nb,,7\n");
  EXPECT_EQ(sql("INSERT INTO items VALUES ('a', 'apple'), ('b', 'pear')"), "");
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT item, label, total FROM labelled ORDER BY item"), "a,apple,6\nb,pear,7\n");
  sql("INSERT INTO items VALUES ('a', 'APPLE')");
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT label FROM labelled ORDER BY item"), "APPLE\npear\n");
}

TEST_F(NodeTest, RestartKeepsEverything) {
  open();
  pipeline(kShop);
  send("orders", {R"({"id":1,"item":"a","amount":5})"});
  ok(node_->sync());
  for (int round = 0; round < 3; ++round) {
    ok(node_->stop());
    open();
    pipeline(kShop);  // the same file again changes nothing
    send("orders", {R"({"id":2,"item":"a","amount":10})"});
    ok(node_->sync());
    EXPECT_EQ(sql("SELECT n, total FROM totals"),
              std::to_string(round + 2) + "," + std::to_string(5 + 10 * (round + 1)) + "\n");
  }
}

TEST_F(NodeTest, AViewCreatedLaterSeesTheHistory) {
  open();
  pipeline("CREATE STREAM s (k INTEGER, v INTEGER);");
  send("s", {R"({"k":1,"v":2})", R"({"k":1,"v":3})", R"({"k":2,"v":4})"});
  ok(node_->sync());
  EXPECT_EQ(sql("CREATE MATERIALIZED VIEW a AS SELECT k, sum(v) AS s FROM s GROUP BY k"), "");
  EXPECT_EQ(sql("CREATE MATERIALIZED VIEW b AS SELECT max(s) AS top FROM a"), "");
  EXPECT_EQ(sql("SELECT * FROM a ORDER BY k"), "1,5\n2,4\n");
  EXPECT_EQ(sql("SELECT * FROM b"), "5\n");
  send("s", {R"({"k":2,"v":10})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM b"), "14\n");
  ok(node_->stop());
  open();
  EXPECT_EQ(sql("SELECT * FROM b"), "14\n");
  EXPECT_EQ(sql("DROP MATERIALIZED VIEW b; DROP MATERIALIZED VIEW a"), "");
  EXPECT_NE(sql("SELECT * FROM a").find("error"), std::string::npos);
}

TEST_F(NodeTest, RowsOfAViewThatOnlyViewsReadComeWhenAskedFor) {
  open();
  pipeline(R"(CREATE STREAM s (k INTEGER, v INTEGER) WITH (partitions = 2, key = 'k');
    CREATE MATERIALIZED VIEW doubled AS SELECT DISTINCT ON (k) k, v * 2 AS v FROM s;
    CREATE MATERIALIZED VIEW total AS SELECT sum(v)::BIGINT AS t FROM doubled;)");
  send("s", {R"({"k":1,"v":2})", R"({"k":2,"v":3})", R"({"k":1,"v":9})"});
  ok(node_->sync());
  auto kept = [&] {
    for (const ViewStatus& view : node_->status().views) {
      if (view.name == "doubled") return view.kept;
    }
    return true;
  };
  EXPECT_EQ(sql("SELECT t FROM total"), "10\n");
  EXPECT_FALSE(kept());
  EXPECT_EQ(sql("SELECT k, v FROM doubled ORDER BY k"), "1,4\n2,6\n");
  EXPECT_TRUE(kept());
  send("s", {R"({"k":3,"v":1})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT k, v FROM doubled ORDER BY k"), "1,4\n2,6\n3,2\n");
  ok(node_->stop());
  open();
  EXPECT_TRUE(kept());
  EXPECT_EQ(sql("SELECT k, v FROM doubled ORDER BY k"), "1,4\n2,6\n3,2\n");
  EXPECT_EQ(sql("SELECT t FROM total"), "12\n");
}

TEST_F(NodeTest, BadRecordsAreKeptAsDeadLetters) {
  open();
  pipeline("CREATE STREAM s (k INTEGER, v INTEGER); CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s;");
  send("s",
       {R"({"k":1})", "nonsense", R"({"k":"one"})", R"([1])", R"({"k":2,"v":99999999999})", R"({"K":7,"other":true})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM n"), "2\n");
  EXPECT_EQ(sql("SELECT count(*) FROM s_dead"), "4\n");
  EXPECT_NE(sql("SELECT reason FROM s_dead WHERE source_offset = 2").find("field k: expected INTEGER"),
            std::string::npos);
  EXPECT_EQ(sql("SELECT raw::VARCHAR FROM s_dead WHERE source_offset = 1"), "nonsense\n");
}

TEST_F(NodeTest, RowsThatThrowAreKeptAsErrors) {
  open();
  pipeline("CREATE STREAM s (t VARCHAR); CREATE MATERIALIZED VIEW v AS SELECT t::INTEGER AS i FROM s;");
  send("s", {R"({"t":"1"})", R"({"t":"x"})", R"({"t":"3"})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT i FROM v ORDER BY i"), "1\n3\n");
  EXPECT_EQ(sql("SELECT source_offset FROM v_error"), "1\n") << sql("SELECT * FROM v_error");
}

TEST_F(NodeTest, ARetriedRequestIsStoredOnce) {
  open();
  pipeline("CREATE STREAM s (k INTEGER) WITH (partitions = 3, key = 'k');");
  std::vector<std::string> lines;
  for (int i = 0; i < 20; ++i) lines.push_back("{\"k\":" + std::to_string(i) + "}");
  send("s", lines, "one");
  send("s", lines, "one");
  send("s", lines, "two");
  EXPECT_EQ(sql("SELECT count(*) FROM s"), "40\n");
}

TEST_F(NodeTest, ARetriedRequestGoesToTheSamePartition) {
  open();
  pipeline("CREATE STREAM s (a INTEGER) WITH (partitions = 8)");
  for (int round = 0; round < 6; ++round) send("s", {R"({"a":1})", R"({"a":2})"}, "one");
  for (int number = 0; number < 6; ++number) send("s", {R"({"a":3})"}, "other " + std::to_string(number));
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT count(*) FILTER (a < 3), count(*) FILTER (a = 3), count(DISTINCT _partition) > 2 FROM s"),
            "2,6,true\n");
}

TEST_F(NodeTest, StopInTheMiddleOfWorkLosesNothing) {
  workers_ = 2;
  open();
  pipeline(R"(CREATE STREAM s (k INTEGER, v INTEGER) WITH (partitions = 2, key = 'k');
    CREATE MATERIALIZED VIEW a AS SELECT k % 100 AS g, count(*) AS n FROM s GROUP BY ALL;)");
  ok(node_->stop());
  for (int round = 0; round < 3; ++round) {
    open();
    std::atomic<uint64_t> acked{0};
    std::thread producer([&] {
      std::vector<std::string> lines;
      for (int i = 0; i < 500; ++i) lines.push_back("{\"k\":" + std::to_string(i) + ",\"v\":1}");
      std::vector<std::string_view> views(lines.begin(), lines.end());
      while (true) {
        auto receipt = node_->append("s", views, {});
        if (!receipt.ok()) return;
        acked += receipt->accepted;
      }
    });
    while (acked < 20000) std::this_thread::yield();
    ok(node_->stop());
    producer.join();
    acked_ += acked;
  }
  open();
  ok(node_->sync());
  // What was refused at the stop may be stored in part; what was acked is there, and the view counts what is stored.
  uint64_t stored = std::stoull(sql("SELECT count(*) FROM s"));
  EXPECT_GE(stored, acked_);
  EXPECT_EQ(sql("SELECT sum(n)::BIGINT FROM a"), std::to_string(stored) + "\n");
  EXPECT_TRUE(node_->ledger_report().closed);
}

TEST_F(NodeTest, TwoNodesDoNotShareADirectory) {
  open();
  Metrics metrics;
  auto second = Node::open(*env_, metrics, options());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, sqlstate::kObjectInUse);
}

TEST_F(NodeTest, ADirectoryOfAnotherVersionIsRefused) {
  open();
  ok(node_->stop());
  node_.reset();
  ok(env_->files().write_atomically(directory_ + "/data/VERSION", "999\n"));
  Metrics metrics;
  auto second = Node::open(*env_, metrics, options());
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("format version 999"), std::string::npos);
  EXPECT_FALSE(second.error().hint.empty());
}

TEST_F(NodeTest, SubscribersSeeCommittedChanges) {
  open();
  pipeline(
      "CREATE STREAM s (k INTEGER, v INTEGER); CREATE MATERIALIZED VIEW a AS SELECT k, sum(v) AS s FROM s GROUP BY k;");
  auto subscription = node_->subscribe({.view = "a"});
  ASSERT_TRUE(subscription.ok());
  send("s", {R"({"k":1,"v":2})"});
  ok(node_->sync());
  send("s", {R"({"k":1,"v":3})"});
  ok(node_->sync());
  std::string seen;
  for (int i = 0; i < 2; ++i) {
    auto batch = (*subscription)->next(Duration::from_seconds(10));
    ASSERT_TRUE(batch.ok());
    for (size_t row = 0; row < batch->rows(); ++row)
      seen += batch->value_text(2, row) + batch->value_text(1, row) + " ";
  }
  EXPECT_EQ(seen, "+I2 -U2 +U5 ");
}

TEST_F(NodeTest, ALongQueryHoldsBackNoCommit) {
  open();
  pipeline("CREATE STREAM s (k INT); CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k;");
  send("s", {R"({"k":1})"});
  ok(node_->sync());
  std::promise<void> reached;
  std::promise<void> released;
  env_->failpoints().on_abort([&](const std::string&) {
    reached.set_value();
    released.get_future().wait();
  });
  ok(env_->failpoints().configure("engine.query=abort,times=1"));
  std::thread reader([&] { sql("SELECT * FROM v"); });
  reached.get_future().wait();  // the query has its rows and has not begun to compute
  send("s", {R"({"k":1})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT n FROM v"), "2\n");
  released.set_value();
  reader.join();
}

TEST_F(NodeTest, AQueryReadsEachRelationAsOfOneCommit) {
  open();
  pipeline("CREATE STREAM s (k INT); CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k;");
  send("s", {R"({"k":1})", R"({"k":1})", R"({"k":2})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT a.k, a.n, V.n FROM v a JOIN V USING (k) WHERE a.n IN (SELECT n FROM v) ORDER BY 1"),
            "1,2,2\n2,1,1\n");
  EXPECT_EQ(sql("SELECT count(*) FROM s, s AS t"), "9\n");
  EXPECT_EQ(sql("SELECT count(*) > 0 FROM _ledger"), "true\n");
}

TEST_F(NodeTest, WindowsCloseAtTheEndOfABoundedRun) {
  open();
  pipeline(R"(CREATE STREAM s (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL 1 MINUTE);
    CREATE MATERIALIZED VIEW w AS SELECT window_start, count(*) AS n FROM tumble(s, ts, INTERVAL 1 HOUR) GROUP BY window_start
      EMIT ON WINDOW CLOSE;)");
  send("s", {R"({"k":1,"ts":"2025-01-01T00:10:00Z"})", R"({"k":1,"ts":"2025-01-01T00:59:00Z"})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM w"), "");
  send("s", {R"({"k":1,"ts":"2025-01-01T01:02:00Z"})", R"({"k":1,"ts":"2025-01-01T00:30:00Z"})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT n FROM w"), "2\n");
  EXPECT_EQ(sql("SELECT count(*) FROM w_late"), "1\n");
  ok(node_->finish_bounded());
  EXPECT_EQ(sql("SELECT n FROM w ORDER BY window_start"), "2\n1\n");
  std::vector<std::string_view> more{R"({"k":1})"};
  EXPECT_FALSE(node_->append("s", more, {}).ok());
}

TEST_F(NodeTest, WhatCannotBeKeptIsRefusedAndChangesNothing) {
  open();
  pipeline("CREATE STREAM s (k INTEGER);");
  for (const char* statement :
       {"CREATE MATERIALIZED VIEW v AS SELECT hop, count FROM _ledger",
        "CREATE MATERIALIZED VIEW v AS SELECT random() AS r FROM s",
        "CREATE MATERIALIZED VIEW v WITH (recompute_rows_max = 5) AS SELECT k FROM s", "CREATE STREAM t (k NOTATYPE)",
        "CREATE SINK x FROM s WITH (connector = 'file', path = 'x.csv')"}) {
    EXPECT_NE(sql(statement).find("error"), std::string::npos) << statement;
  }
  EXPECT_EQ(sql("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM s_dead"), "");
  send("s", {"garbage", R"({"k":1})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM v"), "1\n");
}

TEST_F(NodeTest, ErrorsPointIntoTheStatement) {
  open();
  pipeline("CREATE STREAM s (k INTEGER);");
  auto caret_at = [&](const std::string& text, const std::string& place) {
    auto result = node_->execute(text);
    ASSERT_FALSE(result.ok()) << text;
    ASSERT_TRUE(result.error().position) << render(result.error(), text);
    EXPECT_EQ(result.error().position->offset, text.find(place)) << render(result.error(), text);
  };
  caret_at("INSERT INTO s (k) VALUES ('abc')", "VALUES");
  caret_at("INSERT INTO s (k) SELECT kk FROM s", "kk");
  caret_at("INSERT INTO s SELECT lowr(k) FROM s", "lowr");
  caret_at("CREATE STREAM u (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS tss - INTERVAL 1 SECOND)", "tss");
  caret_at("CREATE MATERIALIZED VIEW v WITH (recompute_rows_max = 5) AS SELECT k FROM s", "recompute_rows_max");
  EXPECT_NE(sql("CREATE MATERIALIZED VIEW v WITH (foo = 5) AS SELECT k FROM s").find("takes: on_error, retention and start"),
            std::string::npos);
  EXPECT_NE(sql("CREATE SINK x AS SELECT k FROM s WITH (connector = 'file', path = 'x')").find("FROM it"),
            std::string::npos);
}

TEST_F(NodeTest, TheBooksAreClosed) {
  open();
  pipeline(kShop);
  send("orders", {R"({"id":1,"item":"a","amount":5})", "nonsense", R"({"id":2,"item":"b","amount":6})"});
  ok(node_->sync());
  ledger::Report report = node_->ledger_report();
  EXPECT_TRUE(report.closed);
  EXPECT_TRUE(report.open.empty());
  EXPECT_EQ(sql("SELECT hop, sum(count)::BIGINT FROM _ledger WHERE stream = 'orders' GROUP BY hop ORDER BY hop"),
            "dead,1\ndecoded,2\nreceived,3\nstored,3\nview:totals,2\n");
}

TEST_F(NodeTest, ARetriedRequestIsStoredOnceWithoutAKey) {
  open();
  pipeline("CREATE STREAM notes (text VARCHAR) WITH (partitions = 4);");
  for (int retry = 0; retry < 20; ++retry) send("notes", {R"({"text":"once"})"}, "a request");
  EXPECT_EQ(sql("SELECT count(*) FROM notes"), "1\n");
  for (int request = 0; request < 40; ++request) send("notes", {R"({"text":"many"})"}, std::to_string(request));
  EXPECT_EQ(sql("SELECT count(DISTINCT _partition) FROM notes"), "4\n");
}

TEST_F(NodeTest, AViewThatCannotBeCreatedIsNotInTheBooks) {
  open();
  pipeline(kShop);
  for (const char* point : {"engine.change.filled", "engine.change.durable"}) {
    ok(env_->failpoints().configure(std::string(point) + "=error(EIO),times=1"));
    EXPECT_NE(sql("CREATE MATERIALIZED VIEW largest AS SELECT max(amount) AS amount FROM orders").find("error"),
              std::string::npos);
    for (int i = 0; i < 2000 && !node_->sync().ok(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    send("orders", {R"({"id":1,"item":"a","amount":5})"});
    ok(node_->sync());
    EXPECT_TRUE(node_->ledger_report().closed) << point;
  }
  // The second failure came when the catalog was on the disk: so the view is there.
  EXPECT_EQ(sql("SELECT amount FROM largest"), "5\n");
}

}  // namespace
}  // namespace millrace::engine
