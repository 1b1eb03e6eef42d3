// An aggregate without GROUP BY has one row before anything came, as in DuckDB: in views, what reads them, sinks and
// after restarts.
#include <fstream>

#include "node_fixture.h"

namespace millrace::engine {
namespace {

class FirstRows : public NodeFixture, public ::testing::WithParamInterface<uint32_t> {
 protected:
  void SetUp() override {
    NodeFixture::SetUp();
    workers_ = GetParam();
  }
  bool kept(std::string_view name) {
    for (const ViewStatus& view : node_->status().views) {
      if (view.name == name) return view.kept;
    }
    return false;
  }
};

constexpr const char* kViews = R"(
  CREATE STREAM s (k INTEGER, v INTEGER);
  CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER);
  CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n, sum(v) AS v FROM t WHERE v > 0;
  CREATE MATERIALIZED VIEW names AS SELECT list(k ORDER BY k) AS k, count(DISTINCT v) AS n FROM s;
  CREATE MATERIALIZED VIEW few AS SELECT count(*) AS n FROM s HAVING count(*) < 2;
  CREATE MATERIALIZED VIEW pair AS SELECT n FROM total UNION ALL SELECT count(*) FROM s;
  CREATE MATERIALIZED VIEW above AS SELECT k, v FROM t WHERE v > (SELECT coalesce(avg(v), 0) FROM t);
  CREATE MATERIALIZED VIEW grouped AS SELECT k, count(*) AS n FROM s GROUP BY k;
  CREATE MATERIALIZED VIEW of_grouped AS SELECT count(*) AS n, max(n) AS top FROM grouped;)";

TEST_P(FirstRows, AreThereFromTheStart) {
  open(false);
  pipeline(kViews);
  ok(node_->start());
  for (int start = 0; start < 3; ++start) {
    EXPECT_EQ(sql("SELECT * FROM total"), "0,\n");
    EXPECT_EQ(sql("SELECT k IS NULL, n FROM names"), "true,0\n");
    EXPECT_EQ(sql("SELECT * FROM few"), "0\n");
    EXPECT_EQ(sql("SELECT * FROM pair"), "0\n0\n");
    EXPECT_EQ(sql("SELECT * FROM above"), "");
    EXPECT_EQ(sql("SELECT * FROM grouped"), "");
    EXPECT_EQ(sql("SELECT * FROM of_grouped"), "0,\n");
    if (start == 0) open();  // it was not stopped: from the log
    if (start == 1) {
      ok(node_->stop());
      open();
    }
  }
  sql("INSERT INTO t VALUES (1, 5), (2, 9)");
  sql("INSERT INTO s VALUES (7, 1), (8, 1)");
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM total"), "2,14\n");
  EXPECT_EQ(sql("SELECT * FROM few"), "");
  EXPECT_EQ(sql("SELECT * FROM pair"), "2\n2\n");
  EXPECT_EQ(sql("SELECT * FROM above"), "2,9\n");
  EXPECT_EQ(sql("SELECT * FROM of_grouped"), "2,1\n");
  sql("INSERT INTO t VALUES (1, -5), (2, -9)");  // no row is left in the view
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM total"), "0,\n");
  ok(node_->stop());
  open();
  EXPECT_EQ(sql("SELECT * FROM total"), "0,\n");
  EXPECT_EQ(sql("SELECT * FROM pair ORDER BY n"), "0\n2\n");
}

TEST_P(FirstRows, OfAViewWithoutRowsAndOfViewsMadeLater) {
  open(false);
  pipeline(
      "CREATE STREAM s (k INTEGER); CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s;"
      "CREATE MATERIALIZED VIEW twice AS SELECT n * 2 AS n FROM n;");
  ok(node_->start());
  EXPECT_FALSE(kept("n"));
  EXPECT_EQ(sql("SELECT * FROM twice"), "0\n");
  EXPECT_EQ(sql("CREATE MATERIALIZED VIEW later AS SELECT n + 1 AS n FROM n"), "");
  EXPECT_EQ(sql("SELECT * FROM later"), "1\n");
  EXPECT_EQ(sql("SELECT * FROM n"), "0\n");
  EXPECT_EQ(sql("CREATE MATERIALIZED VIEW of_all AS SELECT sum(n) AS n FROM (SELECT n FROM later UNION ALL FROM n)"),
            "");
  EXPECT_EQ(sql("SELECT n FROM of_all"), "1\n");
  sql("INSERT INTO s VALUES (1), (2)");
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM twice"), "4\n");
  EXPECT_EQ(sql("SELECT * FROM later"), "3\n");
  EXPECT_EQ(sql("SELECT n FROM of_all"), "5\n");
}

TEST_P(FirstRows, AreInTheChangesOfAPipelinesSink) {
  open(false);
  pipeline(
      "CREATE STREAM s (k INTEGER); CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s;"
      "CREATE SINK out FROM n WITH (connector = 'file', path = '" +
      directory_ + "/out', format = 'csv', mode = 'changes');");
  ok(node_->start());
  sql("INSERT INTO s VALUES (1)");
  ok(node_->sync());
  ok(node_->finish_bounded());
  ok(node_->stop());
  std::string text;
  for (const auto& file : std::filesystem::directory_iterator(directory_ + "/out")) {
    std::ifstream in(file.path());
    text.append(std::istreambuf_iterator<char>(in), {});
  }
  for (const char* change : {"+I,1,0", "-D,2,0", "+I,2,1"}) EXPECT_NE(text.find(change), std::string::npos) << text;
}

TEST_P(FirstRows, WindowsHaveNone) {
  open(false);
  pipeline(R"(
    CREATE STREAM s (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts);
    CREATE MATERIALIZED VIEW minutes AS
      SELECT window_start, count(*) AS n FROM tumble(s, ts, INTERVAL 1 MINUTE) GROUP BY window_start EMIT ON WINDOW CLOSE;
    CREATE MATERIALIZED VIEW open_minutes AS
      SELECT window_start, count(*) AS n FROM tumble(s, ts, INTERVAL 1 MINUTE) GROUP BY window_start;
    CREATE MATERIALIZED VIEW closed AS SELECT count(*) AS windows, sum(n)::BIGINT AS n FROM minutes;)");
  ok(node_->start());
  EXPECT_EQ(sql("SELECT * FROM minutes"), "");
  EXPECT_EQ(sql("SELECT * FROM open_minutes"), "");
  EXPECT_EQ(sql("SELECT * FROM closed"), "0,\n");
  send("s", {R"({"k":1,"ts":"2025-01-01T00:00:10Z"})", R"({"k":2,"ts":"2025-01-01T00:00:20Z"})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT n FROM open_minutes"), "2\n");
  EXPECT_EQ(sql("SELECT * FROM closed"), "0,\n");
  ok(node_->finish_bounded());
  EXPECT_EQ(sql("SELECT n FROM minutes"), "2\n");
  EXPECT_EQ(sql("SELECT * FROM closed"), "1,2\n");
}

INSTANTIATE_TEST_SUITE_P(Workers, FirstRows, ::testing::Values(1, 2));

}  // namespace
}  // namespace millrace::engine
