// The relations of a property test while it runs: DuckDB reads their rows, a graph is fed their changes.
#pragma once

#include "dataflow/graph.h"
#include "history.h"
#include "sql/relation.h"

namespace millrace::test {

/// What is in the tables after some steps of a history. Views may be added for queries that read them.
class Tables final : public sql::RelationResolver {
 public:
  /// `history` must outlive this.
  explicit Tables(const History& history) : history_(history), rows_(history.tables.size()) {}

  void add_view(const std::string& name, const plan::Plan& plan);
  void apply(const Step& step);

  std::optional<sql::RelationInfo> find(std::string_view name) const override;
  std::string suggestion(std::string_view) const override { return {}; }
  /// Of tables only: views have no rows here.
  Result<std::unique_ptr<sql::RelationReader>> read(std::string_view name) const override;

 private:
  const History& history_;
  std::vector<std::vector<uint32_t>> rows_;  ///< of each table, into History::rows
  std::vector<sql::RelationInfo> views_;
};

/// One step's changes, in batches of random size. All changes of a row come from one worker.
class StepFeed final : public dataflow::SourceFeed {
 public:
  StepFeed(const History& history, const Step& step) : history_(history), step_(step) {}
  Status feed(uint32_t worker, const std::string& view, const plan::Node& source, dataflow::Output& out) override;

 private:
  const History& history_;
  const Step& step_;
};

}  // namespace millrace::test
