// A node whose disk fails for a while goes on by itself, with nothing lost and nothing twice.
#include <thread>

#include "base/failpoints.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

/// A point of the commit or of the files that fails, and how often in a row.
struct Trouble {
  const char* name;
  const char* rules;
};

class RestartInPlace : public NodeFixture, public ::testing::WithParamInterface<Trouble> {
 protected:
  /// SYNC, again while the node recovers. Bounded by attempts, each of which waits for the node.
  Status sync_in_the_end() {
    Status status;
    for (int i = 0; i < 2000; ++i) {
      status = node_->sync();
      if (status.ok()) return status;
      expect_committed_rows();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return status;
  }

  /// A query meanwhile is refused or right: the key 2 comes with the first commit and does not change.
  void expect_committed_rows() {
    std::string rows = sql("SELECT n, total FROM totals WHERE k = 2");
    if (!first_commit_) return;
    EXPECT_TRUE(rows == "1,2\n" || rows.find("recovers") != std::string::npos) << rows;
    // Nor may the catalog change then: it would keep what is in no commit.
    if (rows != "1,2\n") (void)node_->execute("CREATE STREAM IF NOT EXISTS other (a INTEGER)");
  }

  bool first_commit_ = false;
};

TEST_P(RestartInPlace, GoesOnFromTheLastCommit) {
  open();
  pipeline(
      "CREATE STREAM s (k INTEGER, v INTEGER) WITH (partitions = 2, key = 'k');"
      "CREATE MATERIALIZED VIEW totals AS SELECT k, count(*) AS n, sum(v) AS total FROM s GROUP BY k;"
      "CREATE SINK changes FROM totals WITH (connector = 'file', path = '" +
      directory_ + "/out', format = 'ndjson', mode = 'changes');");
  send("s", {R"({"k":1,"v":1})", R"({"k":2,"v":2})", "no json"});
  ok(sync_in_the_end());

  first_commit_ = true;
  ok(env_->failpoints().configure(GetParam().rules));
  int sent = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string_view> records{R"({"k":1,"v":10})", R"({"k":3,"v":1})", "bad"};
    AppendRequest request;
    request.idempotency_key = "round " + std::to_string(round);
    // A producer sends again until it has its ack.
    for (int attempt = 0; attempt < 2000; ++attempt) {
      if (node_->append("s", records, request).ok()) {
        ++sent;
        break;
      }
      expect_committed_rows();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  ASSERT_EQ(sent, 20);
  ok(sync_in_the_end());
  bool harmed = false;
  for (const FailPoint* point : env_->failpoints().points()) harmed |= point->fired() > 0;
  EXPECT_TRUE(harmed) << "the point was not passed";
  env_->failpoints().clear();

  const std::string wanted = "1,21,201\n2,1,2\n3,20,20\n";
  EXPECT_EQ(sql("SELECT * FROM totals ORDER BY k"), wanted);
  EXPECT_EQ(sql("SELECT count(*) FROM s_dead"), "21\n");
  EXPECT_EQ(node_->status().failure, "");
  EXPECT_TRUE(node_->ledger_report().closed);
  ok(node_->stop());
  open();
  ok(sync_in_the_end());
  EXPECT_EQ(sql("SELECT * FROM totals ORDER BY k"), wanted);
  EXPECT_EQ(sql("SELECT count(*) FROM s_dead"), "21\n");
  EXPECT_TRUE(node_->ledger_report().closed);
}

INSTANTIATE_TEST_SUITE_P(
    Points, RestartInPlace,
    ::testing::Values(Trouble{"BeforeTheCommit", "engine.commit.before=error(ENOSPC),after=1,times=2"},
                      Trouble{"BetweenChangesAndRecord", "engine.commit.written=error(EIO),after=1,times=2"},
                      Trouble{"AfterTheRecord", "engine.commit.durable=error(EIO),after=1,times=1"},
                      Trouble{"TheRecoveryToo",
                              "engine.commit.before=error(ENOSPC),after=1,times=1;"
                              "engine.recover.before=error(EIO),times=2;engine.recover.restored=error(EIO),times=1"},
                      Trouble{"TheCheckpoint",
                              "engine.checkpoint=error(ENOSPC),times=1;engine.commit.before=error(EIO),times=1"}),
    [](const auto& trouble) { return trouble.param.name; });

}  // namespace
}  // namespace millrace::engine
