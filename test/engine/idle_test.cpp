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

/// Its wall clock can be set.
class JumpingEnv : public RealEnv {
 public:
  Clock& clock() override { return clock_; }
  void jump(Duration by) { clock_.shift.micros += by.micros; }

 private:
  struct JumpingClock : Clock {
    explicit JumpingClock(Clock& clock) : real(clock) {}
    Timestamp now() override { return real.now() + shift; }
    Duration monotonic() override { return real.monotonic(); }
    void sleep_for(Duration duration) override { real.sleep_for(duration); }
    Clock& real;
    Duration shift{0};
  };
  JumpingClock clock_{RealEnv::clock()};
};

TEST_F(IdleTest, AClockThatJumpsIsNoSilence) {
  auto jumping = std::make_unique<JumpingEnv>();
  JumpingEnv& env = *jumping;
  env_ = std::move(jumping);
  open(/*start=*/false);
  pipeline(R"(CREATE STREAM s (ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (idle_timeout = '1 hour');
    CREATE STREAM other (k INTEGER);
    CREATE MATERIALIZED VIEW w AS SELECT window_start, count(*) AS n FROM tumble(s, ts, INTERVAL 1 MINUTE) GROUP BY ALL;
    CREATE MATERIALIZED VIEW o AS SELECT k FROM other;)");
  send("s", {R"({"ts":"2025-01-01T00:00:00"})"});
  ok(node_->sync());
  for (int64_t hours : {2, -5, 9000}) {
    env.jump(Duration::from_seconds(hours * 3600));
    send("other", {R"({"k":1})"});
    ok(node_->sync());  // a step that finds nothing in s
    send("s", {R"({"ts":"2025-01-01T00:00:30"})"});
    ok(node_->sync());
  }
  EXPECT_EQ(sql("SELECT n FROM w"), "4\n");
  EXPECT_EQ(sql("SELECT count(*) FROM w_late"), "0\n");
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
