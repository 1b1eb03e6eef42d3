#include "view_run.h"

#include "sql/bind.h"

namespace millrace::test {

Result<std::unique_ptr<Database>> Database::open(void (*prepare)(duckdb::Connection&)) {
  auto database = std::make_unique<Database>();
  MR_ASSIGN(database->instance_, batch::SqlInstance::open({}, prepare));
  for (uint32_t i = 0; i <= kWorkersMax; ++i)
    database->sessions_.push_back(std::make_unique<batch::Session>(*database->instance_));
  return database;
}

std::vector<batch::Session*> Database::of_workers() const {
  std::vector<batch::Session*> sessions;
  for (uint32_t i = 0; i < kWorkersMax; ++i) sessions.push_back(sessions_[i].get());
  return sessions;
}

Status ViewRun::Sink::emit(uint32_t, const std::string& view, const batch::Batch& batch) {
  for (size_t row = 0; row < batch.rows(); ++row) retractions += batch.diff(row) < 0;
  add_rows(bags[view], batch);
  return {};
}

Result<std::unique_ptr<dataflow::Graph>> ViewRun::make_graph(uint32_t workers) {
  dataflow::GraphOptions options;
  options.workers = workers;
  return dataflow::Graph::build(views_, options, database_.of_workers(),
                                [this](const std::string&, uint32_t) { return &side_; });
}

/// A graph with the same state, as after a restart of a node on another number of workers.
Status ViewRun::restart(uint32_t workers) {
  MR_ASSIGN(auto graph, make_graph(workers));
  Status status;
  for (const state::TableRef& table : graph_->tables()) {
    table.table->for_each([&](const state::Entry& entry) {
      if (status.ok()) status = graph->restore(table.id, entry);
    });
  }
  graph_ = std::move(graph);
  return status;
}

Status ViewRun::step(const Step& step) {
  if (!graph_) {
    MR_ASSIGN(graph_, make_graph(step.workers));
  } else if (step.restart) {
    MR_TRY(restart(step.workers));
  }
  StepFeed feed(history_, step);
  ThreadPool pool(step.workers, true);
  MR_TRY(graph_->step(feed, {}, sink_, pool));
  if (!side_.problem.empty()) return internal_error(side_.problem);
  for (const auto& [view, bag] : sink_.bags) {
    for (const auto& [row, count] : bag) {
      if (count < 0) return internal_error("the changes of " + view + " hold " + std::to_string(count) + " x " + row);
    }
  }
  return {};
}

}  // namespace millrace::test
