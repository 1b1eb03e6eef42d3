#include "dataflow/frame_results.h"

#include <algorithm>
#include <numeric>

namespace millrace::dataflow {
namespace {

std::vector<uint32_t> columns_from(size_t first, size_t count) {
  std::vector<uint32_t> columns(count);
  std::iota(columns.begin(), columns.end(), static_cast<uint32_t>(first));
  return columns;
}

}  // namespace

FrameResults::FrameResults(batch::Session& session, const batch::Fragment& fragment, const batch::RowCodec& rows,
                           const std::vector<batch::Type>& calls)
    : codec_(batch::RowCodec::of_all(calls, batch::RowForm::kExact)),
      fragment_(session, fragment, rows),
      place_column_(static_cast<uint32_t>(fragment.input_types().size() - 1)),
      call_columns_(columns_from(fragment.input_types().size(), calls.size())) {}

Status FrameResults::compute(const FrameReader& reader, const SortedRows& rows,
                             std::span<const FrameStretch> stretches, size_t first,
                             std::vector<std::pair<size_t, std::string>>& failed) {
  std::vector<size_t> filled;
  for (size_t stretch = first; stretch < stretches.size(); ++stretch) {
    const FrameStretch& at = stretches[stretch];
    first_found_.push_back(found_.size());
    for (size_t item = at.first; item < at.last; ++item)
      found_.resize(found_.size() + static_cast<size_t>(reader.items[item].now));
    const auto from = reader.items.begin() + static_cast<int64_t>(at.first_reached);
    const auto to = reader.items.begin() + static_cast<int64_t>(at.last_reached);
    if (std::any_of(from, to, [](const StandingItem& item) { return item.now > 0; })) filled.push_back(stretch);
  }
  const auto feed = [&](size_t group, const auto& add) {
    const FrameStretch& at = stretches[filled[group]];
    for (size_t item = at.first; item < at.last; ++item)
      add(rows.piece(reader.items[item].row, 0), reader.items[item].now);
  };
  const auto take_row = [&](size_t group, const batch::Batch& results, size_t row) -> Status {
    take(filled[group], results, row);
    return {};
  };
  const auto fail = [&](size_t group, std::string_view message) -> Status {
    failed.emplace_back(filled[group], message);
    return {};
  };
  return fragment_.run(filled.size(), feed, take_row, fail);
}

void FrameResults::take(size_t stretch, const batch::Batch& results, size_t row) {
  if (row == 0) codec_.encode(results.project(call_columns_), call_buffer_);
  const auto place = static_cast<size_t>(results.column(place_column_).at<int64_t>(row));
  const std::string_view encoded = call_buffer_.row(row);
  found_[first_found_[stretch] + place] = {bytes_.size(), encoded.size(), true};
  bytes_.append(encoded);
}

std::string_view FrameResults::of(size_t stretch, size_t place) const {
  const Found& found = found_[first_found_[stretch] + place];
  MR_CHECK(found.is_there, "DuckDB gave other rows than it got");
  return std::string_view(bytes_).substr(found.start, found.length);
}

void FrameResults::clear() {
  first_found_.clear();
  found_.clear();
  bytes_.clear();
}

}  // namespace millrace::dataflow
