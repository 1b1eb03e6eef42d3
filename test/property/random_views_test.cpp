// P1: at every step a view equals what DuckDB returns for the same SELECT over the same rows. Random queries, rows,
// deletes, cuts into steps, numbers of workers, and restarts of the graph from its state. DuckDB, linked in, is the
// oracle.
//
// MILLRACE_SEEDS=n runs n seeds (200), MILLRACE_SEED=s starts at s (1): a failing seed is printed and repeats exactly.
// MILLRACE_PRINT=1 prints every query and its plan.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/text.h"
#include "dataflow/graph.h"
#include "query_generator.h"
#include "sql/bind.h"

namespace millrace::test {
namespace {

using batch::Type;
using batch::TypeId;

/// One row as JSON-free text: what both sides are compared by, and what deletes pick from.
struct Row {
  int64_t id;
  std::optional<int64_t> k;
  std::optional<std::string> text;
  std::optional<int64_t> number;
  std::optional<std::vector<std::optional<int64_t>>> list;
};

struct Table {
  std::string name;
  batch::Schema schema;
  bool append_only;
  std::vector<Row> rows;
};

void fill(batch::Batch& out, size_t at, const Row& row, bool with_list) {
  auto put = [&](size_t column, const std::optional<int64_t>& value) {
    batch::MutableColumn to = out.mutable_column(column);
    value ? to.set<int64_t>(at, *value) : to.set_null(at);
  };
  put(0, row.id);
  put(1, row.k);
  batch::MutableColumn text = out.mutable_column(2);
  row.text ? text.set_string(at, *row.text) : text.set_null(at);
  put(3, row.number);
  if (!with_list) return;
  batch::MutableColumn list = out.mutable_column(4);
  if (!row.list) {
    list.set_null(at);
    return;
  }
  size_t first = list.add_list(at, row.list->size());
  batch::MutableColumn child = list.child();
  for (size_t i = 0; i < row.list->size(); ++i) {
    const auto& value = (*row.list)[i];
    value ? child.set<int64_t>(first + i, *value) : child.set_null(first + i);
  }
}

class Tables final : public sql::RelationResolver {
 public:
  Tables(bool t_append_only, bool u_append_only) {
    Type bigint(TypeId::kBigint);
    Type varchar(TypeId::kVarchar);
    tables_.push_back(
        {"t",
         {{{"id", bigint}, {"k", bigint}, {"g", varchar}, {"x", bigint}, {"l", *Type::parse("BIGINT[]")}}},
         t_append_only,
         {}});
    tables_.push_back({"u", {{{"id", bigint}, {"k", bigint}, {"name", varchar}, {"w", bigint}}}, u_append_only, {}});
  }
  Table& table(std::string_view name) const {
    for (const Table& table : tables_) {
      if (iequals(table.name, name)) return const_cast<Table&>(table);
    }
    std::abort();
  }
  std::vector<Table>& all() { return tables_; }

  std::optional<sql::RelationInfo> find(std::string_view name) const override {
    for (const Table& table : tables_) {
      if (!iequals(table.name, name)) continue;
      sql::RelationInfo info;
      info.name = table.name;
      info.kind = sql::RelationKind::kTable;
      info.schema = table.schema;
      info.append_only = table.append_only;
      return info;
    }
    return std::nullopt;
  }
  std::string suggestion(std::string_view) const override { return {}; }
  Result<std::unique_ptr<sql::RelationReader>> read(std::string_view name) const override {
    return std::unique_ptr<sql::RelationReader>(std::make_unique<Reader>(table(name)));
  }

 private:
  class Reader final : public sql::RelationReader {
   public:
    explicit Reader(const Table& table) : table_(table) {}
    Status next(batch::Batch& out) override {
      size_t row = 0;
      for (; row < batch::kBatchRows && at_ < table_.rows.size(); ++row, ++at_)
        fill(out, row, table_.rows[at_], table_.name == "t");
      out.set_rows(row);
      return {};
    }

   private:
    const Table& table_;
    size_t at_ = 0;
  };

  std::vector<Table> tables_;
};

/// A step's deltas of both tables, in batches of random size.
class Deltas final : public dataflow::SourceFeed {
 public:
  Deltas(Tables& tables, std::mt19937_64& random) : tables_(tables), random_(random) {}

  void insert(const std::string& table, Row row) {
    tables_.table(table).rows.push_back(row);
    changes_[table].emplace_back(std::move(row), 1);
  }
  void erase(const std::string& table, size_t index) {
    auto& rows = tables_.table(table).rows;
    changes_[table].emplace_back(rows[index], -1);
    rows.erase(rows.begin() + static_cast<int64_t>(index));
  }

  Status feed(uint32_t worker, const std::string&, const plan::Node& node, dataflow::Output& out) override {
    if (worker != 0) return {};
    const auto& source = std::get<plan::Source>(node.operation);
    std::vector<uint32_t> columns;
    for (const auto& column : source.columns) columns.push_back(column.field);
    const Table& table = tables_.table(source.relation);
    const auto& changes = changes_[source.relation];
    for (size_t at = 0; at < changes.size();) {
      size_t count = std::min<size_t>(changes.size() - at, 1 + random_() % 40);
      batch::Batch rows(table.schema);
      std::vector<int64_t> diffs;
      bool plain = true;
      for (size_t i = 0; i < count; ++i) {
        fill(rows, i, changes[at + i].first, table.name == "t");
        diffs.push_back(changes[at + i].second);
        plain &= diffs.back() == 1;
      }
      rows.set_rows(count);
      if (!plain) rows.set_diffs(std::move(diffs));
      MR_TRY(out.push(rows.project(columns)));
      at += count;
    }
    return {};
  }

 private:
  Tables& tables_;
  std::mt19937_64& random_;
  std::map<std::string, std::vector<std::pair<Row, int64_t>>> changes_;
};

using Bag = std::map<std::string, int64_t>;

void add_rows(Bag& bag, const batch::Batch& batch) {
  for (size_t row = 0; row < batch.rows(); ++row) {
    std::string text;
    for (size_t column = 0; column < batch.columns(); ++column) text += batch.value_text(column, row) + " | ";
    int64_t& count = bag[text];
    count += batch.diff(row);
    if (count == 0) bag.erase(text);
  }
}

class Collector final : public dataflow::ViewSink {
 public:
  Status emit(uint32_t, const std::string&, const batch::Batch& batch) override {
    for (size_t row = 0; row < batch.rows(); ++row) retractions += batch.diff(row) < 0;
    add_rows(bag, batch);
    return {};
  }
  Bag bag;
  uint64_t retractions = 0;
};

class NoSide final : public dataflow::SideOutput {
 public:
  void row_failed(OperatorId, std::string_view op, const batch::Batch&, size_t, batch::int128,
                  std::string_view message) override {
    ADD_FAILURE() << "a row failed in " << op << ": " << message;
  }
  void row_late(OperatorId, const batch::Batch&, size_t, batch::int128) override { ADD_FAILURE() << "a row was late"; }
};

std::string difference(const Bag& view, const Bag& oracle) {
  std::string text;
  int shown = 0;
  auto show = [&](const char* side, const std::string& row, int64_t count) {
    if (++shown <= 6) text += std::string("  ") + side + " " + std::to_string(count) + " x " + row + "\n";
  };
  for (const auto& [row, count] : view) {
    auto found = oracle.find(row);
    if (found == oracle.end() || found->second != count) show("view has", row, count);
  }
  for (const auto& [row, count] : oracle) {
    auto found = view.find(row);
    if (found == view.end() || found->second != count) show("DuckDB has", row, count);
  }
  return text;
}

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class RandomViews : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = batch::SqlInstance::open({}, sql::register_functions);
    ASSERT_TRUE(opened.ok());
    instance_ = std::move(opened).value();
    for (int i = 0; i < 3; ++i) sessions_.push_back(std::make_unique<batch::Session>(*instance_));
  }

  Row random_row(std::mt19937_64& random, int64_t id) {
    Row row{id, std::nullopt, std::nullopt, std::nullopt, std::nullopt};
    if (random() % 8 != 0) row.k = static_cast<int64_t>(random() % 6);
    if (random() % 9 != 0)
      row.text =
          std::string(1, static_cast<char>('a' + random() % 5)) + (random() % 7 == 0 ? " with a longer tail" : "");
    if (random() % 10 != 0) row.number = static_cast<int64_t>(random() % 100) - 20;
    if (random() % 6 != 0) {
      row.list.emplace();
      for (size_t i = random() % 4; i > 0; --i)
        row.list->push_back(random() % 5 == 0 ? std::nullopt : std::optional<int64_t>(random() % 9));
    }
    return row;
  }

  Result<std::unique_ptr<dataflow::Graph>> make_graph(const plan::Plan& plan, uint32_t workers) {
    dataflow::GraphOptions options;
    options.workers = workers;
    std::vector<batch::Session*> sessions;
    for (auto& session : sessions_) sessions.push_back(session.get());
    return dataflow::Graph::build({{"v", &plan}}, options, sessions,
                                  [this](const std::string&, uint32_t) { return &side_; });
  }

  /// A graph with the same state, as after a restart, on another number of workers.
  Result<std::unique_ptr<dataflow::Graph>> restarted(dataflow::Graph& old, const plan::Plan& plan, uint32_t workers) {
    MR_ASSIGN(auto graph, make_graph(plan, workers));
    Status status;
    for (const state::TableRef& table : old.tables()) {
      table.table->for_each([&](const state::Entry& entry) {
        if (status.ok()) status = graph->restore(table.id, entry);
      });
    }
    MR_TRY(std::move(status));
    return graph;
  }

  void count_operators(const plan::Plan& plan) {
    for (const plan::Node& node : plan.nodes) {
      std::string name(node.kind());
      bool retracting = false;
      for (uint32_t input : node.inputs) retracting |= !plan.nodes[input].append_only;
      if (auto* aggregate = std::get_if<plan::Aggregate>(&node.operation)) {
        name += aggregate->general ? " general" : " fast";
        if (aggregate->group_columns.empty()) ++occurrences_["Aggregate of everything"];
      }
      if (auto* window = std::get_if<plan::Window>(&node.operation)) name += window->general ? " general" : " kernel";
      if (auto* top = std::get_if<plan::TopN>(&node.operation)) name += top->partition_columns.empty() ? "" : " by";
      if (auto* join = std::get_if<plan::Join>(&node.operation)) {
        static constexpr const char* kNames[] = {" inner", " left", " right", " full", " semi", " anti", " mark"};
        if (join->left_keys.empty())
          ++occurrences_["Join without keys" + std::string(retracting ? ", retracting input" : "")];
        name += kNames[static_cast<size_t>(join->type)];
      }
      ++occurrences_[name + (retracting ? ", retracting input" : "")];
    }
  }

  void run(uint64_t seed);

  std::unique_ptr<batch::SqlInstance> instance_;
  std::vector<std::unique_ptr<batch::Session>> sessions_;
  NoSide side_;
  std::map<std::string, int> occurrences_;
  uint64_t retractions_ = 0;
  int deep_ = 0;
  int refused_ = 0;
  int restarts_ = 0;
};

void RandomViews::run(uint64_t seed) {
  std::mt19937_64 random(seed * 7919);
  Tables tables(random() % 3 == 0, random() % 3 == 0);
  Query query = QueryGenerator(seed).generate(static_cast<int>(2 + random() % 4));
  SCOPED_TRACE("MILLRACE_SEED=" + std::to_string(seed) + " MILLRACE_SEEDS=1\n" + query.sql);
  if (std::getenv("MILLRACE_PRINT")) std::printf("%s\n", query.sql.c_str());
  auto plan = sql::bind_view(*sessions_[0], tables, query.sql, {});
  if (!plan.ok() && plan.error().code == sqlstate::kNotSupported) {
    ++refused_;
    ++occurrences_["refused: " + plan.error().message];
    return;
  }
  ASSERT_TRUE(plan.ok()) << render(plan.error(), query.sql);
  if (std::getenv("MILLRACE_PRINT")) std::printf("%s\n", sql::explain(*plan).c_str());
  count_operators(*plan);
  deep_ += query.depth >= 3;

  uint32_t workers = 1 + random() % 2;
  auto made = make_graph(*plan, workers);
  ASSERT_TRUE(made.ok()) << made.error().message;
  std::unique_ptr<dataflow::Graph> graph = std::move(made).value();
  Collector view;
  int64_t next_id = 1;
  size_t steps = 3 + random() % 6;
  for (size_t step = 0; step < steps; ++step) {
    Deltas deltas(tables, random);
    // The first step finds nothing; the last one takes away all that can go.
    for (Table& table : tables.all()) {
      while (step + 1 == steps && !table.append_only && !table.rows.empty())
        deltas.erase(table.name, random() % table.rows.size());
      for (size_t i = step == 0 || step + 1 == steps ? 0 : random() % 60; i > 0; --i) {
        bool erase = !table.append_only && !table.rows.empty() && random() % 3 == 0;
        if (erase) {
          deltas.erase(table.name, random() % table.rows.size());
        } else {
          deltas.insert(table.name, random_row(random, random() % 10 == 0 ? 1 : next_id++));
        }
      }
    }
    if (step > 0 && random() % 4 == 0) {
      workers = 1 + random() % 2;
      auto again = restarted(*graph, *plan, workers);
      ASSERT_TRUE(again.ok()) << again.error().message;
      graph = std::move(again).value();
      ++restarts_;
    }
    ThreadPool pool(workers, true);
    Status status = graph->step(deltas, {}, view, pool);
    ASSERT_TRUE(status.ok()) << status.error().message;
    auto expected = sql::run_query(*sessions_[2], tables, query.sql, 0, 10000000);
    ASSERT_TRUE(expected.ok()) << render(expected.error(), query.sql);
    Bag oracle;
    for (const batch::Batch& batch : expected->batches) add_rows(oracle, batch);
    ASSERT_EQ(difference(view.bag, oracle), "") << "after step " << step << " on " << workers << " workers\n"
                                                << sql::explain(*plan);
  }
  retractions_ += view.retractions;
}

TEST_F(RandomViews, EqualDuckDB) {
  uint64_t first = from_environment("MILLRACE_SEED", 1);
  uint64_t count = from_environment("MILLRACE_SEEDS", 200);
  for (uint64_t seed = first; seed < first + count && !HasFatalFailure(); ++seed) run(seed);
  std::string report;
  for (const auto& [name, times] : occurrences_) report += "  " + name + ": " + std::to_string(times) + "\n";
  std::printf(
      "%s  retractions in results: %llu\n  queries 3 or more operators deep: %d of %llu; refused: %d; restarts: %d\n",
      report.c_str(), static_cast<unsigned long long>(retractions_), deep_, static_cast<unsigned long long>(count),
      refused_, restarts_);
  if (count < 200 || HasFailure()) return;
  for (const char* name : {"Filter",
                           "Project",
                           "Unnest",
                           "UnionAll",
                           "Aggregate fast",
                           "Aggregate general",
                           "DistinctOn",
                           "TopN",
                           "TopN by",
                           "Window kernel",
                           "Window general",
                           "Join inner",
                           "Join left",
                           "Join right",
                           "Join full",
                           "Join semi",
                           "Join anti",
                           "Join mark",
                           "Join without keys",
                           "SetOperation",
                           "AsofJoin"}) {
    EXPECT_GT(occurrences_[name] + occurrences_[std::string(name) + ", retracting input"], 0)
        << name << " never occurred";
    EXPECT_GT(occurrences_[std::string(name) + ", retracting input"], 0) << name << " never saw a retracting input";
  }
  EXPECT_GT(occurrences_["Aggregate of everything"], 20);
  EXPECT_GT(occurrences_["Constant"], 0);
  EXPECT_GT(retractions_, 0u);
  EXPECT_GE(deep_ * 2, static_cast<int>(count));
  EXPECT_EQ(refused_, 0);
  EXPECT_GT(restarts_, 0);
}

}  // namespace
}  // namespace millrace::test
