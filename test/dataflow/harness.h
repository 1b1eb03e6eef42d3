// What the operator tests share: rows as text, batches made of them, collectors, and a driver that feeds random deltas
// in random steps and compares the sum of an operator's output with a plain recomputation after every step.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "batch/row_codec.h"
#include "dataflow/operator.h"

namespace millrace::dataflow::testing {

/// Cells as text; kNull is NULL. Numbers and times are printed as integers, whatever their width.
using Row = std::vector<std::string>;
inline constexpr const char* kNull = "NULL";
/// Row → how often; never 0.
using Bag = std::map<Row, int64_t>;

void add(Bag& bag, const Row& row, int64_t diff);
std::string print(const Bag& bag);

batch::Type type(std::string_view name);
batch::Schema schema(const std::vector<std::string>& types);
batch::Batch make_batch(const batch::Schema& schema, const std::vector<std::pair<Row, int64_t>>& rows);
Row row_of(const batch::Batch& batch, size_t row);

batch::Session& session();

/// Sums up what an operator emits.
class Collector final : public Output {
 public:
  Status push(const batch::Batch& batch) override;
  Bag bag;
  uint64_t rows = 0;
  uint64_t retractions = 0;
};

class SideCollector final : public SideOutput {
 public:
  void row_failed(OperatorId op, std::string_view text, const batch::Batch& batch, size_t row, batch::int128 order,
                  std::string_view message) override;
  void row_late(OperatorId op, size_t port, const batch::Batch& batch, size_t row, batch::int128 order) override;
  Bag failed, late;
  std::string last_message;
};

/// A plan of inputs (as if they were Sources) and one node over them.
class Case {
 public:
  Case& input(const std::vector<std::string>& types, bool append_only, int order_column = -1,
              int watermark_column = -1);
  Case& node(plan::Operation operation, const std::vector<std::string>& output, int order_column = -1,
             int watermark_column = -1);

  std::unique_ptr<Operator> make(SideOutput& side) const;
  /// The same with what the tables of `from` hold, as after a restart.
  std::unique_ptr<Operator> restored(Operator& from, SideOutput& side) const;

  std::vector<std::unique_ptr<plan::Node>> inputs;
  plan::Node top;
};

struct Random {
  std::mt19937_64 engine;
  explicit Random(uint64_t seed) : engine(seed) {}
  uint64_t below(uint64_t limit) { return engine() % limit; }
  bool chance(uint64_t one_in) { return below(one_in) == 0; }
};

struct Property {
  /// A new row for an input. `serial` is different for every row.
  std::function<Row(Random&, size_t port, uint64_t serial)> row;
  /// What the node must give for these inputs.
  std::function<Bag(const std::vector<Bag>& inputs)> expected;
  int seeds = 200;
  int steps = 6;
  int rows_max = 40;       ///< in a batch
  int one_restart_in = 4;  ///< steps
};

/// Runs `steps` random steps a seed and checks the output's sum after each. Returns how many retractions came in.
uint64_t run(const Case& test, const Property& property);

/// "Work follows the change": feeds a million rows in 100,000 groups, shared evenly by the inputs, then one row for
/// each port in a step of its own. Each of these steps must have read at least 1 and at most 100 state rows.
inline constexpr uint64_t kManyRows = 1000000, kManyGroups = 100000;
void expect_one_more_reads_little(const Case& test, const std::function<Row(uint64_t serial, size_t port)>& row,
                                  const std::vector<Row>& last_of_port);

}  // namespace millrace::dataflow::testing
