// Views on a graph of their own, fed the steps of a history. What they emit is folded, as a reader of their changelogs
// does.
#pragma once

#include <memory>
#include <span>

#include "batch/instance.h"
#include "tables.h"

namespace millrace::test {

/// DuckDB with our functions, and a session for each worker and one more.
class Database {
 public:
  static constexpr uint32_t kWorkersMax = 4;
  /// `prepare` as for SqlInstance::open.
  static Result<std::unique_ptr<Database>> open(void (*prepare)(duckdb::Connection&));

  batch::Session& oracle() { return *sessions_.back(); }
  std::vector<batch::Session*> of_workers() const;

 private:
  std::unique_ptr<batch::SqlInstance> instance_;
  std::vector<std::unique_ptr<batch::Session>> sessions_;
};

class ViewRun {
 public:
  /// All of these outlive the run. A view stands behind those that it reads.
  ViewRun(Database& database, const History& history, std::vector<dataflow::ViewPlan> views)
      : database_(database), history_(history), views_(std::move(views)) {}

  /// Fails also when what was emitted so far holds a row less than zero times, or a row failed or was late.
  Status step(const Step& step);
  const Bag& rows(const std::string& view) { return sink_.bags[view]; }
  uint64_t retractions() const { return sink_.retractions; }

 private:
  struct Sink final : public dataflow::ViewSink {
    Status emit(uint32_t worker, const std::string& view, const batch::Batch& batch) override;
    std::map<std::string, Bag> bags;
    uint64_t retractions = 0;
  };
  struct Side final : public dataflow::SideOutput {
    void row_failed(OperatorId, std::string_view text, const batch::Batch&, size_t, batch::int128,
                    std::string_view message) override {
      problem = "a row failed in " + std::string(text) + ": " + std::string(message);
    }
    void row_late(OperatorId, size_t, const batch::Batch&, size_t, batch::int128) override {
      problem = "a row was late";
    }
    std::string problem;
  };

  Result<std::unique_ptr<dataflow::Graph>> make_graph(uint32_t workers);
  Status restart(uint32_t workers);

  Database& database_;
  const History& history_;
  std::vector<dataflow::ViewPlan> views_;
  std::unique_ptr<dataflow::Graph> graph_;
  Sink sink_;
  Side side_;
};

}  // namespace millrace::test
