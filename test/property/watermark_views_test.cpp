// P1 with time: at every step a view over streams with watermarks holds what DuckDB returns for the same SELECT over
// the rows taken so far without exactly those that it reports late, and these are those that the rules call late. Rows
// out of order, several partitions, random cuts into steps, 1 to 4 workers, restarts; every change and on close.
//
// MILLRACE_SEEDS=n runs n seeds (264), MILLRACE_SEED=s starts at s (1): a failing seed is printed and repeats exactly.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "sql/bind.h"
#include "watermark_queries.h"

namespace millrace::test {
namespace {

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

std::string difference(const Bag& view, const Bag& oracle) {
  std::string text;
  for (const auto& [row, count] : view) {
    auto found = oracle.find(row);
    if (found == oracle.end() || found->second != count)
      text += "  view has " + std::to_string(count) + " x " + row + "\n";
  }
  for (const auto& [row, count] : oracle) {
    auto found = view.find(row);
    if (found == view.end() || found->second != count)
      text += "  DuckDB has " + std::to_string(count) + " x " + row + "\n";
  }
  return text.substr(0, 1200);
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

/// What the operators of a plan call late.
class LateRows final : public dataflow::SideOutput {
 public:
  explicit LateRows(const plan::Plan& plan) : plan_(plan) {}

  void row_failed(OperatorId, std::string_view op, const batch::Batch&, size_t, batch::int128,
                  std::string_view message) override {
    ADD_FAILURE() << "a row failed in " << op << ": " << message;
  }
  void row_late(OperatorId op, size_t port, const batch::Batch& batch, size_t row, batch::int128 order) override {
    for (const plan::Node& node : plan_.nodes) {
      if (node.id != op) continue;
      const auto stream = plan::positions_from(plan_, node.inputs[port]);
      ASSERT_TRUE(stream);
      int64_t end = kNoTime;
      if (const auto* aggregate = std::get_if<plan::Aggregate>(&node.operation)) {
        const plan::WindowBound& bound = *aggregate->window;
        end = batch.column(aggregate->group_columns[bound.group_index]).at<int64_t>(row) + bound.end_offset.micros;
      }
      rows.insert({*stream, static_cast<int64_t>(order), end});
    }
  }
  std::set<LateRow> rows;

 private:
  const plan::Plan& plan_;
};

std::string print(const std::set<LateRow>& rows) {
  std::string text;
  for (const auto& [stream, id, end] : rows)
    text += stream + " " + std::to_string(id) + " " + std::to_string(end) + "\n";
  return text;
}

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class WatermarkViews : public ::testing::Test {
 protected:
  static constexpr uint32_t kWorkersMax = 4;

  void SetUp() override {
    auto opened = batch::SqlInstance::open({}, sql::register_functions);
    ASSERT_TRUE(opened.ok());
    instance_ = std::move(opened).value();
    for (uint32_t i = 0; i <= kWorkersMax; ++i) sessions_.push_back(std::make_unique<batch::Session>(*instance_));
  }

  Result<std::unique_ptr<dataflow::Graph>> make_graph(const plan::Plan& plan, LateRows& side, uint32_t workers) {
    std::vector<batch::Session*> sessions;
    for (auto& session : sessions_) sessions.push_back(session.get());
    return dataflow::Graph::build({{"v", &plan}}, {workers}, sessions,
                                  [&](const std::string&, uint32_t) { return &side; });
  }

  /// A graph with the same state, as after a restart.
  Result<std::unique_ptr<dataflow::Graph>> restarted(dataflow::Graph& old, const plan::Plan& plan, LateRows& side,
                                                     uint32_t workers,
                                                     const std::map<std::string, Timestamp>& watermarks) {
    MR_ASSIGN(auto graph, make_graph(plan, side, workers));
    Status status;
    for (const state::TableRef& table : old.tables()) {
      table.table->for_each([&](const state::Entry& entry) {
        if (status.ok()) status = graph->restore(table.id, entry);
      });
    }
    MR_TRY(std::move(status));
    graph->advance(watermarks, {});
    return graph;
  }

  void compare(const WatermarkQuery& query, WatermarkStreams& streams, const Collector& view, const LateRows& side,
               int64_t watermark);
  void run(uint64_t seed);

  std::unique_ptr<batch::SqlInstance> instance_;
  std::vector<std::unique_ptr<batch::Session>> sessions_;
  std::map<std::string, uint64_t> occurred_;
};

void WatermarkViews::compare(const WatermarkQuery& query, WatermarkStreams& streams, const Collector& view,
                             const LateRows& side, int64_t watermark) {
  const std::set<LateRow> late = query.late(streams);
  if (query.late_may_not_come) {
    for (const LateRow& row : side.rows) ASSERT_TRUE(late.contains(row)) << print({row}) << "is not late";
  } else {
    ASSERT_EQ(print(side.rows), print(late));
  }
  streams.late = late;
  const std::string sql = query.oracle(watermark);
  auto expected = sql::run_query(*sessions_[kWorkersMax], streams, sql, 0, 10000000);
  ASSERT_TRUE(expected.ok()) << render(expected.error(), sql);
  Bag oracle;
  for (const batch::Batch& batch : expected->batches) add_rows(oracle, batch);
  ASSERT_EQ(difference(view.bag, oracle), "") << sql;
}

void WatermarkViews::run(uint64_t seed) {
  std::mt19937_64 random(seed * 7919);
  const WatermarkQuery query = random_watermark_query(random, seed);
  WatermarkStreams streams(random, query.streams);
  SCOPED_TRACE("MILLRACE_SEED=" + std::to_string(seed) + " MILLRACE_SEEDS=1\n" + query.view +
               (query.on_close ? "\non close" : "") + "\nlateness " + std::to_string(query.lateness));
  sql::ViewOptions options;
  options.emit_on_window_close = query.on_close;
  options.allowed_lateness = Duration{query.lateness};
  auto plan = sql::bind_view(*sessions_[0], streams, query.view, options);
  ASSERT_TRUE(plan.ok()) << render(plan.error(), query.view);
  SCOPED_TRACE(sql::explain(*plan));
  const auto last = std::count_if(plan->nodes.begin(), plan->nodes.end(), [](const plan::Node& node) {
    const auto* aggregate = std::get_if<plan::Aggregate>(&node.operation);
    return aggregate && aggregate->general;
  });
  ++occurred_[query.kind + (query.on_close ? ", on close" : ", every change")];
  if (last > 0) ++occurred_["general aggregate"];
  if (query.lateness > 0) ++occurred_["lateness allowed"];

  LateRows side(*plan);
  Collector view;
  streams.workers = 1 + static_cast<uint32_t>(random() % kWorkersMax);
  auto made = make_graph(*plan, side, streams.workers);
  ASSERT_TRUE(made.ok()) << made.error().message;
  std::unique_ptr<dataflow::Graph> graph = std::move(made).value();
  std::map<std::string, Timestamp> watermarks;
  for (bool more = true; more && !HasFailure();) {
    more = streams.take(random() % 12 == 0);
    if (!more) break;
    watermarks = streams.watermarks();
    ThreadPool pool(streams.workers, true);
    Status status = graph->step(streams, watermarks, view, pool);
    ASSERT_TRUE(status.ok()) << status.error().message;
    streams.finish_step();
    ++occurred_["steps on " + std::to_string(streams.workers) + " workers"];
    int64_t smallest = INT64_MAX;
    for (const std::string& stream : graph->watermarked_by("v"))
      smallest = std::min(smallest, watermarks[stream].micros);
    compare(query, streams, view, side, smallest);
    if (HasFailure() || random() % 4 != 0) continue;
    streams.workers = 1 + static_cast<uint32_t>(random() % kWorkersMax);
    auto again = restarted(*graph, *plan, side, streams.workers, watermarks);
    ASSERT_TRUE(again.ok()) << again.error().message;
    graph = std::move(again).value();
    ++occurred_["restarts"];
  }
  if (HasFailure()) return;
  constexpr int64_t kEndOfTime = INT64_MAX / 4;
  ThreadPool pool(streams.workers, true);
  Status status = graph->step(streams, {{"s", Timestamp{kEndOfTime}}, {"r", Timestamp{kEndOfTime}}}, view, pool);
  ASSERT_TRUE(status.ok()) << status.error().message;
  compare(query, streams, view, side, INT64_MAX / 8);
  uint64_t entries = 0;
  for (const auto& report : graph->report()) entries += report.state_entries;
  EXPECT_TRUE(query.streams.with_nulls || entries <= query.entries_left)
      << entries << " entries of state stay when all time has passed";
  EXPECT_TRUE(!query.on_close || view.retractions == 0);
  occurred_["rows late for " + query.kind] += side.rows.size();
  occurred_["rows taken back"] += view.retractions;
  occurred_["rows given"] += view.bag.size();
}

TEST_F(WatermarkViews, EqualDuckDBWithoutTheRowsThatAreLate) {
  const uint64_t first = from_environment("MILLRACE_SEED", 1);
  const uint64_t count = from_environment("MILLRACE_SEEDS", 264);
  for (uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) run(seed);
  for (const auto& [what, times] : occurred_)
    std::printf("  %s: %llu\n", what.c_str(), static_cast<unsigned long long>(times));
  if (count < 264 || HasFailure()) return;
  std::vector<std::string> kinds{"tumble", "hop", "cumulate", "session", "tumble of interval join", "temporal JOIN",
                                 "temporal LEFT JOIN", "tumble of temporal join"};
  for (const char* join : {"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"}) {
    kinds.push_back(std::string("interval ") + join);
    kinds.push_back(std::string("window ") + join);
  }
  std::vector<std::string> wanted{"general aggregate", "lateness allowed", "restarts", "rows taken back", "rows given"};
  for (const std::string& kind : kinds) {
    wanted.push_back(kind + ", on close");
    wanted.push_back(kind + ", every change");
    wanted.push_back("rows late for " + kind);
  }
  for (uint32_t workers = 1; workers <= kWorkersMax; ++workers)
    wanted.push_back("steps on " + std::to_string(workers) + " workers");
  for (const std::string& what : wanted) EXPECT_GT(occurred_[what], 0U) << what << " never occurred";
}

}  // namespace
}  // namespace millrace::test
