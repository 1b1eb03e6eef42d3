// give_up_after: rows that a failing sink could not deliver for so long are lost, by the time that passed and not by
// what the wall clock says.
#include <gtest/gtest.h>

#include "base/metrics.h"
#include "base/simulated_env.h"
#include "engine/node.h"

namespace millrace::engine {
namespace {

/// A destination that is down until it is told otherwise.
class DownSink final : public connectors::Sink {
 public:
  explicit DownSink(const bool& up) : up_(up) {}
  Result<int64_t> open() override {
    MR_TRY(answer());
    return committed_;
  }
  Status write(const batch::Batch&, int64_t next_offset) override {
    written_ = next_offset;
    return answer();
  }
  Status commit() override {
    MR_TRY(answer());
    committed_ = written_;
    return {};
  }
  bool wants_commit(Timestamp) const override { return true; }
  Status replace(const connectors::SnapshotReader&, uint64_t) override { return {}; }
  Result<uint64_t> snapshot_epoch() override { return uint64_t{0}; }

 private:
  Status answer() const {
    return up_ ? Status() : Status(external_error(sqlstate::kUnavailable, "down", Retry::kBackoff));
  }

  const bool& up_;
  int64_t written_ = 0;
  int64_t committed_ = 0;
};

class GiveUp : public ::testing::Test {
 protected:
  void SetUp() override {
    NodeOptions options;
    options.data_directory = "/data";
    options.make_sink = [this](std::string_view, const auto&) -> Result<std::unique_ptr<connectors::Sink>> {
      return std::unique_ptr<connectors::Sink>(std::make_unique<DownSink>(up_));
    };
    auto opened = Node::open(env_, metrics_, options);
    ASSERT_TRUE(opened.ok()) << render(opened.error());
    node_ = std::move(opened).value();
    Status made = node_->apply_pipeline(R"(
      CREATE STREAM s (v INTEGER);
      CREATE MATERIALIZED VIEW lines AS SELECT v FROM s;
      CREATE SINK out FROM lines WITH (connector = 'blackhole', mode = 'append', give_up_after = '1 hour');)",
                                        "/", {});
    ASSERT_TRUE(made.ok()) << render(made.error());
    ASSERT_TRUE(node_->start().ok());
  }

  /// A row, and a minute in which the sink is tried: rows are noted when a delivery fails.
  void send_one() {
    ASSERT_TRUE(node_->append("s", {"{\"v\":1}"}, {}).ok());
    turn();
    pass(Duration::from_seconds(60));
  }
  /// Time passes, and the sink is tried again.
  void pass(Duration time) {
    env_.clock().advance(time);
    turn();
  }
  void turn() {
    auto turned = node_->turn();
    ASSERT_TRUE(turned.ok()) << render(turned.error());
  }
  uint64_t lost() { return node_->status().sinks.at(0).lost; }

  SimulatedEnv env_{1};
  Metrics metrics_;
  bool up_ = false;
  std::unique_ptr<Node> node_;
};

TEST_F(GiveUp, RowsAreLostWhenTheyHaveWaitedForSoLong) {
  send_one();
  pass(Duration::from_seconds(1800));
  send_one();
  pass(Duration::from_seconds(1600));
  EXPECT_EQ(lost(), 0u);
  pass(Duration::from_seconds(200));
  EXPECT_EQ(lost(), 1u) << "the second has waited half as long";
  pass(Duration::from_seconds(1900));
  EXPECT_EQ(lost(), 2u);
}

TEST_F(GiveUp, AWallClockThatJumpsLosesNothing) {
  send_one();
  env_.clock().jump_wall(Duration::from_seconds(366 * 86400));
  pass(Duration::from_seconds(60));
  send_one();
  pass(Duration::from_seconds(60));
  EXPECT_EQ(lost(), 0u);
  env_.clock().jump_wall(Duration::from_seconds(-2 * 366 * 86400));
  for (int minute = 0; minute < 62; ++minute) pass(Duration::from_seconds(60));
  EXPECT_EQ(lost(), 2u) << "and they do not wait for ever";
}

TEST_F(GiveUp, AnOutageThatIsOverIsForgotten) {
  send_one();
  pass(Duration::from_seconds(1800));
  up_ = true;
  pass(Duration::from_seconds(60));
  EXPECT_EQ(node_->status().sinks.at(0).lag, 0u);
  up_ = false;
  pass(Duration::from_seconds(7200));
  send_one();
  pass(Duration::from_seconds(60));
  EXPECT_EQ(lost(), 0u);
}

}  // namespace
}  // namespace millrace::engine
