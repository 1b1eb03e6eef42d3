// Tables whose logs are compacted: the table, views over it and the books are what they are without compaction, over
// power cuts, restarts, savepoints and views that are made later.
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "base/simulated_env.h"
#include "engine/table_keys.h"
#include "engine/verify.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

constexpr const char* kTable = R"(
    CREATE TABLE titles (id INTEGER PRIMARY KEY, minutes INTEGER, note VARCHAR)
      WITH (cleanup_policy = 'compact', segment_size = '64 KiB', partitions = 2);
    CREATE MATERIALIZED VIEW lengths AS SELECT minutes % 5 AS m, count(*) AS n, sum(id)::BIGINT AS ids FROM titles GROUP BY m;
    CREATE MATERIALIZED VIEW again AS SELECT m, n FROM lengths WHERE n > 1;)";

std::string title(int id, uint64_t minutes) {
  return "{\"id\":" + std::to_string(id) + ",\"minutes\":" + std::to_string(minutes) + ",\"note\":\"" +
         std::string(1500, 'x') + "\"}";
}

void expect_sound(Env& env, const std::string& directory) {
  auto report = verify_directory(env, directory, false);
  ASSERT_TRUE(report.ok()) << render(report.error());
  for (const Damage& damage : report->damages) {
    // A power cut may tear what was not synced: an index, and a tail that was not acked.
    if (damage.path.ends_with(".idx") || damage.repair == Repair::kCutTail) continue;
    ADD_FAILURE() << damage.path << ": " << damage.what;
  }
}

void expect_closed(const ledger::Report& report) {
  EXPECT_TRUE(report.closed);
  for (const auto& verdict : report.open)
    ADD_FAILURE() << verdict.from << " -> " << verdict.to << " lost " << verdict.lost << " repeated "
                  << verdict.repeated;
}

/// A node on a simulated machine: it compacts after each checkpoint, on the one thread.
class CompactedTable : public ::testing::Test {
 protected:
  Status open() {
    NodeOptions options;
    options.data_directory = "/data";
    options.workers = 2;
    options.checkpoint_dirty_bytes = 20000;
    MR_ASSIGN(node_, Node::open(*env_, metrics_, options));
    MR_TRY(node_->apply_pipeline(kTable, "/", {}));
    return node_->start();
  }

  /// Sends rows; those of a request that fails may be there or not.
  Status work(std::mt19937_64& random) {
    for (int request = 0; request < 25; ++request) {
      std::vector<std::string> lines;
      std::map<int, uint64_t> sent;
      for (uint64_t i = 0; i < 1 + random() % 12; ++i) {
        int id = static_cast<int>(random() % 30);
        uint64_t minutes = random() % 200;
        lines.push_back(random() % 20 == 0 ? "{\"id\":" + std::to_string(id) + ",\"minutes\":\"unknown\"}"
                                           : title(id, minutes));
        if (lines.back().find("unknown") == std::string::npos) sent[id] = minutes;
      }
      for (const auto& [id, minutes] : sent) possible_[id].insert(minutes);
      std::vector<std::string_view> views(lines.begin(), lines.end());
      MR_ASSIGN(AppendReceipt receipt, node_->append("titles", views, {}));
      EXPECT_EQ(receipt.accepted, lines.size());
      for (const auto& [id, minutes] : sent) possible_[id] = {minutes};
      if (random() % 4 == 0) MR_TRY(remove(static_cast<int>(random() % 30)));
      if (random() % 2 == 0) MR_TRY(node_->sync());
    }
    MR_TRY(node_->sync());
    removed_ += node_->status().compaction.records_removed;
    return node_->stop();
  }

  Status remove(int id) {
    possible_[id].insert(kGone);
    MR_ASSIGN(StatementResult done, node_->execute("DELETE FROM titles WHERE id = " + std::to_string(id)));
    (void)done;
    possible_[id] = {kGone};
    return {};
  }

  std::string sql(std::string_view text) {
    auto result = node_->execute(text);
    if (!result.ok()) return "error: " + result.error().message;
    std::string out;
    for (const auto& batch : result->batches) formats::encode_csv(result->schema, batch, ',', out);
    return out;
  }

  void check(const std::string& new_view) {
    ASSERT_TRUE(node_->sync().ok());
    std::map<int, uint64_t> found;
    const std::string rows = sql("SELECT id, minutes FROM titles");
    ASSERT_FALSE(rows.starts_with("error")) << rows;
    for (std::string_view line : split_view(rows, '\n')) {
      if (line.empty()) continue;
      int id = std::stoi(std::string(line));
      found[id] = std::stoull(std::string(line.substr(line.find(',') + 1)));
    }
    for (auto& [id, values] : possible_) {
      if (!found.contains(id)) found[id] = kGone;
      EXPECT_TRUE(values.empty() || values.contains(found[id])) << "row " << id << " is " << found[id];
      values = {found[id]};
    }
    EXPECT_EQ(sql("SELECT m, n, ids FROM lengths ORDER BY m"),
              sql("SELECT minutes % 5 AS m, count(*), sum(id)::BIGINT FROM titles GROUP BY m ORDER BY m"));
    EXPECT_EQ(sql("SELECT m, n FROM again ORDER BY m"), sql("SELECT m, n FROM lengths WHERE n > 1 ORDER BY m"));
    sql("CREATE MATERIALIZED VIEW " + new_view + " AS SELECT minutes, count(*) AS n FROM titles GROUP BY minutes");
    EXPECT_EQ(sql("SELECT minutes, n FROM " + new_view + " ORDER BY minutes"),
              sql("SELECT minutes, count(*) FROM titles GROUP BY minutes ORDER BY minutes"));
    expect_closed(node_->ledger_report());
  }

  static constexpr uint64_t kGone = 999;  // in possible_: there is no row
  std::unique_ptr<SimulatedEnv> env_;
  Metrics metrics_;
  std::unique_ptr<Node> node_;
  std::map<int, std::set<uint64_t>> possible_;  // by id: the last acked one, and those of requests that failed since
  uint64_t removed_ = 0;
};

TEST_F(CompactedTable, IsTheSameOverPowerCuts) {
  int cuts = 0;
  for (uint64_t seed = 1; seed <= 3 && !HasFailure(); ++seed) {
    std::mt19937_64 random(seed);
    env_ = std::make_unique<SimulatedEnv>(seed);
    possible_.clear();
    for (int life = 0; life < 6 && !HasFailure(); ++life) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " life " + std::to_string(life));
      if (life % 3 != 0) env_->files().power_cut_after(50 + random() % 400);
      Status status = open();
      if (status.ok()) status = work(random);
      cuts += !status.ok();
      node_.reset();
      env_->power_cut();
      env_->restart();
      expect_sound(*env_, "/data");
      Status again = open();
      ASSERT_TRUE(again.ok()) << render(again.error());
      check("later" + std::to_string(life));
      node_.reset();
    }
    node_.reset();
  }
  EXPECT_GT(cuts, 3);
  EXPECT_GT(removed_, 200U);
}

TEST_F(CompactedTable, LostStateIsNotRebuilt) {
  env_ = std::make_unique<SimulatedEnv>(1);
  std::mt19937_64 random(1);
  ASSERT_TRUE(open().ok());
  ASSERT_TRUE(work(random).ok());
  ASSERT_GT(removed_, 0U);
  node_.reset();
  ASSERT_TRUE(env_->files().remove_recursively("/data/state").ok());
  auto report = verify_directory(*env_, "/data", true);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->repaired.empty()) << "windows that closed meanwhile would be others";
  EXPECT_FALSE(open().ok());
}

TEST_F(CompactedTable, AStateFromBeforeACompactionIsNotBelieved) {
  env_ = std::make_unique<SimulatedEnv>(1);
  std::mt19937_64 random(1);
  ASSERT_TRUE(open().ok());
  ASSERT_TRUE(work(random).ok());
  node_.reset();
  std::map<std::string, std::string> state;
  auto listed = env_->files().list("/data/state");
  ASSERT_TRUE(listed.ok());
  for (const FileInfo& file : *listed) state[file.name] = *env_->files().read_all("/data/state/" + file.name);
  ASSERT_TRUE(open().ok());
  const uint64_t removed = removed_;
  ASSERT_TRUE(work(random).ok());
  ASSERT_GT(removed_, removed);
  node_.reset();
  ASSERT_TRUE(env_->files().remove_recursively("/data/state").ok());
  ASSERT_TRUE(env_->files().create_directories("/data/state").ok());
  for (const auto& [name, bytes] : state)
    ASSERT_TRUE(env_->files().write_atomically("/data/state/" + name, bytes).ok());
  for (const bool has_mark : {true, false}) {
    SCOPED_TRACE(has_mark);
    if (!has_mark) {
      ASSERT_TRUE(env_->files().remove("/data/CHECKPOINT").ok());
    }
    auto report = verify_directory(*env_, "/data", true);
    ASSERT_TRUE(report.ok()) << render(report.error());
    EXPECT_FALSE(report->damages.empty());
    EXPECT_TRUE(report->repaired.empty()) << "the commits would be run over other rows";
    EXPECT_FALSE(open().ok());
    node_.reset();
  }
}

/// The thread, on a real disk.
class CompactedTableLive : public NodeFixture {
 protected:
  void compact() {
    const uint64_t before = node_->status().compaction.passes;
    auto made = node_->create_savepoint("s" + std::to_string(++savepoints_));  // makes a checkpoint
    ASSERT_TRUE(made.ok()) << render(made.error());
    for (int i = 0; i < 30000 && node_->status().compaction.passes == before; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_GT(node_->status().compaction.passes, before);
    EXPECT_EQ(node_->status().compaction.failure, "");
  }
  void send_titles(int rows, uint64_t minutes) {
    std::vector<std::string> lines;
    for (int i = 0; i < rows; ++i) {
      lines.push_back(title(i % 20, minutes + static_cast<uint64_t>(i)));
      if (lines.size() == 10 || i + 1 == rows) {  // a batch goes into one segment
        send("titles", lines);
        lines.clear();
      }
    }
    ok(node_->sync());
  }
  int savepoints_ = 0;
};

TEST_F(CompactedTableLive, RestartsSavepointsAndDropsWhileItRuns) {
  open();
  pipeline(kTable);
  send_titles(400, 1);
  compact();
  EXPECT_GT(node_->status().compaction.records_removed, 100U);
  EXPECT_GT(node_->status().compaction.bytes_freed, 100000U);
  const std::string rows = sql("SELECT id, minutes FROM titles ORDER BY id");
  open();
  EXPECT_EQ(sql("SELECT id, minutes FROM titles ORDER BY id"), rows);
  send_titles(600, 1000);
  compact();
  const std::string newer = sql("SELECT id, minutes FROM titles ORDER BY id");
  const std::string views = sql("SELECT * FROM again ORDER BY m");
  expect_closed(node_->ledger_report());
  auto made = node_->create_savepoint("last");
  ASSERT_TRUE(made.ok());
  node_.reset();
  expect_sound(*env_, directory_ + "/data");
  ok(restore_savepoint(*env_, made->path, directory_ + "/restored"));
  std::filesystem::remove_all(directory_ + "/data");
  std::filesystem::rename(directory_ + "/restored", directory_ + "/data");
  workers_ = 3;
  open();
  EXPECT_EQ(sql("SELECT id, minutes FROM titles ORDER BY id"), newer);
  EXPECT_EQ(sql("SELECT * FROM again ORDER BY m"), views);
  send_titles(400, 5000);
  auto checkpoint = node_->create_savepoint("busy");
  ASSERT_TRUE(checkpoint.ok());
  for (const char* view : {"again", "lengths"}) {
    EXPECT_FALSE(sql("DROP MATERIALIZED VIEW " + std::string(view)).starts_with("error"));
  }
  EXPECT_FALSE(sql("DROP TABLE titles").starts_with("error"));
}

TEST_F(CompactedTableLive, WhatCannotBeExactIsRefused) {
  open();
  const std::pair<const char*, const char*> refused[] = {
      {"CREATE STREAM s (id INTEGER) WITH (key = 'id', cleanup_policy = 'compact')", "PRIMARY KEY"},
      {"CREATE TABLE t (id INTEGER) WITH (cleanup_policy = 'compact')", "PRIMARY KEY"},
      {"CREATE TABLE t (id INTEGER PRIMARY KEY) WITH (cleanup_policy = 'compact', retention = '1 day')", "retention"},
      {"CREATE TABLE t (id INTEGER PRIMARY KEY) WITH (min_compaction_lag = '1 day')", "cleanup_policy"},
      {"CREATE TABLE t (id INTEGER PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts) WITH (cleanup_policy = 'compact')",
       "WATERMARK"},
      {"CREATE TABLE t (id INTEGER PRIMARY KEY) WITH (cleanup_policy = 'compress')", "delete"}};
  for (const auto& [statement, why] : refused) {
    const std::string answer = sql(statement);
    EXPECT_TRUE(answer.starts_with("error")) << statement;
    EXPECT_NE(answer.find(why), std::string::npos) << answer;
  }
}

TEST(TableKeys, AreThoseOfTheTable) {
  StreamSource source;
  source.name = "t$raw";
  source.format = "json";
  source.schema.fields = {{"id", batch::Type(batch::TypeId::kDouble)},
                          {"name", batch::Type(batch::TypeId::kVarchar)},
                          {"n", batch::Type(batch::TypeId::kInteger)}};
  auto keys = TableKeys::make(source, {"id", "name"});
  ASSERT_TRUE(keys.ok());
  const std::vector<std::string> values = {R"({"id":1,"name":"a","n":1})",
                                           R"({"name":"a","id":1.0,"n":2})",
                                           R"({"id":1,"name":"a","n":"bad"})",
                                           R"({"id":-0.0,"name":null})",
                                           R"({"id":0})",
                                           R"({"id":1,"name":"b"})",
                                           R"({"id":"1","name":"a","n":1})",
                                           "",
                                           R"({"ID":1e0,"NAME":"a"})"};
  std::vector<log::RecordView> records(values.size());
  for (size_t i = 0; i < values.size(); ++i) records[i].value = values[i];
  records[7].value.reset();
  std::vector<log::RecordKey> read;
  for (int turn = 0; turn < 2; ++turn) {
    ASSERT_TRUE((*keys)->read(records, read).ok());
    ASSERT_EQ(read.size(), values.size());
    using enum log::RecordRole;
    const std::vector<log::RecordRole> roles = {kValue, kValue, kOther, kValue, kValue, kValue, kOther, kOther, kValue};
    for (size_t i = 0; i < roles.size(); ++i) EXPECT_EQ(read[i].role, roles[i]) << values[i];
    EXPECT_EQ(read[0].key, read[1].key);
    EXPECT_EQ(read[0].key, read[8].key);
    EXPECT_EQ(read[3].key, read[4].key);
    EXPECT_NE(read[0].key, read[5].key);
    EXPECT_NE(read[0].key, read[3].key);
  }
}

}  // namespace
}  // namespace millrace::engine
