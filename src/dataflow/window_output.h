// What OVER with native calls gives out: which pieces a row has, what a call's result is, and WindowOutput, which
// collects rows with results and emits them as batches. Private to the window operators.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dataflow/operator.h"
#include "dataflow/running.h"
#include "dataflow/sorted_rows.h"

namespace millrace::dataflow {

/// A call's result: a number, an encoded value, or NULL.
struct CallValue {
  batch::int128 number = 0;
  std::string_view bytes;
  bool is_null = false;
  friend bool operator==(const CallValue&, const CallValue&) = default;
};
CallValue result_of_running(const RunningCall& call, const RunningValue& value);

/// Which pieces of a row hold a call's argument and default.
struct CallPieces {
  int32_t argument = -1;
  int32_t default_value = -1;
  int32_t running = -1;   ///< place among the running calls
  bool is_piece = false;  ///< the result is a piece
};

struct WindowLayout {
  WindowLayout(const plan::Window& window, const plan::Node& input);

  std::vector<uint32_t> visible, hidden;
  std::vector<std::vector<uint32_t>> pieces;  ///< visible, hidden, then arguments and defaults
  std::vector<CallPieces> calls;
};

class WindowOutput {
 public:
  WindowOutput(const plan::Node& node, const plan::Window& window, const plan::Node& input, const WindowLayout& layout,
               const SortedRows& rows);

  /// What is handed in must stay until flush().
  void add(std::string_view row, const std::vector<CallValue>& values, int64_t diff);
  /// No room for two more rows.
  bool is_full() const { return rows_pending_.size() + 2 > batch::kBatchRows; }
  Status flush(Output& out, OperatorStats& stats);

 private:
  Status write_call(size_t call, size_t column);

  const plan::Window& window_;
  const WindowLayout& layout_;
  const SortedRows& rows_;
  batch::Batch batch_;
  std::vector<std::string> null_pieces_;  // NULLs as encoded, by piece
  std::vector<std::string_view> rows_pending_;
  std::vector<std::vector<CallValue>> values_pending_;  // by call
  std::vector<int64_t> diffs_pending_;
  std::vector<std::string_view> pieces_;
};

}  // namespace millrace::dataflow
