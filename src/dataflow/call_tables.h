// CallTables: what a call, or several together, keep in tables of their own beside their states in the group's value,
// and results that do not fit in a Cell.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "batch/row_codec.h"
#include "dataflow/accumulator.h"
#include "state/table.h"

namespace millrace::dataflow {

class CallTables {
 public:
  virtual ~CallTables() = default;

  /// Adds a batch; row i belongs to the group with keys.hash(i) and keys.row(i), whose value is states[i]; nullptr: the
  /// row does not count.
  virtual void update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys) = 0;
  /// The group's states are exact from here on. Called for each touched group before its result is read.
  virtual Status settle(uint64_t hash, std::string_view key, char* group_value) {
    (void)hash, (void)key, (void)group_value;
    return {};
  }
  /// The call's result is not in its state: it is result_bytes(), unless the state says NULL.
  virtual bool gives_bytes() const { return false; }
  /// Equal exactly when the results are; empty when there is none. Valid until the group changes.
  virtual std::string_view result_bytes(uint64_t hash, std::string_view key) {
    (void)hash, (void)key;
    return {};
  }
  /// Writes such bytes into a row of an output column.
  virtual Status write_result(std::string_view bytes, batch::Batch& batch, size_t row, size_t column) const {
    (void)bytes, (void)batch, (void)row, (void)column;
    return {};
  }
  /// The group ended.
  virtual void forget(uint64_t hash, std::string_view key) = 0;
  virtual Status finish_step() { return {}; }

  virtual std::array<state::Table*, 2> tables() = 0;
};

}  // namespace millrace::dataflow
