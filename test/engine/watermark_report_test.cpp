// SHOW WATERMARKS, and what CREATE and EXPLAIN say of joins whose state grows.
#include <regex>

#include "node_fixture.h"

namespace millrace::engine {
namespace {

class WatermarkReport : public NodeFixture {
 protected:
  /// Without the times of appending, which are the clock's.
  std::string watermarks() {
    const std::string text = std::regex_replace(sql("SHOW WATERMARKS"), std::regex(R"("")"), "");
    return std::regex_replace(text, std::regex(R"(20[2-9]\d-\d\d-\d\dT[\d:.]+Z?,(yes|no))"), "T,$1");
  }
};

TEST_F(WatermarkReport, NamesThePartitionThatHoldsBackAView) {
  open(/*start=*/false);
  pipeline(R"(CREATE STREAM a (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL 1 MINUTE)
      WITH (idle_timeout = '1 day');
    CREATE STREAM b (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts)
      WITH (partitions = 2, key = 'k', idle_timeout = '1 day');
    CREATE TABLE names (k INTEGER PRIMARY KEY, name VARCHAR) WITH (idle_timeout = '1 day');
    CREATE MATERIALIZED VIEW pairs AS
      SELECT a.k FROM a JOIN b ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 1 HOUR;
    CREATE MATERIALIZED VIEW of_a AS
      SELECT a.k, n.name FROM a JOIN names FOR SYSTEM_TIME AS OF now() AS n ON a.k = n.k;)");
  send("a", {R"({"k":1,"ts":"2025-01-01 00:10:00"})", R"({"k":1,"ts":"2025-01-01 00:05:00"})"});
  send("b", {R"({"k":1,"ts":"2025-01-01 00:02:00"})"});
  ok(node_->sync());
  const std::string one = watermarks();
  EXPECT_NE(one.find("a,,2025-01-01T00:09:00"), std::string::npos) << one;
  EXPECT_NE(one.find("a,0,2025-01-01T00:09:00"), std::string::npos) << one;
  std::smatch silent;
  ASSERT_TRUE(std::regex_search(one, silent, std::regex("b,,,,,partition ([01])"))) << one;
  EXPECT_NE(one.find("pairs,,,,,\"b, partition " + silent[1].str()), std::string::npos) << one;
  EXPECT_NE(one.find("of_a,,2025-01-01T00:09:00Z,,,a\n"), std::string::npos) << one << "the table is not waited for";

  std::vector<std::string> rows;
  for (int k = 0; k < 20; ++k) rows.push_back(R"({"k":)" + std::to_string(k) + R"(,"ts":"2025-01-01 00:03:00"})");
  send("b", rows);
  ok(node_->sync());
  const std::string both = watermarks();
  EXPECT_NE(both.find("b,,2025-01-01T00:03:00Z,,,\"partition 0, 1\""), std::string::npos) << both;
  EXPECT_NE(both.find("pairs,,2025-01-01T00:03:00Z,,,"), std::string::npos) << both;
}

TEST_F(WatermarkReport, SilenceHoldsBackNobody) {
  open(/*start=*/false);
  pipeline(R"(CREATE STREAM a (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (idle_timeout = '1 millisecond');
    CREATE MATERIALIZED VIEW v AS SELECT k FROM a;)");
  send("a", {R"({"k":1,"ts":"2025-01-01 00:10:00"})"});
  ok(node_->sync());
  std::string text;
  for (int i = 0; i < 1000000 && text.find(",yes,") == std::string::npos; ++i) text = watermarks();
  EXPECT_NE(text.find("nothing: all are idle, it moves with the clock"), std::string::npos) << text;
}

TEST_F(WatermarkReport, AJoinThatGrowsForEverIsToldOf) {
  open(/*start=*/false);
  pipeline(R"(CREATE STREAM a (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts);
    CREATE STREAM b (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts);
    CREATE TABLE t (k INTEGER PRIMARY KEY, name VARCHAR);)");
  const auto message = [&](const std::string& text) {
    auto result = node_->execute(text);
    return result.ok() ? result->message : render(result.error(), text);
  };
  const std::string growing = "SELECT a.k FROM a JOIN b ON a.k = b.k AND b.ts >= a.ts";
  EXPECT_NE(message("CREATE MATERIALIZED VIEW u AS " + growing).find("\nnotice: the join of a with b keeps all rows"),
            std::string::npos);
  EXPECT_NE(sql("EXPLAIN u").find("notice: the join of a with b"), std::string::npos) << sql("EXPLAIN u");
  EXPECT_NE(sql("EXPLAIN " + growing).find("notice: the join of a with b"), std::string::npos);
  EXPECT_NE(message("CREATE MATERIALIZED VIEW n AS SELECT a.k FROM a ASOF JOIN b ON a.k = b.k AND a.ts >= b.ts")
                .find("FOR SYSTEM_TIME AS OF its time column"),
            std::string::npos);
  for (const char* bounded : {"SELECT a.k FROM a JOIN b ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 1 HOUR",
                              "SELECT a.k FROM a JOIN b FOR SYSTEM_TIME AS OF a.ts AS r ON a.k = r.k",
                              "SELECT a.k FROM a JOIN t ON a.k = t.k",
                              "SELECT a.k FROM a JOIN (VALUES (1)) v(k) ON a.k = v.k"})
    EXPECT_EQ(sql(std::string("EXPLAIN ") + bounded).find("notice"), std::string::npos) << bounded;
}

}  // namespace
}  // namespace millrace::engine
