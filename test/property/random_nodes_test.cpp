// P1 on a whole node: from the moment it is made on, a view equals what DuckDB returns for the same SELECT over the
// committed rows. Random chains of views, made before and after rows came; rows that replace others, UPDATE and DELETE;
// restarts with another number of workers. The oracle is the node's own SELECT, which DuckDB runs over the tables
// alone.
//
// MILLRACE_NODE_SEEDS=n runs n seeds (12), MILLRACE_NODE_SEED=s starts at s (1).
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/metrics.h"
#include "base/real_env.h"
#include "engine/node.h"
#include "query_generator.h"

namespace millrace::test {
namespace {

struct View {
  std::string name;
  std::string sql;
};

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class RandomNodes : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "millrace_random_node_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    node_.reset();
    std::filesystem::remove_all(directory_);
  }

  size_t pick(size_t count) { return random_() % count; }

  void open(bool start) {
    node_.reset();
    metrics_ = std::make_unique<Metrics>();
    engine::NodeOptions options;
    options.data_directory = directory_ + "/" + std::to_string(seed_);
    options.workers = static_cast<uint32_t>(1 + pick(2));
    auto opened = engine::Node::open(env_, *metrics_, options);
    ASSERT_TRUE(opened.ok()) << render(opened.error());
    node_ = std::move(opened).value();
    if (start) ok(node_->start());
  }
  void ok(const Status& status) { ASSERT_TRUE(status.ok()) << render(status.error()); }

  std::map<std::string, int64_t> rows_of(const std::string& sql) {
    std::map<std::string, int64_t> bag;
    auto result = node_->execute(sql);
    EXPECT_TRUE(result.ok()) << render(result.error(), sql);
    if (!result.ok()) return bag;
    for (const batch::Batch& batch : result->batches) {
      for (size_t row = 0; row < batch.rows(); ++row) {
        std::string text;
        for (size_t column = 0; column < batch.columns(); ++column) text += batch.value_text(column, row) + " | ";
        ++bag[text];
      }
    }
    return bag;
  }

  /// The view's SELECT, with the views that it may read written out.
  std::string oracle_of(size_t view) const {
    std::string text;
    for (size_t i = 0; i < view; ++i)
      text += (i == 0 ? "WITH " : ", ") + views_[i].name + " AS (" + views_[i].sql + ")";
    return text + " SELECT * FROM (" + views_[view].sql + ")";
  }

  void create_view(QueryGenerator& generator) {
    Query query = generator.generate(static_cast<int>(1 + pick(3)));
    std::string name = "v" + std::to_string(views_.size());
    auto created = node_->apply_pipeline("CREATE MATERIALIZED VIEW " + name + " AS " + query.sql, directory_, {});
    if (!created.ok() && created.error().code == sqlstate::kNotSupported) return;
    ASSERT_TRUE(created.ok()) << render(created.error(), query.sql);
    views_.push_back({name, query.sql});
    generator.add_relation(name, query.columns);
  }

  /// Some of the views, so that others go without rows for a while.
  void compare(bool all) {
    for (size_t i = 0; i < views_.size() && !HasFailure(); ++i) {
      if (!all && pick(2) == 0) continue;
      ASSERT_EQ(rows_of("SELECT * FROM " + views_[i].name), rows_of(oracle_of(i)))
          << views_[i].name << ": " << oracle_of(i);
      ++compared_;
    }
  }

  void send(const std::string& relation, const char* text_name, const char* number_name) {
    std::vector<std::string> lines;
    for (size_t i = 1 + pick(20); i > 0; --i) {
      std::string line = "{\"id\":" + std::to_string(pick(30));
      if (pick(8) != 0) line += ",\"k\":" + std::to_string(pick(6));
      if (pick(8) != 0) line += std::string(",\"") + text_name + "\":\"" + static_cast<char>('a' + pick(5)) + "\"";
      if (pick(8) != 0) line += std::string(",\"") + number_name + "\":" + std::to_string(pick(100));
      if (relation == "t" && pick(4) != 0) line += ",\"l\":[" + std::to_string(pick(9)) + ",null]";
      lines.push_back(line + "}");
    }
    std::vector<std::string_view> records(lines.begin(), lines.end());
    auto receipt = node_->append(relation, records, {});
    ASSERT_TRUE(receipt.ok()) << render(receipt.error());
    ok(node_->sync());
  }

  /// An UPDATE or DELETE; what it must leave is asked of DuckDB first.
  void change(const std::string& table, const std::string& text, const std::string& number) {
    const std::string conditions[] = {"id % 3 = " + std::to_string(pick(3)), text + " IS NULL", number + " > 50",
                                      "k IN (SELECT min(k) FROM u)", "id < 15 OR k IS NULL"};
    const std::string values[] = {number + " + 1", "CASE WHEN k = 1 THEN NULL ELSE id * 2 END", "length(" + text + ")"};
    const std::string where = conditions[pick(5)];
    const std::string value = values[pick(3)];
    const bool removes = pick(3) == 0;
    const std::string left = removes ? "SELECT * FROM " + table + " WHERE (" + where + ") IS NOT TRUE"
                                     : "SELECT * REPLACE (CAST(CASE WHEN " + where + " THEN " + value + " ELSE " +
                                           number + " END AS BIGINT) AS " + number + ") FROM " + table;
    const std::map<std::string, int64_t> expected = rows_of(left);
    const std::string statement = removes ? "DELETE FROM " + table + " WHERE " + where
                                          : "UPDATE " + table + " SET " + number + " = " + value + " WHERE " + where;
    auto done = node_->execute(statement);
    ASSERT_TRUE(done.ok()) << render(done.error(), statement);
    ok(node_->sync());
    ASSERT_EQ(rows_of("SELECT * FROM " + table), expected) << statement;
    ++changed_;
  }

  void run(uint64_t seed);

  std::string directory_;
  RealEnv env_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<engine::Node> node_;
  std::mt19937_64 random_;
  uint64_t seed_ = 0;
  std::vector<View> views_;
  uint64_t compared_ = 0;
  uint64_t changed_ = 0;
};

void RandomNodes::run(uint64_t seed) {
  SCOPED_TRACE("MILLRACE_NODE_SEED=" + std::to_string(seed) + " MILLRACE_NODE_SEEDS=1");
  random_.seed(seed * 104729);
  seed_ = seed;
  views_.clear();
  QueryGenerator generator(seed + 1000);
  // A pipeline file is applied to a node that does not run yet, statements of clients to one that does.
  bool runs = pick(2) == 0;
  open(runs);
  const char* t_columns = "(id BIGINT, k BIGINT, g VARCHAR, x BIGINT, l BIGINT[])";
  const char* u_columns = "(id BIGINT PRIMARY KEY, k BIGINT, name VARCHAR, w BIGINT)";
  const bool t_is_table = pick(2) == 0;  // a bag
  ok(node_->apply_pipeline(
      std::string(t_is_table ? "CREATE TABLE t " : "CREATE STREAM t ") + t_columns + "; CREATE TABLE u " + u_columns,
      directory_, {}));
  for (size_t i = 1 + pick(3); i > 0; --i) create_view(generator);
  if (!runs) ok(node_->start());
  compare(false);
  for (size_t round = 0; round < 6 && !HasFailure(); ++round) {
    size_t action = pick(8);
    if (action == 0) send("t", "g", "x");
    if (action == 1 || action == 2) send("u", "name", "w");
    if (action == 3 || action == 4) create_view(generator);
    if (action == 6 || (action == 7 && !t_is_table)) change("u", "name", "w");
    if (action == 7 && t_is_table) change("t", "g", "x");
    if (action == 5) {
      if (pick(2) == 0) ok(node_->stop());
      open(true);
    }
    compare(false);
  }
  compare(true);
}

TEST_F(RandomNodes, EqualDuckDB) {
  uint64_t first = from_environment("MILLRACE_NODE_SEED", 1);
  uint64_t count = from_environment("MILLRACE_NODE_SEEDS", 12);
  for (uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) run(seed);
  std::printf("  views compared: %llu, tables changed: %llu\n", static_cast<unsigned long long>(compared_),
              static_cast<unsigned long long>(changed_));
  EXPECT_GT(compared_, count);
  if (count >= 12) {
    EXPECT_GT(changed_, 0U);
  }
}

}  // namespace
}  // namespace millrace::test
