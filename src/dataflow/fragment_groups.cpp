#include "dataflow/fragment_groups.h"

namespace millrace::dataflow {

Status FragmentGroups::run(size_t groups, const Feed& feed, const Take& take, const Fail& fail) {
  if (groups == 0) return {};
  return run_range(0, groups, feed, take, fail);
}

Result<std::vector<batch::Batch>> FragmentGroups::input(size_t first, size_t last, const Feed& feed) {
  batch::BatchBuilder builder(std::vector<batch::Type>(fragment_.input_types().begin(), fragment_.input_types().end()));
  Status status;
  for (size_t group = first; group < last && status.ok(); ++group) {
    feed(group, [&](std::string_view row, int64_t count) {
      for (int64_t copy = 0; copy < count && status.ok(); ++copy) {
        batch::Batch& batch = builder.current();
        batch.mutable_column(0).set<int64_t>(builder.row(), static_cast<int64_t>(group));
        status = rows_.decode(row, batch, builder.row(), 1);
        builder.finish_row(1);
      }
    });
  }
  MR_TRY(std::move(status));
  return builder.take();
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
