// Starts that fail again and again end in safe mode: reads, the reason, and a way back; never a loop, never a loss.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/failpoints.h"
#include "base/hash.h"
#include "engine/start_record.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

class SafeModeTest : public NodeFixture {
 protected:
  void fill() {
    open();
    pipeline(
        "CREATE STREAM s (k VARCHAR, v BIGINT);"
        "CREATE MATERIALIZED VIEW sums AS SELECT k, sum(v) AS v FROM s GROUP BY k;");
    send("s", {"{\"k\":\"a\",\"v\":1}", "{\"k\":\"b\",\"v\":2}", "{\"k\":\"a\",\"v\":3}"});
    ok(node_->sync());
    node_.reset();
  }
  std::string open_failing() {
    node_.reset();
    ok(env_->failpoints().configure("engine.start=error(EIO)"));
    metrics_ = std::make_unique<Metrics>();
    auto opened = Node::open(*env_, *metrics_, options());
    ok(env_->failpoints().configure("engine.start=off"));
    return opened.ok() ? "" : opened.error().message;
  }
  /// State that is more than RocksDB keeps in memory, so that files hold it.
  void fill_files() {
    memory_bytes_ = 192ULL << 20;
    fill();
    open();
    constexpr uint64_t kKeys = 60000;
    std::vector<std::string> lines;
    for (uint64_t i = 0; i < kKeys; ++i) {
      const std::string key = std::to_string(mix64(i)) + std::to_string(mix64(i + kKeys));
      lines.push_back("{\"k\":\"" + key + "\",\"v\":1}");
    }
    send("s", lines);
    ok(node_->sync());
    node_.reset();
    lines_ = std::move(lines);
  }
  /// Harms the blocks of stored state, and not what a start reads of it, which is at the end of each file.
  void harm_state() {
    int harmed = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory_ + "/data/state")) {
      if (file.path().extension() != ".sst" || file.file_size() < 1000000) continue;
      std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
      for (std::streamoff at = 100; at < static_cast<std::streamoff>(file.file_size() / 2); at += 500) {
        bytes.seekg(at);
        const char harm = static_cast<char>(bytes.get() ^ 1);
        bytes.seekp(at);
        bytes.put(harm);
      }
      ++harmed;
    }
    ASSERT_GT(harmed, 0);
  }
  std::vector<std::string> lines_;
  std::string record() { return directory_ + "/data/STARTS"; }
  std::string safe_mode() { return node_->status().safe_mode; }
};

TEST_F(SafeModeTest, AfterThreeFailedStartsOnlyReadsAndTheReason) {
  fill();
  for (int i = 0; i < 3; ++i) ASSERT_NE(open_failing(), "");
  open();
  EXPECT_NE(safe_mode().find("the last 3 starts failed"), std::string::npos) << safe_mode();
  EXPECT_NE(safe_mode().find("Input/output error"), std::string::npos) << safe_mode();
  EXPECT_NE(safe_mode().find(record()), std::string::npos) << "the way out";
  EXPECT_FALSE(node_->status().ready);

  EXPECT_EQ(sql("SELECT count(*), sum(v) FROM s"), "3,6\n");
  for (const char* text : {"SELECT * FROM sums", "SELECT * FROM _ledger", "SELECT * FROM s_dead",
                           "CREATE STREAM t (v BIGINT)", "INSERT INTO s VALUES ('c', 1)", "SYNC"}) {
    EXPECT_NE(sql(text).find("safe mode"), std::string::npos) << text << ": " << sql(text);
  }
  auto refused = node_->append("s", {"{}"}, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, sqlstate::kUnavailable);

  open();
  EXPECT_NE(safe_mode(), "") << "it stays until somebody has looked";
  node_.reset();
  std::filesystem::remove(record());
  open();
  EXPECT_EQ(safe_mode(), "");
  EXPECT_EQ(sql("SELECT * FROM sums ORDER BY k"), "a,4\nb,2\n");
  send("s", {"{\"k\":\"b\",\"v\":5}"});
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT * FROM sums ORDER BY k"), "a,4\nb,7\n");
}

TEST_F(SafeModeTest, AGoodStartBetweenClearsTheRecord) {
  fill();
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 2; ++i) ASSERT_NE(open_failing(), "");
    open();
    EXPECT_EQ(safe_mode(), "");
    send("s", {"{\"k\":\"a\",\"v\":1}"});
    ok(node_->sync());
    while (std::filesystem::exists(record())) std::this_thread::yield();  // the step thread removes it after the commit
  }
}

TEST_F(SafeModeTest, ANodeThatStopsBeforeItStartsDidNotFail) {
  fill();
  for (int i = 0; i < 5; ++i) open(false);
  open();
  EXPECT_EQ(safe_mode(), "");
}

TEST_F(SafeModeTest, StartsWhoseFirstStepMeetsDamageCount) {
  fill_files();
  harm_state();
  for (int i = 0; i < 3; ++i) {
    open(false);
    EXPECT_EQ(safe_mode(), "");
    send("s", lines_);
    ok(node_->start());
    Status synced = node_->sync();
    ASSERT_FALSE(synced.ok());
    EXPECT_NE(synced.error().message.find("Corruption"), std::string::npos) << render(synced.error());
  }
  open();
  EXPECT_NE(safe_mode().find("the last 3 starts failed"), std::string::npos) << safe_mode();
  EXPECT_NE(safe_mode().find("Corruption"), std::string::npos) << safe_mode();
  EXPECT_EQ(sql("SELECT count(*) FROM s"), "240003\n") << "what was acked is there to read";
}

/// Turns are taken by the test.
class SafeModeByTurns : public SafeModeTest {
 protected:
  struct InlineEnv final : RealEnv {
    bool single_threaded() const override { return true; }
  };
  void SetUp() override {
    SafeModeTest::SetUp();
    env_ = std::make_unique<InlineEnv>();
  }
};

TEST_F(SafeModeByTurns, DamageThatIsMetAfterAQuietTurnCounts) {
  fill_files();
  harm_state();
  for (int i = 0; i < 3; ++i) {
    open();
    EXPECT_EQ(safe_mode(), "");
    if (i == 0) {
      auto quiet = node_->turn();
      ASSERT_TRUE(quiet.ok());
      EXPECT_FALSE(*quiet);
      send("s", lines_);
    }
    auto turned = node_->turn();
    ASSERT_FALSE(turned.ok());
    EXPECT_NE(turned.error().message.find("Corruption"), std::string::npos) << render(turned.error());
  }
  open();
  EXPECT_NE(safe_mode().find("the last 3 starts failed"), std::string::npos) << safe_mode();
}

TEST_F(SafeModeTest, AFailureThatIsOverIsNone) {
  fill();
  for (int i = 0; i < 4; ++i) {
    open(false);
    send("s", {"{\"k\":\"a\",\"v\":1}"});
    ok(env_->failpoints().configure("engine.step.after=error(EIO),times=1"));
    ok(node_->start());
    while (node_->status().commits == 0) std::this_thread::yield();
    ok(env_->failpoints().configure("engine.step.after=off"));
    ok(node_->sync());
  }
  open();
  EXPECT_EQ(safe_mode(), "");
}

TEST_F(SafeModeTest, StartsThatWereCutOffAreBorneLonger) {
  fill();
  for (uint64_t i = 0; i < kBrokenStartsMax; ++i) {
    auto starts = StartRecord::read(*env_, directory_ + "/data");
    ASSERT_TRUE(starts.ok());
    EXPECT_EQ(starts->safe_mode_reason(), "");
    ok(starts->begin());  // and never heard of again
  }
  open();
  EXPECT_NE(safe_mode().find("without a word"), std::string::npos) << safe_mode();
}

TEST_F(SafeModeTest, WhatDoesNotOpenIsTold) {
  fill();
  for (int i = 0; i < 3; ++i) ASSERT_NE(open_failing(), "");
  std::ofstream(directory_ + "/data/catalog") << "nonsense";
  open();
  EXPECT_NE(safe_mode().find("nor can the streams be read"), std::string::npos) << safe_mode();
  EXPECT_NE(sql("SELECT * FROM s").find("safe mode"), std::string::npos);
}

}  // namespace
}  // namespace millrace::engine
