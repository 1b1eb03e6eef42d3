#include "dataflow/window_bound.h"

namespace millrace::dataflow {

WindowTracker::WindowTracker(const plan::WindowBound& bound, const plan::Aggregate& aggregate, const plan::Node& input)
    : bound_(bound),
      column_(bound.end_call < 0
                  ? aggregate.group_columns[bound.group_index]
                  : static_cast<uint32_t>(aggregate.calls[static_cast<size_t>(bound.end_call)].argument)),
      type_(input.output[column_].type),
      watermark_column_(input.watermark_column),
      key_codec_(input.output.types(), aggregate.group_columns) {}

int64_t WindowTracker::to_micros(const batch::ColumnView& column, size_t row) const {
  switch (type_.id()) {
    case batch::TypeId::kDate: return int64_t{column.at<int32_t>(row)} * 86400000000;
    case batch::TypeId::kTimestampS: return column.at<int64_t>(row) * 1000000;
    case batch::TypeId::kTimestampMs: return column.at<int64_t>(row) * 1000;
    case batch::TypeId::kTimestampNs: return column.at<int64_t>(row) / 1000;
    default: return column.at<int64_t>(row);
  }
}

std::optional<int64_t> WindowTracker::closes_at(const batch::Batch& batch, size_t row) const {
  const batch::ColumnView column = batch.column(column_);
  if (column.is_null(row)) return std::nullopt;
  int64_t at;
  const int64_t grace = bound_.end_offset.micros + bound_.allowed_lateness.micros;
  if (__builtin_add_overflow(to_micros(column, row), grace, &at)) return std::nullopt;  // an infinite timestamp
  return at;
}

bool WindowTracker::is_late(const batch::Batch& batch, size_t row, int64_t closes_at) const {
  if (bound_.close != plan::WindowClose::kRows && bound_.close != plan::WindowClose::kRowsBeside) return false;
  if (watermark_ >= closes_at) return true;
  if (watermark_column_ < 0) return false;
  const batch::ColumnView watermark = batch.column(static_cast<size_t>(watermark_column_));
  return !watermark.is_null(row) && watermark.at<int64_t>(row) >= closes_at;
}

Status WindowTracker::add_restored(uint64_t hash, std::string_view key) {
  batch::Batch decoded(key_codec_.types());
  decoded.set_rows(1);
  MR_TRY(key_codec_.decode(key, decoded, 0));
  const batch::ColumnView column = decoded.column(bound_.group_index);
  if (column.is_null(0)) return {};
  int64_t at;
  const int64_t grace = bound_.end_offset.micros + bound_.allowed_lateness.micros;
  if (!__builtin_add_overflow(to_micros(column, 0), grace, &at)) add(at, hash, key);
  return {};
}

Status WindowTracker::close_due(const std::function<Status(uint64_t, std::string_view)>& visit) {
  while (due()) {
    const KeysByTime::Keys keys = open_.take_earliest();
    MR_TRY(keys.for_each(visit));
  }
  return {};
}

}  // namespace millrace::dataflow
