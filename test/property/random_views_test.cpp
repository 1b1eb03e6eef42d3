// P1: at every step a view equals what DuckDB returns for the same SELECT over the same rows. Random queries, schemas,
// rows, deletes, updates, cuts into steps and batches, numbers of workers, and restarts of the graph from its state.
// DuckDB, linked in, is the oracle. Folding what the view emits from its start must give its rows at every step.
//
// Seeds: seeds.h. A failing run is made smaller (shrink.h) and printed.
#include <gtest/gtest.h>

#include "coverage.h"
#include "query_generator.h"
#include "seeds.h"
#include "shrink.h"
#include "sql/bind.h"
#include "view_run.h"

namespace millrace::test {
namespace {

constexpr int kTrialsMax = 500;
constexpr uint64_t kSeedsOfAKeptQuery = 5;

/// Where a run went wrong: a smaller one must go wrong in the same place to be the same failure.
struct Failure {
  enum class Where { kBind, kStep, kOracle, kRows } where;
  std::string text;
};

class RandomViews : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Database::open(sql::register_functions);
    ASSERT_TRUE(opened.ok());
    database_ = std::move(opened).value();
  }

  std::optional<Failure> compare(Tables& tables, const std::string& sql, const Bag& rows) {
    auto expected = sql::run_query(database_->oracle(), tables, sql, 0, 10'000'000);
    if (!expected.ok()) return Failure{Failure::Where::kOracle, render(expected.error(), sql)};
    Bag oracle;
    for (const batch::Batch& batch : expected->batches) add_rows(oracle, batch);
    std::string found = difference(rows, "the view", oracle, "DuckDB");
    if (found.empty()) return std::nullopt;
    return Failure{Failure::Where::kRows, std::move(found)};
  }

  std::optional<Failure> try_view(const std::string& sql, const History& history) {
    Tables tables(history);
    auto plan = sql::bind_view(database_->oracle(), tables, sql, {});
    if (!plan.ok() && plan.error().code == sqlstate::kNotSupported) {
      coverage_.count("refused: " + plan.error().message);
      ++refused_;
      return std::nullopt;
    }
    if (!plan.ok()) return Failure{Failure::Where::kBind, render(plan.error(), sql)};
    const std::string shape = sql::explain(*plan);
    if (prints()) std::printf("%s\n%s\n", sql.c_str(), shape.c_str());
    coverage_.count(*plan);
    ViewRun run(*database_, history, {{"v", &*plan}});
    for (size_t i = 0; i < history.steps.size(); ++i) {
      const Step& step = history.steps[i];
      Status status = run.step(step);
      if (!status.ok()) return Failure{Failure::Where::kStep, render(status.error()) + "\n" + shape};
      tables.apply(step);
      if (auto failure = compare(tables, sql, run.rows("v"))) {
        failure->text +=
            "after step " + std::to_string(i) + " on " + std::to_string(step.workers) + " workers\n" + shape;
        return failure;
      }
      coverage_.count("restart", step.restart);
      coverage_.count("step on " + std::to_string(step.workers) + " workers");
    }
    coverage_.count("retraction in a result", run.retractions());
    return std::nullopt;
  }

  void run(const std::string& sql, const std::vector<Query>& pieces, const History& history) {
    const auto failure = try_view(sql, history);
    if (!failure) return;
    const Coverage before = coverage_;
    const Trial trial = [&](const std::string& smaller, const History& shorter) -> std::optional<std::string> {
      auto again = try_view(smaller, shorter);
      if (!again || again->where != failure->where) return std::nullopt;
      return again->text;
    };
    const Failing least = shrink({sql, history, failure->text}, pieces, trial, kTrialsMax);
    coverage_ = before;
    ADD_FAILURE() << least.failure << "\nmade smaller from:\n"
                  << sql << "\nto:\n"
                  << least.sql << "\n"
                  << least.history.text();
  }

  void run_seed(uint64_t seed, bool of_windows = false) {
    SeedNote note(of_windows ? "RandomViews.OfWindowsEqualDuckDB" : "RandomViews.EqualDuckDB", seed);
    SCOPED_TRACE(note.text());
    Random random(seed * 7919);
    const History history = random_history(random);
    QueryGenerator generator(seed);
    const Query query = of_windows ? generator.generate_windows(static_cast<int>(random() % 3))
                                   : generator.generate(static_cast<int>(2 + random() % 4));
    deep_ += query.depth >= 3;
    run(query.sql, generator.pieces(), history);
  }

  std::unique_ptr<Database> database_;
  Coverage coverage_;
  uint64_t deep_ = 0;
  uint64_t refused_ = 0;
};

TEST_F(RandomViews, EqualDuckDB) {
  // These need watermarks (watermark_views_test.cpp), but for LookupJoin, whose answer depends on the cuts into steps.
  coverage_.expect_operators({"TimeJoin", "Session", "TemporalJoin", "LookupJoin"});
  for (const char* name : {"restart", "retraction in a result", "step on 1 workers", "step on 2 workers",
                           "step on 3 workers", "step on 4 workers"}) {
    coverage_.expect(name);
  }
  const Seeds seeds = seeds_to_run(1);
  for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count && !HasFailure(); ++seed) run_seed(seed);
  std::printf("%s  queries 3 or more operators deep: %llu of %llu\n", coverage_.table().c_str(),
              static_cast<unsigned long long>(deep_), static_cast<unsigned long long>(seeds.count));
  if (!seeds.whole || HasFailure()) return;
  EXPECT_EQ(coverage_.missing(), std::vector<std::string>()) << "never occurred";
  EXPECT_GE(deep_ * 2, seeds.count);
  EXPECT_EQ(refused_, 0U);
}

TEST_F(RandomViews, OfWindowsEqualDuckDB) {
  for (const char* form : {"Window kernel", "Window recomputed", "FramedWindow by DuckDB", "FramedWindow running"}) {
    coverage_.expect(form);
    coverage_.expect(std::string(form) + ", retracting input");
  }
  const Seeds seeds = seeds_to_run(4);
  for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count && !HasFailure(); ++seed) run_seed(seed, true);
  if (!seeds.whole || HasFailure()) return;
  EXPECT_EQ(coverage_.missing(), std::vector<std::string>()) << "never occurred";
  EXPECT_EQ(refused_, 0U);
}

TEST_F(RandomViews, WhatFailedOnce) {
  for (const std::string& seed : kept("seed")) run_seed(std::stoull(seed));
  for (const std::string& sql : kept("query")) {
    for (uint64_t seed = 1; seed <= kSeedsOfAKeptQuery; ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " of the kept query " + sql);
      Random random(seed);
      run(sql, {}, random_history(random));
    }
  }
  EXPECT_EQ(refused_, 0U);
}

/// A run that goes wrong is made as small as its cause: a sum over a row of g = 'b', two operators deep.
TEST_F(RandomViews, AFailureIsMadeSmaller) {
  Random random(3);
  History history = random_history(random);
  const Query inner{"SELECT id, g FROM t", {{"id", 'i'}, {"g", 's'}}, 0};
  const Query middle{"SELECT id, g FROM (" + inner.sql + ") AS q WHERE id > 0", inner.columns, 1};
  const Query outer{"SELECT g, count(*) AS n FROM (" + middle.sql + ") AS q GROUP BY g", {{"g", 's'}, {"n", 'i'}}, 2};
  const Trial trial = [](const std::string& sql, const History& shorter) -> std::optional<std::string> {
    if (sql.find("count(*)") == std::string::npos) return std::nullopt;
    for (const Step& step : shorter.steps) {
      for (const Change& change : step.changes) {
        const History::OneRow& row = shorter.rows[change.row];
        if (row.table == 0 && row.row[2] == Value("b")) return "wrong";
      }
    }
    return std::nullopt;
  };
  ASSERT_TRUE(trial(outer.sql, history));
  const Failing least = shrink({outer.sql, history, "wrong"}, {inner, middle, outer}, trial, 10000);
  EXPECT_EQ(least.sql.find("WHERE"), std::string::npos) << least.sql;
  EXPECT_EQ(least.history.changes(), 1U) << least.history.text();
  EXPECT_EQ(least.history.steps.size(), 1U);
  EXPECT_EQ(least.history.steps[0].workers, 1U);
  const size_t row = least.history.steps[0].changes[0].row;
  size_t values = 0;
  for (const Value& value : least.history.rows[row].row) values += !std::holds_alternative<std::monostate>(value);
  EXPECT_EQ(values, 1U);
}

}  // namespace
}  // namespace millrace::test
