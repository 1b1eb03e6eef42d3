// tumble, hop and cumulate: every row is in the windows that its time says, whatever order rows come in; a window
// closes when the watermark passes its end.
#include <fmt/format.h>

#include <random>

#include "node_fixture.h"

namespace millrace::engine {
namespace {

class TimeWindows : public NodeFixture {
 protected:
  void pipeline_over_stream(const char* views) {
    pipeline(
        "CREATE STREAM s (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL 20 MINUTE) WITH (partitions = 1)");
    pipeline(views);
  }

  /// Rows within `hours` hours of an odd moment before 1970, so that nothing is aligned by chance.
  std::vector<std::string> random_rows(std::mt19937_64& random, int count, int hours) {
    std::vector<std::string> lines;
    for (int i = 0; i < count; ++i) {
      auto second = static_cast<int64_t>(random() % static_cast<uint64_t>(hours * 3600));
      lines.push_back(fmt::format(R"({{"k":{},"ts":"1969-12-31 {:02}:{:02}:{:02}"}})", i, 5 + second / 3600,
                                  second / 60 % 60, second % 60));
    }
    return lines;
  }
};

TEST_F(TimeWindows, EveryRowIsInTheWindowsThatHoldIt) {
  open(/*start=*/false);
  pipeline_over_stream(R"(
    CREATE MATERIALIZED VIEW h AS SELECT window_start, window_end, count(*) AS n, sum(k)::BIGINT AS t
      FROM hop(s, ts, INTERVAL 7 MINUTE, INTERVAL 30 MINUTE, INTERVAL 2 MINUTE) GROUP BY ALL
      ALLOW LATENESS INTERVAL 1 DAY;
    CREATE MATERIALIZED VIEW gaps AS SELECT window_start, count(*) AS n
      FROM hop(s, INTERVAL 30 MINUTE, INTERVAL 7 MINUTE) GROUP BY ALL ALLOW LATENESS INTERVAL 1 DAY;
    CREATE MATERIALIZED VIEW c AS SELECT window_start, window_end, count(*) AS n
      FROM cumulate(s, ts, INTERVAL 10 MINUTE, INTERVAL 1 HOUR) GROUP BY ALL ALLOW LATENESS INTERVAL 1 DAY;)");
  std::mt19937_64 random(3);
  for (int round = 0; round < 4; ++round) send("s", random_rows(random, 300, 6));
  ok(node_->sync());
  // All windows of a day, joined with the rows: no arithmetic in common with ours.
  std::string hops = sql(R"(SELECT w, w + INTERVAL 30 MINUTE, count(*), sum(k)::BIGINT FROM s,
    (SELECT TIMESTAMP '1970-01-01 00:02:00' + i * INTERVAL 7 MINUTE AS w FROM (SELECT unnest(range(-400, 1)) AS i))
    WHERE ts >= w AND ts < w + INTERVAL 30 MINUTE GROUP BY ALL ORDER BY ALL)");
  EXPECT_GT(std::count(hops.begin(), hops.end(), '\n'), 50);
  EXPECT_EQ(sql("SELECT * FROM h ORDER BY ALL"), hops);
  EXPECT_EQ(sql("SELECT * FROM gaps ORDER BY ALL"), sql(R"(SELECT w, count(*) FROM s,
    (SELECT TIMESTAMP '1970-01-01' + i * INTERVAL 30 MINUTE AS w FROM (SELECT unnest(range(-100, 1)) AS i))
    WHERE ts >= w AND ts < w + INTERVAL 7 MINUTE GROUP BY ALL ORDER BY ALL)"));
  EXPECT_EQ(sql("SELECT * FROM c ORDER BY ALL"), sql(R"(SELECT w, e, count(*) FROM s,
    (SELECT TIMESTAMP '1970-01-01' + i * INTERVAL 1 HOUR AS w,
            TIMESTAMP '1970-01-01' + i * INTERVAL 1 HOUR + j * INTERVAL 10 MINUTE AS e
     FROM (SELECT unnest(range(-30, 1)) AS i), (SELECT unnest(range(1, 7)) AS j))
    WHERE ts >= w AND ts < e GROUP BY ALL ORDER BY ALL)"));
}

TEST_F(TimeWindows, EachOfARowsWindowsClosesInItsTurn) {
  open(/*start=*/false);
  pipeline_over_stream(R"(
    CREATE MATERIALIZED VIEW h AS SELECT window_end, count(*) AS n FROM hop(s, INTERVAL 10 MINUTE, INTERVAL 20 MINUTE)
      GROUP BY window_end EMIT ON WINDOW CLOSE;
    CREATE MATERIALIZED VIEW c AS SELECT window_start, window_end, count(*) AS n
      FROM cumulate(s, INTERVAL 10 MINUTE, INTERVAL 30 MINUTE) GROUP BY ALL EMIT ON WINDOW CLOSE;)");
  send("s", {R"({"k":1,"ts":"2025-01-01 00:05:00"})"});
  send("s", {R"({"k":2,"ts":"2025-01-01 00:32:00"})"});  // the watermark is 00:12
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT window_end::TIME, n FROM h"), "00:10:00,1\n");
  EXPECT_EQ(sql("SELECT window_end::TIME, n FROM c"), "00:10:00,1\n");
  send("s", {R"({"k":3,"ts":"2025-01-01 00:06:00"})"});  // late for one window of hop, not for the other
  send("s", {R"({"k":4,"ts":"2025-01-01 00:42:00"})"});  // the watermark is 00:22
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT window_end::TIME, n FROM h ORDER BY 1"), "00:10:00,1\n00:20:00,2\n");
  EXPECT_EQ(sql("SELECT window_end::TIME, n FROM c ORDER BY 1"), "00:10:00,1\n00:20:00,2\n");
  EXPECT_EQ(sql("SELECT count(*) FROM h_late"), "1\n");
  EXPECT_EQ(sql("SELECT count(*) FROM c_late"), "1\n");
}

// A history that is read in many pieces: no window closes before its last piece.
TEST_F(TimeWindows, AViewMadeLaterOverALongHistoryEqualsOneThatWasThere) {
  step_bytes_max_ = 2000;
  open(/*start=*/false);
  const std::string select =
      " AS SELECT window_end, count(*) AS n, sum(k)::BIGINT AS t FROM tumble(s, "
      "INTERVAL 7 MINUTE) GROUP BY window_end EMIT ON WINDOW CLOSE";
  pipeline_over_stream(("CREATE MATERIALIZED VIEW live" + select).c_str());
  std::vector<std::string> lines;
  for (int i = 0; i < 1000; ++i) {
    const int minute = std::max(0, i / 2 - (i * 7) % 15);  // out of order by less than the watermark allows
    lines.push_back(fmt::format(R"({{"k":{},"ts":"2025-01-01 {:02}:{:02}:00"}})", i, minute / 60, minute % 60));
  }
  send("s", lines);
  ok(node_->sync());
  pipeline("CREATE MATERIALIZED VIEW later" + select);
  send("s", {R"({"k":1000,"ts":"2025-01-01 08:20:00"})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT count(*) > 60 FROM live"), "true\n");
  EXPECT_EQ(sql("SELECT * FROM later ORDER BY ALL"), sql("SELECT * FROM live ORDER BY ALL"));
  EXPECT_EQ(sql("SELECT count(*) FROM later_late"), "0\n");
}

TEST_F(TimeWindows, ATimeThatIsNullIsKept) {
  open(/*start=*/false);
  pipeline(R"(CREATE STREAM s (ts TIMESTAMP) WITH (partitions = 1);
    CREATE MATERIALIZED VIEW h AS SELECT window_start, window_end, count(*) AS n
      FROM hop(s, ts, INTERVAL 1 MINUTE, INTERVAL 2 MINUTE) GROUP BY ALL;)");
  send("s", {R"({"ts":null})", R"({"ts":null})"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT window_start, window_end, n FROM h ORDER BY ALL"), ",,2\n");
}

TEST_F(TimeWindows, SizesThatMakeNoSenseAreRefused) {
  open(/*start=*/false);
  pipeline_over_stream("");
  for (auto [call, says] :
       {std::pair("hop(s, ts, INTERVAL 0 SECOND, INTERVAL 1 MINUTE)", "the slide of hop must be"),
        std::pair("hop(s, ts, INTERVAL 1 MICROSECOND, INTERVAL 1 MINUTE)", "more than 10000 windows"),
        std::pair("cumulate(s, ts, INTERVAL 7 MINUTE, INTERVAL 1 HOUR)", "multiple of its step"),
        std::pair("tumble(s, ts, INTERVAL 1 MONTH)", "fixed length of time")}) {
    std::string answer = sql(std::string("CREATE MATERIALIZED VIEW v AS SELECT window_start, count(*) AS n FROM ") +
                             call + " GROUP BY ALL");
    EXPECT_NE(answer.find(says), std::string::npos) << answer;
  }
}

/// Its windows close on the way, with the watermark of what was read so far.
TEST_F(TimeWindows, ABackfillInPiecesGivesWhatComesLive) {
  step_bytes_max_ = 2048;
  open(/*start=*/false);
  pipeline(R"(CREATE STREAM s (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL 20 MINUTE)
      WITH (partitions = 3, key = 'k');
    CREATE STREAM r (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL 20 MINUTE);)");
  const std::pair<const char*, const char*> views[] = {
      {"tumbled", "SELECT window_end, count(*) AS n FROM tumble(s, INTERVAL 10 MINUTE) GROUP BY ALL"},
      {"closed", "SELECT window_end, k % 3 AS k, count(*) AS n FROM tumble(s, INTERVAL 10 MINUTE) GROUP BY ALL "
                 "EMIT ON WINDOW CLOSE"},
      {"visits", "SELECT k % 3 AS k, window_start, window_end, count(*) AS n "
                 "FROM session(s, INTERVAL 2 MINUTE, partition_by := [k % 3]) GROUP BY ALL"},
      {"pairs", "SELECT s.k, r.ts FROM s LEFT JOIN r ON s.k = r.k AND r.ts BETWEEN s.ts AND s.ts + INTERVAL 30 MINUTE "
                "EMIT ON WINDOW CLOSE"},
      {"versions", "SELECT s.k, r.ts FROM s LEFT JOIN r FOR SYSTEM_TIME AS OF s.ts ON s.k = r.k"}};
  std::string live, filled;
  for (const auto& [name, query] : views) live += fmt::format("CREATE MATERIALIZED VIEW {}_live AS {};", name, query);
  for (const auto& [name, query] : views) filled += fmt::format("CREATE MATERIALIZED VIEW {} AS {};", name, query);
  pipeline(live);
  std::mt19937_64 random(5);
  for (int hour = 0; hour < 12; ++hour) {
    for (const char* stream : {"s", "r"}) {
      std::vector<std::string> lines;
      for (int i = 0; i < 60; ++i) {
        const auto minute = static_cast<int>(random() % (random() % 8 == 0 ? 180 : 70)) + hour * 60;
        lines.push_back(fmt::format(R"({{"k":{},"ts":"2025-01-0{} {:02}:{:02}:{:02}"}})", random() % 20,
                                    1 + minute / 1440, minute / 60 % 24, minute % 60, random() % 60));
      }
      send(stream, lines);
    }
    ok(node_->sync());
  }
  pipeline(filled);
  for (const auto& [name, query] : views) {
    const std::string of_live = sql(fmt::format("SELECT * FROM {}_live ORDER BY ALL", name));
    EXPECT_GT(std::count(of_live.begin(), of_live.end(), '\n'), 20) << name;
    EXPECT_EQ(sql(fmt::format("SELECT * FROM {} ORDER BY ALL", name)), of_live) << name;
    const std::string late = sql(fmt::format("SELECT count(*) FROM {}_live_late", name));
    EXPECT_NE(late, "0\n") << name;
    EXPECT_EQ(sql(fmt::format("SELECT count(*) FROM {}_late", name)), late) << name;
  }
}

}  // namespace
}  // namespace millrace::engine
