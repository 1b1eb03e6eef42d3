// A node on a simulated machine whose power is cut at random changes of its disk, again and again: what was acked is
// there, the view equals a count over what is stored, and the books are closed. One thread, virtual time, seeded;
// MILLRACE_SEEDS=n runs n seeds (6).
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "base/metrics.h"
#include "base/simulated_env.h"
#include "engine/node.h"
#include "formats/encoder.h"

namespace millrace::engine {
namespace {

class PowerCut : public ::testing::Test {
 protected:
  Status open() {
    NodeOptions options;
    options.data_directory = "/data";
    options.workers = 2;
    options.checkpoint_dirty_bytes = 2000;  // so that checkpoints are cut too
    MR_ASSIGN(node_, Node::open(*env_, metrics_, options));
    MR_TRY(node_->apply_pipeline(R"(
        CREATE STREAM s (id BIGINT, k INTEGER) WITH (partitions = 2, key = 'k');
        CREATE TABLE names (k INTEGER PRIMARY KEY, name VARCHAR);
        CREATE MATERIALIZED VIEW counts AS SELECT k, count(*) AS n, sum(id)::BIGINT AS total FROM s GROUP BY k;
        CREATE MATERIALIZED VIEW named AS SELECT c.k, t.name, c.n FROM counts c LEFT JOIN names t USING (k);)",
                                 "/", {}));
    return node_->start();
  }

  Status work(std::mt19937_64& random) {
    for (int request = 0; request < 6; ++request) {
      std::vector<std::string> lines;
      for (int i = 0; i < 20; ++i) {
        lines.push_back("{\"id\":" + std::to_string(next_id_++) + ",\"k\":" + std::to_string(random() % 7) + "}");
      }
      std::vector<std::string_view> views(lines.begin(), lines.end());
      MR_ASSIGN(AppendReceipt receipt, node_->append("s", views, {}));
      acked_ += receipt.accepted;
      if (random() % 3 == 0) {
        MR_ASSIGN(auto done, node_->execute("INSERT INTO names VALUES (" + std::to_string(random() % 7) + ", 'n" +
                                            std::to_string(random() % 9) + "')"));
        (void)done;
      }
      if (random() % 2 == 0) MR_TRY(node_->sync());
    }
    return node_->stop();
  }

  std::string sql(std::string_view text) {
    auto result = node_->execute(text);
    if (!result.ok()) return "error: " + result.error().message;
    std::string out;
    for (const auto& batch : result->batches) formats::encode_csv(result->schema, batch, ',', out);
    return out;
  }

  void check() {
    ASSERT_TRUE(node_->sync().ok());
    uint64_t stored = std::stoull(sql("SELECT count(*) FROM s"));
    EXPECT_GE(stored, acked_) << "acked rows are gone";
    EXPECT_EQ(sql("SELECT count(DISTINCT id) FROM s"), std::to_string(stored) + "\n") << "rows are there twice";
    EXPECT_EQ(sql("SELECT k, n, total FROM counts ORDER BY k"),
              sql("SELECT k, count(*), sum(id)::BIGINT FROM s GROUP BY k ORDER BY k"));
    EXPECT_EQ(sql("SELECT k, name, n FROM named ORDER BY k"),
              sql("SELECT c.k, t.name, c.n FROM (SELECT k, count(*) AS n FROM s GROUP BY k) c LEFT JOIN names t USING "
                  "(k) ORDER BY c.k"));
    ledger::Report report = node_->ledger_report();
    EXPECT_TRUE(report.closed);
    for (const auto& verdict : report.open)
      ADD_FAILURE() << verdict.from << " -> " << verdict.to << " lost " << verdict.lost << " repeated "
                    << verdict.repeated;
  }

  std::unique_ptr<SimulatedEnv> env_;
  Metrics metrics_;
  std::unique_ptr<Node> node_;
  uint64_t acked_ = 0;
  int64_t next_id_ = 0;
};

TEST_F(PowerCut, NothingAckedIsLost) {
  int cuts = 0;
  const char* seeds = std::getenv("MILLRACE_SEEDS");
  const uint64_t last = seeds ? std::strtoull(seeds, nullptr, 10) : 6;
  for (uint64_t seed = 1; seed <= last && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    env_ = std::make_unique<SimulatedEnv>(seed);
    acked_ = 0;
    next_id_ = 0;
    for (int life = 0; life < 8 && !HasFailure(); ++life) {
      env_->files().power_cut_after(10 + random() % 150);
      Status status = open();
      if (status.ok()) status = work(random);
      cuts += !status.ok();
      node_.reset();
      env_->power_cut();
      env_->restart();
      Status again = open();
      ASSERT_TRUE(again.ok()) << "life " << life << ": " << render(again.error());
      check();
      node_.reset();
    }
    node_.reset();
  }
  EXPECT_GT(cuts, 10);
}

}  // namespace
}  // namespace millrace::engine
