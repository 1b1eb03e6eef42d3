#include "dataflow/fragment_groups.h"

#include <algorithm>

namespace millrace::dataflow {

Status FragmentGroups::run(size_t groups, const Feed& feed, const Take& take, const Fail& fail) {
  if (groups == 0) return {};
  return run_range(0, groups, feed, take, fail);
}

Result<std::vector<batch::Batch>> FragmentGroups::input(size_t first, size_t last, const Feed& feed) {
  const std::vector<batch::Type> types(fragment_.input_types().begin(), fragment_.input_types().end());
  std::vector<batch::Batch> batches;
  std::vector<std::string_view> rows;
  std::vector<int64_t> numbers, places;
  Status status;
  const auto flush = [&] {
    if (rows.empty() || !status.ok()) return;
    batch::Batch batch(types);
    batch.set_rows(rows.size());
    std::copy(numbers.begin(), numbers.end(), batch.mutable_column(0).values<int64_t>());
    if (has_places_)
      std::copy(places.begin(), places.end(), batch.mutable_column(types.size() - 1).values<int64_t>());
    status = rows_.decode_rows(rows, batch, 0, 1);
    batches.push_back(std::move(batch));
    rows.clear();
    numbers.clear();
    places.clear();
  };
  for (size_t group = first; group < last; ++group) {
    int64_t place = 0;
    feed(group, [&](std::string_view row, int64_t count) {
      for (int64_t copy = 0; copy < count; ++copy) {
        rows.push_back(row);
        numbers.push_back(static_cast<int64_t>(group));
        places.push_back(place++);
        if (rows.size() == batch::kBatchRows) flush();
      }
    });
  }
  flush();
  MR_TRY(std::move(status));
  return batches;
}

Status FragmentGroups::run_range(size_t first, size_t last, const Feed& feed, const Take& take, const Fail& fail) {
  MR_ASSIGN(const std::vector<batch::Batch> rows, input(first, last, feed));
  auto results = batch::run_fragment(session_, fragment_, rows);
  if (!results.ok()) {
    if (results.error().retry != Retry::kNever) return std::move(results).error();
    if (last - first == 1) return fail(first, results.error().message);
    const size_t middle = first + (last - first) / 2;
    MR_TRY(run_range(first, middle, feed, take, fail));
    return run_range(middle, last, feed, take, fail);
  }
  for (const batch::Batch& batch : *results) {
    const batch::ColumnView numbers = batch.column(0);
    for (size_t row = 0; row < batch.rows(); ++row) {
      const size_t group = rows.empty() ? first : static_cast<size_t>(numbers.at<int64_t>(row));
      MR_TRY(take(group, batch, row));
    }
  }
  return {};
}

}  // namespace millrace::dataflow
