// Rows that leave a view's path: late ones and those whose expression threw. Collected by the workers during a step,
// written to the companions `<view>_late` and `<view>_error` by the commit.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dataflow/operator.h"

namespace millrace::engine {

/// One view on one worker.
class SideRows final : public dataflow::SideOutput {
 public:
  explicit SideRows(std::string view) : view_(std::move(view)) {}

  void row_failed(OperatorId op, std::string_view operator_text, const batch::Batch& batch, size_t row,
                  batch::int128 order, std::string_view message) override;
  void row_late(OperatorId op, const batch::Batch& batch, size_t row, batch::int128 order) override;

  /// JSON objects with the companion's columns, one a row.
  std::vector<std::string> take_errors() { return std::exchange(errors_, {}); }
  std::vector<std::string> take_late() { return std::exchange(late_, {}); }
  void clear() { errors_.clear(), late_.clear(); }

 private:
  std::string view_;
  std::vector<std::string> errors_;
  std::vector<std::string> late_;
};

/// The companion record of a stream's record that did not decode: a JSON object with the columns of `<stream>_dead`.
std::string dead_record_json(int32_t partition, int64_t offset, Timestamp append_time, std::string_view reason,
                             std::string_view raw);

}  // namespace millrace::engine
