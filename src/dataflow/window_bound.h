// WindowTracker: when the groups of a windowed aggregate close, and which rows are late for them.
//
// A row is late when the watermark of its own partition, over the rows before it, had passed its window's end plus the
// allowed lateness, or when the operator has closed that window already (an idle partition). It keeps the keys of open
// groups by the time at which they close; it is rebuilt from the operator's table after a restore.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batch/batch.h"
#include "batch/row_codec.h"
#include "dataflow/timed_rows.h"
#include "plan/plan.h"

namespace millrace::dataflow {

class WindowTracker {
 public:
  /// `input`: the node that the aggregate reads.
  WindowTracker(const plan::WindowBound& bound, const plan::Aggregate& aggregate, const plan::Node& input);

  /// The time (µs) at which the row's window closes; nothing when the bound column is NULL: such a group never closes.
  std::optional<int64_t> closes_at(const batch::Batch& batch, size_t row) const;
  bool is_late(const batch::Batch& batch, size_t row, int64_t closes_at) const;
  /// Late rows are to be counted and kept; else another aggregate does it.
  bool reports_late() const { return bound_.close != plan::WindowClose::kRowsBeside; }
  /// When a window of a session closes that ends there (µs).
  int64_t closes_after(int64_t end) const { return end + bound_.end_offset.micros + bound_.allowed_lateness.micros; }
  /// The call whose result is the end of a group's window, or -1: it may have moved since the group was added.
  int32_t end_call() const { return bound_.end_call; }
  bool is_due(int64_t closes_at) const { return closes_at <= watermark_; }
  /// A group was made. A key may be added twice.
  void add(int64_t closes_at, uint64_t hash, std::string_view key) { open_.add(closes_at, hash, key); }
  /// The same, from the key alone, after a restore.
  Status add_restored(uint64_t hash, std::string_view key);
  void advance(Timestamp watermark) { watermark_ = std::max(watermark_, watermark.micros); }
  /// Calls `visit` with the keys of all groups that are due, earliest first, and forgets them.
  Status close_due(const std::function<Status(uint64_t hash, std::string_view key)>& visit);
  bool emit_on_close() const { return bound_.emit_on_close; }
  /// Some group is due once the watermark is there.
  bool due_at(Timestamp watermark) const { return !open_.empty() && open_.earliest() <= watermark.micros; }
  /// Some group may be due: the watermark passed the earliest time.
  bool due() const { return due_at(Timestamp{watermark_}); }

 private:
  int64_t to_micros(const batch::ColumnView& column, size_t row) const;

  plan::WindowBound bound_;
  uint32_t column_;  // of the input
  batch::Type type_;
  int32_t watermark_column_;
  batch::RowCodec key_codec_;  // decodes a group's key
  int64_t watermark_ = INT64_MIN;
  KeysByTime open_;
};

}  // namespace millrace::dataflow
