// TPC-H: each of the 22 queries, kept up to date while the tables load in random order, with rows that change, go and
// come back, DELETE, and a restart with another number of workers, equals DuckDB's answer over the same rows. The
// oracle is the node's own SELECT of the query's text, which DuckDB runs over the tables alone.
//
// MILLRACE_TPCH_SCALE=0.1: the scale (0.01), MILLRACE_TPCH_SEED=s (1).
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "engine/node_fixture.h"
#include "tpch/rows.h"

namespace millrace::engine {
namespace {

constexpr int kQueries = 22;
constexpr int kRounds = 3;  // of loading, with a comparison at the end of each

const char* from_environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

std::string read(const std::string& name) {
  std::ifstream file(std::string(from_environment("MILLRACE_SOURCE_DIR", ".")) + "/test/tpch/" + name);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << "no file " << name;
  return text.str();
}

std::string name_of(int query) { return (query < 10 ? "q0" : "q") + std::to_string(query); }

class Tpch : public NodeFixture {
 protected:
  using Bag = std::map<std::string, int64_t>;

  void create_all() {
    pipeline(read("tables.sql"));
    for (int query = 1; query <= kQueries && !HasFatalFailure(); ++query) {
      const std::string select = read("queries/" + name_of(query) + ".sql");
      const std::string text = "CREATE MATERIALIZED VIEW " + name_of(query) + " AS " + select;
      Status created = node_->apply_pipeline(text, directory_, {});
      ASSERT_TRUE(created.ok()) << render(created.error(), text);
      selects_[query] = select;
    }
  }

  Bag rows_of(const std::string& text) {
    Bag bag;
    auto result = node_->execute(text);
    EXPECT_TRUE(result.ok()) << render(result.error(), text);
    if (!result.ok()) return bag;
    for (const batch::Batch& batch : result->batches) {
      for (size_t row = 0; row < batch.rows(); ++row) {
        std::string values;
        for (size_t column = 0; column < batch.columns(); ++column) {
          std::string value = batch.value_text(column, row);
          if (batch.type(column).id() == batch::TypeId::kDouble && value != "NULL") {
            char rounded[32];
            std::snprintf(rounded, sizeof rounded, "%.9g", std::strtod(value.c_str(), nullptr));
            value = rounded;
          }
          values += value + " | ";
        }
        ++bag[values];
      }
    }
    return bag;
  }

  void compare() {
    for (const auto& [query, select] : selects_) {
      const Bag found = rows_of("SELECT * FROM " + name_of(query));
      const Bag wanted = rows_of(select);
      rows_seen_[query] += wanted.size();
      if (found == wanted) continue;
      std::string text;
      int shown = 0;
      for (const auto& [row, count] : wanted) {
        auto at = found.find(row);
        if ((at == found.end() || at->second != count) && ++shown <= 5) text += "\nmissing:    " + row;
      }
      for (const auto& [row, count] : found) {
        auto at = wanted.find(row);
        if ((at == wanted.end() || at->second != count) && ++shown <= 10) text += "\nunexpected: " + row;
      }
      ADD_FAILURE() << name_of(query) << ", " << found.size() << " rows for " << wanted.size() << ":" << text;
    }
  }

  void send_until(const std::vector<tpch::Change>& changes, size_t end, std::mt19937_64& random) {
    while (next_ < end && !HasFatalFailure()) {
      std::vector<std::string> lines[std::size(tpch::kTables)];
      for (size_t count = 1 + random() % 20000; count > 0 && next_ < end; --count, ++next_)
        lines[changes[next_].table].push_back(changes[next_].line);
      for (size_t table = 0; table < std::size(tpch::kTables); ++table) {
        if (!lines[table].empty()) send(std::string(tpch::kTables[table].name) + "_rows", lines[table]);
      }
      ok(node_->sync());
    }
  }

  /// What does not belong and is still there goes at once.
  void delete_phantoms() {
    for (const tpch::Table& table : tpch::kTables) {
      const std::string rows = std::string(table.name) + "_rows WHERE NOT gone AND " + table.key + " > " +
                               std::to_string(tpch::kPhantomKeys);
      deleted_ += std::stoull(sql("SELECT count(*) FROM " + rows));
      const std::string answer = sql("DELETE FROM " + rows);
      ASSERT_EQ(answer.find("error"), std::string::npos) << answer;
      ok(node_->sync());
      ASSERT_EQ(sql("SELECT count(*) FROM " + rows), "0\n");
    }
  }

  uint64_t deleted_ = 0;
  std::map<int, std::string> selects_;
  std::map<int, size_t> rows_seen_;
  size_t next_ = 0;
};

TEST_F(Tpch, EveryQueryEqualsDuckDB) {
  if (tpch::generator_path().empty()) GTEST_SKIP() << "tpchgen-cli is not there; `tools/setup.sh tests` installs it";
  const std::string scale = from_environment("MILLRACE_TPCH_SCALE", "0.01");
  std::mt19937_64 random(std::strtoull(from_environment("MILLRACE_TPCH_SEED", "1"), nullptr, 10));
  const std::vector<tpch::Change> changes = tpch::make_changes(directory_, scale, random);
  ASSERT_FALSE(changes.empty());
  open(/*start=*/false);
  create_all();
  if (HasFatalFailure()) return;
  ok(node_->start());
  for (size_t round = 1; round <= kRounds && !HasFatalFailure(); ++round) {
    send_until(changes, changes.size() * round / kRounds, random);
    if (round < kRounds) delete_phantoms();
    compare();
    workers_ = static_cast<uint32_t>(1 + round % 2);
    if (round < kRounds) open();
  }
  EXPECT_EQ(sql("SELECT (SELECT count(*) FROM region), (SELECT count(*) FROM nation)"), "5,25\n");
  EXPECT_EQ(selects_.size(), static_cast<size_t>(kQueries));
  EXPECT_GT(deleted_, 0U);
  std::string empty;
  for (const auto& [query, rows] : rows_seen_) empty += rows == 0 ? name_of(query) + " " : "";
  std::printf("  scale %s: %zu changes of rows; queries without rows: %s\n", scale.c_str(), changes.size(),
              empty.c_str());
}

}  // namespace
}  // namespace millrace::engine
