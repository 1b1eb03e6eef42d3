// The oracle: what the streams hold, read back and judged against what was sent, and DuckDB over exactly that.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "batch/instance.h"
#include "simulation/producers.h"
#include "sql/bind.h"

namespace millrace::simulation {

using Bag = std::map<std::string, int64_t>;  ///< row → how many times

/// The first rows in which two bags differ; empty when they do not.
std::string difference(const Bag& found, const Bag& wanted);
Bag bag_of(const std::vector<batch::Batch>& batches);

/// A record as it lies in the log.
struct Stored {
  int32_t partition = 0;
  int64_t offset = 0;
  const Message* message = nullptr;
};

class Oracle final : public sql::RelationResolver {
 public:
  explicit Oracle(batch::SqlInstance& instance) : session_(instance) {}

  /// Takes what is in the streams now as the input of the views, after judging it: nothing lost that was acked, nothing
  /// twice, nothing that nobody sent, order kept, nothing changed since the last time. Empty when all is well.
  std::string take_input(engine::Node& node, const std::vector<Producer>& producers);
  void set_names(std::map<int64_t, std::string> names) { names_ = std::move(names); }
  /// What a query over `events`, `notes` and `names` returns. The streams have the columns `part` and `pos` besides.
  Result<Bag> run(const std::string& query);
  const std::vector<Stored>& stored(const std::string& stream) const { return stored_.at(stream); }

  std::optional<sql::RelationInfo> find(std::string_view name) const override;
  std::string suggestion(std::string_view) const override { return {}; }
  Result<std::unique_ptr<sql::RelationReader>> read(std::string_view name) const override;

 private:
  std::string take_stream(engine::Node& node, const std::string& stream, const std::vector<Producer>& producers);
  std::string take_dead(engine::Node& node, const std::string& stream, const std::vector<Producer>& producers);

  batch::Session session_;
  std::map<std::string, std::vector<Stored>> stored_{{"events", {}}, {"notes", {}}};
  std::map<int64_t, std::string> names_;
};

}  // namespace millrace::simulation
