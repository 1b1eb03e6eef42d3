// What a node does while nothing comes in: windows close, and then it rests.
#include <thread>

#include "node_fixture.h"

namespace millrace::engine {
namespace {

class IdleTest : public NodeFixture {};

TEST_F(IdleTest, ClosesTheLastWindowAndThenCommitsNothing) {
  open();
  pipeline(R"(CREATE STREAM s (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts)
      WITH (partitions = 2, idle_timeout = '20 milliseconds');
    CREATE STREAM silent (k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (idle_timeout = '20 milliseconds');
    CREATE MATERIALIZED VIEW w AS SELECT window_start, count(*) AS n FROM tumble(s, ts, INTERVAL 10 MILLISECOND)
      GROUP BY ALL EMIT ON WINDOW CLOSE;
    CREATE MATERIALIZED VIEW v AS SELECT window_start, count(*) AS n FROM tumble(silent, ts, INTERVAL 1 MINUTE)
      GROUP BY ALL;)");
  send("s", {R"({"k":1,"ts":"2025-01-01T00:00:00"})", R"({"k":2,"ts":"2025-01-01T00:00:00.001"})"});
  for (int i = 0; i < 100000 && sql("SELECT n FROM w").empty(); ++i) std::this_thread::yield();
  EXPECT_EQ(sql("SELECT n FROM w"), "2\n") << "nothing but silence closes it";

  uint64_t commits = node_->status().commits;
  for (int i = 0; i < 300; ++i) (void)sql("SELECT n FROM w");
  EXPECT_EQ(node_->status().commits, commits) << "time passes, and nothing is due";

  send("s", {R"({"k":3,"ts":"2025-01-01T01:00:00"})"});
  for (int i = 0; i < 100000 && sql("SELECT n FROM w") == "2\n"; ++i) std::this_thread::yield();
  EXPECT_EQ(sql("SELECT sum(n)::INTEGER FROM w"), "3\n");
}

TEST_F(IdleTest, APipelineWithoutStateIsCheckpointedToo) {
  auto without_debt = options();
  without_debt.replay_debt_max = Duration{0};
  metrics_ = std::make_unique<Metrics>();
  node_ = Node::open(*env_, *metrics_, without_debt).value();
  pipeline(R"(CREATE STREAM s (k INTEGER); CREATE MATERIALIZED VIEW f AS SELECT k FROM s WHERE k > 0;)");
  uint64_t checkpoints = node_->status().checkpoints;
  for (int i = 0; i < 3; ++i) {
    send("s", {R"({"k":1})"});
    ok(node_->sync());
  }
  EXPECT_EQ(node_->status().checkpoints, checkpoints + 3) << "a start reads only what came after the last one";
}

}  // namespace
}  // namespace millrace::engine
