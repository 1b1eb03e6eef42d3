// AppendedRows: the rows of a view that never takes one away, on one worker. They are kept in blocks of many rows, so
// that a row costs copies of its bytes alone: nothing is hashed and nothing is looked up.
//
// A block is an entry of a value table (docs/formats/state.md, "Rows of views"). The last one grows until it is full,
// so that commits of a few rows do not leave a block each.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/row_codec.h"
#include "state/table.h"

namespace millrace::engine {

class AppendedRows {
 public:
  /// Its blocks lie in the virtual nodes of this worker.
  AppendedRows(uint32_t worker, uint32_t workers) : worker_(worker), workers_(workers) {}

  /// Copies rows of the coming commit, each as often as its diff says, which is never negative.
  void stage(const batch::RowBuffer& rows, std::span<const int64_t> diffs);
  /// Blocks of staged rows, in the order in which these came; they live until apply().
  std::span<const std::string> staged() const { return std::span(staged_).first(staged_blocks_); }
  uint64_t staged_rows() const { return staged_rows_; }
  /// Puts what is staged into the table. `rows_before`: how many rows the view had before, on all workers.
  void apply(uint64_t rows_before);
  void clear_staged();

  /// Visits the rows of a block. Fails when its bytes are none.
  static Status visit_rows(std::string_view block, const std::function<void(std::string_view)>& visit);

  state::ValueTable& table() { return table_; }
  const state::ValueTable& table() const { return table_; }

 private:
  void stage_row(std::string_view row);
  void choose_key(uint64_t rows_before);

  const uint32_t worker_;
  const uint32_t workers_;
  state::ValueTable table_;
  std::vector<std::string> staged_;  // the first staged_blocks_ hold rows
  size_t staged_blocks_ = 0;
  uint64_t staged_rows_ = 0;
  uint64_t keys_tried_ = 0;  // in this commit
  // The table's last block, which may have room; empty after a start.
  std::string block_;
  std::string key_;
  uint64_t hash_ = 0;
};

}  // namespace millrace::engine
