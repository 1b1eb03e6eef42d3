// P1 on a whole node: from the moment it is made on, a view equals what DuckDB returns for the same SELECT over the
// committed rows. Random chains of views, made before and after rows came; rows that replace others, UPDATE and DELETE;
// restarts with another number of workers. The oracle is the node's own SELECT, which DuckDB runs over the tables
// alone. Some views are followed from their start: the fold of their changes equals their rows, and no row goes that is
// not there.
//
// Seeds: seeds.h; each stands for 20 of those that are asked for.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/metrics.h"
#include "base/real_env.h"
#include "coverage.h"
#include "followed_view.h"
#include "query_generator.h"
#include "seeds.h"

namespace millrace::test {
namespace {

constexpr uint64_t kShare = 20;

struct View {
  std::string name;
  std::string sql;
  std::unique_ptr<FollowedView> followed;  ///< null: nobody follows it
};

class RandomNodes : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "millrace_random_node_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    views_.clear();
    node_.reset();
    std::filesystem::remove_all(directory_);
  }

  size_t pick(size_t count) { return random_() % count; }

  void open(bool start) {
    for (View& view : views_) {
      if (view.followed) view.followed->let_go();
    }
    node_.reset();
    metrics_ = std::make_unique<Metrics>();
    engine::NodeOptions options;
    options.data_directory = directory_ + "/" + std::to_string(seed_);
    options.workers = static_cast<uint32_t>(1 + pick(4));
    auto opened = engine::Node::open(env_, *metrics_, options);
    ASSERT_TRUE(opened.ok()) << render(opened.error());
    node_ = std::move(opened).value();
    coverage_.count("node on " + std::to_string(options.workers) + " workers");
    if (start) ok(node_->start());
  }
  void ok(const Status& status) { ASSERT_TRUE(status.ok()) << render(status.error()); }

  Bag rows_of(const std::string& sql) {
    Bag bag;
    auto result = node_->execute(sql);
    EXPECT_TRUE(result.ok()) << render(result.error(), sql);
    if (!result.ok()) return bag;
    for (const batch::Batch& batch : result->batches) add_rows(bag, batch);
    return bag;
  }

  /// The view's SELECT, with the views that it may read written out.
  std::string oracle_of(size_t view) const {
    std::string text;
    for (size_t i = 0; i < view; ++i)
      text += (i == 0 ? "WITH " : ", ") + views_[i].name + " AS (" + views_[i].sql + ")";
    return text + " SELECT * FROM (" + views_[view].sql + ")";
  }

  void create_relations(bool t_is_table) {
    std::string text;
    for (const Table& table : tables_) {
      text += table.name == "t" && !t_is_table ? "CREATE STREAM t (" : "CREATE TABLE " + table.name + " (";
      for (size_t i = 0; i < table.schema.size(); ++i)
        text += (i == 0 ? "" : ", ") + table.schema[i].name + " " + table.schema[i].type.name() +
                (table.name == "u" && i == 0 ? " PRIMARY KEY" : "");
      text += "); ";
    }
    ok(node_->apply_pipeline(text, directory_, {}));
  }

  void create_view(QueryGenerator& generator) {
    Query query = generator.generate(static_cast<int>(1 + pick(3)));
    std::string name = "v" + std::to_string(views_.size());
    const bool followed = pick(2) == 0;
    const bool retained = followed && pick(2) == 0;
    auto created =
        node_->apply_pipeline("CREATE MATERIALIZED VIEW " + name + (retained ? " WITH (retention = '1 hour')" : "") +
                                  " AS " + query.sql,
                              directory_, {});
    if (!created.ok() && created.error().code == sqlstate::kNotSupported) return;
    ASSERT_TRUE(created.ok()) << render(created.error(), query.sql);
    views_.push_back({name, query.sql, followed ? std::make_unique<FollowedView>(name, retained) : nullptr});
    generator.add_relation(name, query.columns);
  }

  /// Some of the views, so that others go without rows for a while.
  void compare(bool all) {
    for (size_t i = 0; i < views_.size() && !HasFailure(); ++i) {
      if (!all && pick(2) == 0) continue;
      View& view = views_[i];
      const Bag rows = rows_of("SELECT * FROM " + view.name);
      ASSERT_EQ(difference(rows, "the view", rows_of(oracle_of(i)), "DuckDB"), "") << view.name << ": " << oracle_of(i);
      coverage_.count("view compared");
      if (!view.followed) continue;
      ASSERT_EQ(view.followed->read_until(*node_, rows), "") << view.name << ": " << oracle_of(i);
      coverage_.count("changes of a view folded");
    }
  }

  void send(const Table& table) {
    std::vector<std::string> lines;
    for (size_t i = 1 + pick(20); i > 0; --i)
      lines.push_back(json(table, random_row(table, random_, static_cast<int64_t>(pick(30)))));
    std::vector<std::string_view> records(lines.begin(), lines.end());
    auto receipt = node_->append(table.name, records, {});
    ASSERT_TRUE(receipt.ok()) << render(receipt.error());
    ok(node_->sync());
    ASSERT_EQ(rows_of("SELECT * FROM " + table.name + "_dead"), Bag()) << "dead letters";
  }

  /// An UPDATE or DELETE; what it must leave is asked of DuckDB first.
  void change(const std::string& table, const std::string& text, const std::string& number) {
    const std::string conditions[] = {"id % 3 = " + std::to_string(pick(3)), text + " IS NULL", number + " > 50",
                                      "k IN (SELECT min(k) FROM u)", "id < 15 OR k IS NULL", "d > 0"};
    const std::string values[] = {number + " + 1", "CASE WHEN k = 1 THEN NULL ELSE id * 2 END", "length(" + text + ")"};
    const std::string where = conditions[pick(6)];
    const std::string value = values[pick(3)];
    const bool removes = pick(3) == 0;
    const std::string left = removes ? "SELECT * FROM " + table + " WHERE (" + where + ") IS NOT TRUE"
                                     : "SELECT * REPLACE (CAST(CASE WHEN " + where + " THEN " + value + " ELSE " +
                                           number + " END AS BIGINT) AS " + number + ") FROM " + table;
    const Bag expected = rows_of(left);
    const std::string statement = removes ? "DELETE FROM " + table + " WHERE " + where
                                          : "UPDATE " + table + " SET " + number + " = " + value + " WHERE " + where;
    auto done = node_->execute(statement);
    ASSERT_TRUE(done.ok()) << render(done.error(), statement);
    ok(node_->sync());
    ASSERT_EQ(difference(rows_of("SELECT * FROM " + table), "the table", expected, "DuckDB"), "") << statement;
    coverage_.count(removes ? "DELETE" : "UPDATE");
  }

  void run(uint64_t seed);

  std::string directory_;
  RealEnv env_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<engine::Node> node_;
  Random random_;
  uint64_t seed_ = 0;
  std::vector<Table> tables_;
  std::vector<View> views_;
  Coverage coverage_;
};

void RandomNodes::run(uint64_t seed) {
  SeedNote note("RandomNodes.*", seed);
  SCOPED_TRACE(note.text());
  random_.seed(seed * 104729);
  seed_ = seed;
  views_.clear();
  tables_ = random_tables(random_);
  QueryGenerator generator(seed + 1000);
  // A pipeline file is applied to a node that does not run yet, statements of clients to one that does.
  bool runs = pick(2) == 0;
  open(runs);
  const bool t_is_table = pick(2) == 0;  // a bag
  create_relations(t_is_table);
  for (size_t i = 1 + pick(3); i > 0; --i) create_view(generator);
  if (!runs) ok(node_->start());
  compare(false);
  for (size_t round = 0; round < 6 && !HasFailure(); ++round) {
    size_t action = pick(8);
    if (action == 0) send(tables_[0]);
    if (action == 1 || action == 2) send(tables_[1]);
    if (action == 3 || action == 4) create_view(generator);
    if (action == 6 || (action == 7 && !t_is_table)) change("u", "name", "w");
    if (action == 7 && t_is_table) change("t", "g", "x");
    if (action == 5) {
      if (pick(2) == 0) ok(node_->stop());
      open(true);
      coverage_.count("restart");
    }
    compare(false);
  }
  compare(true);
  for (const View& view : views_) {
    if (!view.followed) continue;
    coverage_.count("delete in a view's changes", view.followed->deletes());
    coverage_.count("subscription gone on from a position", view.followed->resumed());
  }
}

TEST_F(RandomNodes, EqualDuckDB) {
  for (const char* name : {"view compared", "changes of a view folded", "delete in a view's changes", "restart",
                           "UPDATE", "DELETE", "subscription gone on from a position", "node on 1 workers",
                           "node on 2 workers", "node on 3 workers", "node on 4 workers"}) {
    coverage_.expect(name);
  }
  const Seeds seeds = seeds_to_run(kShare);
  for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count && !HasFailure(); ++seed) run(seed);
  std::printf("%s", coverage_.table().c_str());
  if (!seeds.whole || HasFailure()) return;
  EXPECT_EQ(coverage_.missing(), std::vector<std::string>()) << "never occurred";
}

}  // namespace
}  // namespace millrace::test
