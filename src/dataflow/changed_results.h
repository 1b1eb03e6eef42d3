// ChangedResults: how the results of rows differ from those that stand: changes of StandingRows, and rows to emit.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "dataflow/standing_rows.h"

namespace millrace::dataflow {

class ChangedResults {
 public:
  /// `output`: where the output's columns are in the columns of the rows' piece 0 followed by the results.
  ChangedResults(StandingRows& standing, const batch::RowCodec& results, const std::vector<uint32_t>& output);

  /// One row: results of some copies are taken away (diff below 0) or given. Empty results are not in the output.
  void begin(StandingRows::Group group, std::string_view row);
  void add(std::string_view results, int64_t diff) { differences_.emplace_back(results, diff); }
  void end();
  /// Emits all that differs, and forgets it. Before StandingRows::apply().
  Status emit(Output& out, OperatorStats& stats);

 private:
  StandingRows& standing_;
  const batch::RowCodec& results_codec_;
  const std::vector<uint32_t> output_;
  batch::Batch wide_;
  StandingRows::Group group_ = 0;
  std::string_view row_;
  std::vector<std::pair<std::string_view, int64_t>> differences_;  // of the row
  // To emit: views of pieces and results, which live as long as the step's rows do.
  std::vector<std::string_view> rows_, results_;
  std::vector<int64_t> diffs_;
};

}  // namespace millrace::dataflow
