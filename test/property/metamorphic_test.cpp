// What must hold between views, whatever DuckDB says: other ways to write a query give the same rows at every step.
//
//  * the rows of a view are those where a condition holds, those where it does not, and those where it is NULL;
//  * a view that reads another view equals one that has the other's SELECT written into it;
//  * rules of DuckDB's optimizer, which shapes the plans, change no row.
//
// Seeds: seeds.h; each stands for 5 of those that are asked for.
#include <gtest/gtest.h>

#include <algorithm>

#include <duckdb.hpp>

#include "coverage.h"
#include "query_generator.h"
#include "seeds.h"
#include "sql/bind.h"
#include "view_run.h"

namespace millrace::test {
namespace {

constexpr uint64_t kShare = 5;
constexpr uint32_t kOperatorsMax = 1000;

Bag sum_of(std::initializer_list<const Bag*> parts) {
  Bag sum;
  for (const Bag* part : parts) {
    for (const auto& [row, count] : *part) sum[row] += count;
  }
  return sum;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

/// Rules that a node leaves on and that a plan may do without, one a database.
constexpr const char* kRules[] = {"expression_rewriter", "filter_pushdown",        "filter_pullup",
                                  "join_order",          "common_subexpressions", "unused_columns",
                                  "empty_result_pullup", "cte_filter_pusher",     "cte_inlining"};

template <size_t kRule>
void register_without(duckdb::Connection& connection) {
  sql::register_functions(connection);
  auto before = connection.Query("SELECT current_setting('disabled_optimizers')");
  const std::string others = before->GetValue(0, 0).ToString();
  auto set = connection.Query("SET GLOBAL disabled_optimizers = '" + others + "," + kRules[kRule] + "'");
  if (set->HasError()) ADD_FAILURE() << set->GetError();
}

template <size_t... kRule>
std::vector<void (*)(duckdb::Connection&)> without_each(std::index_sequence<kRule...>) {
  return {register_without<kRule>...};
}

class Metamorphic : public ::testing::Test {
 protected:
  void SetUp() override { database_ = open(sql::register_functions); }

  static std::unique_ptr<Database> open(void (*prepare)(duckdb::Connection&)) {
    auto opened = Database::open(prepare);
    EXPECT_TRUE(opened.ok());
    return opened.ok() ? std::move(opened).value() : nullptr;
  }

  /// Nothing when it is refused, which is counted.
  std::optional<plan::Plan> bind(Database& database, const Tables& tables, const std::string& sql) {
    sql::ViewOptions options;
    options.first_operator = OperatorId{operators_ += kOperatorsMax};
    auto plan = sql::bind_view(database.oracle(), tables, sql, options);
    if (plan.ok()) return std::move(plan).value();
    EXPECT_EQ(plan.error().code, sqlstate::kNotSupported) << render(plan.error(), sql);
    coverage_.count("refused: " + plan.error().message);
    return std::nullopt;
  }

  /// Calls test(seed, random, history) until one fails.
  template <typename Test>
  void for_each_seed(const char* name, Test&& test) {
    coverage_.expect("compared");
    const Seeds seeds = seeds_to_run(kShare);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count && !HasFailure(); ++seed) {
      SeedNote note(name, seed);
      SCOPED_TRACE(note.text());
      Random random(seed * 15485863);
      test(seed, random, random_history(random));
    }
    std::printf("%s", coverage_.table().c_str());
    if (seeds.whole && !HasFailure()) {
      EXPECT_EQ(coverage_.missing(), std::vector<std::string>()) << "never occurred";
    }
  }

  std::unique_ptr<Database> database_;
  Coverage coverage_;
  uint32_t operators_ = 0;  ///< views of one graph have operators of their own
};

TEST_F(Metamorphic, AConditionSplitsAView) {
  for_each_seed("Metamorphic.AConditionSplitsAView", [&](uint64_t seed, Random& random, const History& history) {
    QueryGenerator generator(seed + 2000);
    const Query query = generator.generate(static_cast<int>(1 + random() % 4));
    const std::string condition = generator.condition(query);
    const std::string split = "SELECT * FROM (" + query.sql + ") AS q WHERE ";
    Tables tables(history);
    std::vector<plan::Plan> plans;
    std::vector<dataflow::ViewPlan> views;
    plans.reserve(4);
    for (const std::string& sql : {query.sql, split + "(" + condition + ")", split + "NOT (" + condition + ")",
                                   split + "(" + condition + ") IS NULL"}) {
      auto plan = bind(*database_, tables, sql);
      if (!plan) return;
      plans.push_back(std::move(*plan));
      views.push_back({"v" + std::to_string(views.size()), &plans.back()});
    }
    ViewRun run(*database_, history, views);
    for (const Step& step : history.steps) {
      const Status status = run.step(step);
      ASSERT_TRUE(status.ok()) << render(status.error()) << query.sql;
      const Bag parts = sum_of({&run.rows("v1"), &run.rows("v2"), &run.rows("v3")});
      ASSERT_EQ(difference(run.rows("v0"), "the view", parts, "its parts"), "") << query.sql << "\nWHERE " << condition;
      coverage_.count("compared");
      for (const char* part : {"v1", "v2", "v3"}) {
        coverage_.count(std::string(part) + " has rows", !run.rows(part).empty());
      }
    }
  });
}

TEST_F(Metamorphic, AViewMayBeWrittenOut) {
  for_each_seed("Metamorphic.AViewMayBeWrittenOut", [&](uint64_t seed, Random& random, const History& history) {
    QueryGenerator generator(seed + 3000);
    const Query inner = generator.generate(static_cast<int>(1 + random() % 3));
    generator.add_relation("v0", inner.columns);
    Query outer = generator.generate(static_cast<int>(1 + random() % 3));
    for (int tries = 0; tries < 20 && outer.sql.find(" FROM v0") == std::string::npos; ++tries)
      outer = generator.generate(static_cast<int>(1 + random() % 3));
    const std::string written_out = replaced(outer.sql, " FROM v0", " FROM (" + inner.sql + ") AS v0");
    Tables tables(history);
    const auto v0 = bind(*database_, tables, inner.sql);
    if (!v0) return;
    tables.add_view("v0", *v0);
    const auto v1 = bind(*database_, tables, outer.sql), v2 = bind(*database_, tables, written_out);
    if (!v1 || !v2) return;
    ViewRun run(*database_, history, {{"v0", &*v0}, {"v1", &*v1}, {"v2", &*v2}});
    for (const Step& step : history.steps) {
      const Status status = run.step(step);
      ASSERT_TRUE(status.ok()) << render(status.error()) << written_out;
      ASSERT_EQ(difference(run.rows("v1"), "over the view", run.rows("v2"), "written out"), "")
          << "v0: " << inner.sql << "\nv1: " << outer.sql;
      coverage_.count("compared");
    }
  });
}

TEST_F(Metamorphic, RulesOfTheOptimizerChangeNothing) {
  std::vector<std::unique_ptr<Database>> without;
  for (auto* prepare : without_each(std::make_index_sequence<std::size(kRules)>())) without.push_back(open(prepare));
  for (const char* rule : kRules) coverage_.expect(std::string("without ") + rule);
  const char* name = "Metamorphic.RulesOfTheOptimizerChangeNothing";
  for_each_seed(name, [&](uint64_t seed, Random& random, const History& history) {
    const size_t rule = random() % std::size(kRules);
    const Query query = QueryGenerator(seed + 4000).generate(static_cast<int>(1 + random() % 4));
    const Tables tables(history);
    const auto with = bind(*database_, tables, query.sql), other = bind(*without[rule], tables, query.sql);
    if (!with || !other) return;
    ViewRun run(*database_, history, {{"v", &*with}}), other_run(*without[rule], history, {{"v", &*other}});
    for (const Step& step : history.steps) {
      for (ViewRun* each : {&run, &other_run}) {
        const Status status = each->step(step);
        ASSERT_TRUE(status.ok()) << render(status.error()) << query.sql;
      }
      ASSERT_EQ(difference(run.rows("v"), "with the rule", other_run.rows("v"), "without it"), "")
          << kRules[rule] << ": " << query.sql << "\n"
          << sql::explain(*with) << "\n"
          << sql::explain(*other);
      coverage_.count("compared");
    }
    coverage_.count(std::string("without ") + kRules[rule]);
  });
}

}  // namespace
}  // namespace millrace::test
