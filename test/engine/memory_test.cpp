// State larger than the memory limit: the same rows as without one, through restarts, and starts that read little.
#include "node_fixture.h"

namespace millrace::engine {
namespace {

constexpr uint64_t kKeys = 60000;
constexpr uint64_t kRounds = 6;

constexpr const char* kPipeline = R"(
  CREATE STREAM events (k BIGINT, v INTEGER, t VARCHAR) WITH (partitions = 2, key = 'k');
  CREATE TABLE names (k BIGINT PRIMARY KEY, name VARCHAR);
  CREATE MATERIALIZED VIEW sums AS SELECT k, count(*) AS n, sum(v) AS s, max(t) AS last FROM events GROUP BY k;
  CREATE MATERIALIZED VIEW named AS SELECT s.k, s.s, n.name FROM sums s LEFT JOIN names n ON s.k = n.k;
  CREATE MATERIALIZED VIEW sizes AS SELECT n, count(*) AS keys, min(s) AS low, max(s) AS high FROM sums GROUP BY n;
  CREATE MATERIALIZED VIEW firsts AS SELECT DISTINCT ON (k) k, v, t FROM events ORDER BY k, v DESC, t;
  CREATE MATERIALIZED VIEW medians AS SELECT k, median(v) AS m FROM events GROUP BY k;
)";

class MemoryTest : public NodeFixture {
 protected:
  void feed(uint64_t round) {
    std::vector<std::string> lines;
    for (uint64_t i = 0; i < kKeys / 3; ++i) {
      const uint64_t key = (i * 7919 + round * 104729) % kKeys;
      lines.push_back("{\"k\":" + std::to_string(key) + ",\"v\":" + std::to_string((key * 31 + round * 17) % 1000) +
                      ",\"t\":\"text " + std::to_string((key + round) % 10) + "\"}");
      if (lines.size() < 10000) continue;
      send("events", lines);
      lines.clear();
    }
    send("events", lines);
    ASSERT_EQ(sql("INSERT INTO names VALUES (" + std::to_string(round) + ", 'name " + std::to_string(round) + "')"),
              "");
    ok(node_->sync());
  }
  /// Sums over all rows of each view, so that every row counts.
  std::string answers() {
    return sql("SELECT count(*), sum(hash(k, n, s, last)) FROM sums") +
           sql("SELECT count(*), sum(hash(k, s, name)), count(name) FROM named") +
           sql("SELECT * FROM sizes ORDER BY n") + sql("SELECT count(*), sum(hash(k, v, t)) FROM firsts") +
           sql("SELECT count(*), sum(hash(k, m)) FROM medians");
  }
  std::string run(uint64_t memory_bytes, bool restarts) {
    memory_bytes_ = memory_bytes;
    std::filesystem::remove_all(directory_ + "/data");
    open();
    pipeline(kPipeline);
    for (uint64_t round = 0; round < kRounds; ++round) {
      feed(round);
      if (!restarts) continue;
      EXPECT_LE(node_->status().state_bytes, node_->status().state_limit_bytes * 3 / 2);
      evicted_bytes_ += node_->status().state_evicted_bytes;
      if (round % 2 == 0) continue;
      if (round == 3) ok(node_->stop());
      workers_ = 1 + round % 3;
      open();
    }
    return answers();
  }

  uint64_t evicted_bytes_ = 0;  // by all nodes of the run
};

TEST_F(MemoryTest, AFewMegabytesGiveTheSameRows) {
  const std::string wanted = run(4ULL << 30, false);
  EXPECT_EQ(node_->status().state_evicted_bytes, 0U);
  const uint64_t whole = node_->status().state_bytes;
  EXPECT_EQ(run(16 << 20, true), wanted);
  EXPECT_GT(evicted_bytes_, 0U);
  EXPECT_GT(whole, 2 * node_->status().state_limit_bytes) << "the limit must bind";
}

TEST_F(MemoryTest, AQueryThatWouldCopyMoreThanItsShareIsRefused) {
  memory_bytes_ = 16 << 20;
  open();
  pipeline(R"(
    CREATE STREAM texts (k BIGINT, t VARCHAR) WITH (partitions = 1);
    CREATE MATERIALIZED VIEW last AS SELECT k, max(t) AS t FROM texts GROUP BY k;
  )");
  EXPECT_EQ(sql("SELECT count(*) FROM last"), "0\n");
  const auto fill = [&](uint64_t first, uint64_t end) {
    std::vector<std::string> lines;
    for (uint64_t k = first; k < end; ++k) {
      lines.push_back("{\"k\":" + std::to_string(k) + ",\"t\":\"" + std::string(100000, 'x') + "\"}");
    }
    send("texts", lines);
    ok(node_->sync());
  };
  fill(0, 50);
  EXPECT_EQ(sql("SELECT count(*) FROM last"), "50\n");
  EXPECT_EQ(sql("SELECT count(*) FROM last"), "50\n") << "what the one before copied is free again";
  fill(50, 100);
  EXPECT_NE(sql("SELECT count(*) FROM last").find("do not fit"), std::string::npos);
  memory_bytes_ = 1 << 30;
  open();
  EXPECT_EQ(sql("SELECT count(*) FROM last"), "100\n");
}

TEST_F(MemoryTest, AStartReadsNoState) {
  open();
  pipeline(kPipeline);
  feed(0);
  const std::string wanted = answers();
  const uint64_t rows = node_->status().views[1].rows;
  ok(node_->stop());
  open();
  EXPECT_LT(node_->status().state_bytes, 100000U);
  EXPECT_EQ(node_->status().views[1].rows, rows);
  send("events", {R"({"k":1,"v":0,"t":""})"});
  ok(node_->sync());
  EXPECT_LT(node_->status().state_blocks_read, 40U);
  EXPECT_NE(answers(), wanted) << "one key has one row more";
}

}  // namespace
}  // namespace millrace::engine
