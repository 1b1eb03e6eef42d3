// Ingest stops before the disk is full, and goes on by itself.
#include "engine/space_guard.h"

#include <gtest/gtest.h>

#include "base/simulated_env.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

TEST(SpaceGuard, StopsBelowTheMarkAndResumes) {
  SimulatedEnv env(1);
  SimulatedFiles& files = env.files();
  files.set_capacity(1000);
  ASSERT_TRUE(files.create_directories("/d").ok());
  SpaceGuard guard(env, "/d", 400);
  EXPECT_TRUE(guard.check().ok());
  auto file = std::move(files.create("/d/big")).value();
  ASSERT_TRUE(file->append(std::string(601, 'x')).ok());
  EXPECT_TRUE(guard.check().ok()) << "it asks only so often";
  env.clock().sleep_for(Duration::from_millis(100));
  Status full = guard.check();
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, sqlstate::kDiskFull);
  EXPECT_EQ(full.error().retry, Retry::kBackoff);
  ASSERT_TRUE(file->truncate(600).ok());
  EXPECT_FALSE(guard.check().ok());
  env.clock().sleep_for(Duration::from_millis(100));
  EXPECT_TRUE(guard.check().ok());
}

TEST(SpaceGuard, NoMarkNeverAsks) {
  SimulatedEnv env(1);
  SpaceGuard guard(env, "/nowhere", 0);
  EXPECT_TRUE(guard.check().ok());
}

class LowSpaceTest : public NodeFixture {};

TEST_F(LowSpaceTest, ANodeRefusesIngestAndServesTheRest) {
  NodeOptions options = this->options();
  options.low_space_bytes = UINT64_MAX;
  metrics_ = std::make_unique<Metrics>();
  node_ = std::move(Node::open(*env_, *metrics_, options)).value();
  ok(node_->start());
  pipeline("CREATE STREAM s (v BIGINT); CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s;");
  auto refused = node_->append("s", {"{\"v\":1}"}, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, sqlstate::kDiskFull);
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT count(*) FROM s"), "0\n");
  open();
  send("s", {"{\"v\":1}"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM n"), "1\n");
}

}  // namespace
}  // namespace millrace::engine
