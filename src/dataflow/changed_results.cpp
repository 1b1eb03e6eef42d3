#include "dataflow/changed_results.h"

#include <algorithm>

#include "dataflow/operators.h"

namespace millrace::dataflow {
namespace {

std::vector<batch::Type> joined(std::vector<batch::Type> types, const std::vector<batch::Type>& more) {
  types.insert(types.end(), more.begin(), more.end());
  return types;
}

}  // namespace

ChangedResults::ChangedResults(StandingRows& standing, const batch::RowCodec& results,
                               const std::vector<uint32_t>& output)
    : standing_(standing),
      results_codec_(results),
      output_(output),
      wide_(joined(standing.rows().codec(0).types(), results.types())) {}

void ChangedResults::begin(StandingRows::Group group, std::string_view row) {
  group_ = group;
  row_ = row;
  differences_.clear();
}

void ChangedResults::end() {
  if (differences_.size() == 2 && differences_[0].first == differences_[1].first &&
      differences_[0].second + differences_[1].second == 0)
    return;
  std::sort(differences_.begin(), differences_.end());
  for (size_t at = 0; at < differences_.size();) {
    const std::string_view results = differences_[at].first;
    int64_t diff = 0;
    for (; at < differences_.size() && differences_[at].first == results; ++at) diff += differences_[at].second;
    if (diff == 0) continue;
    standing_.change(group_, row_, results, diff);
    if (results.empty()) continue;
    rows_.push_back(standing_.rows().piece(row_, 0));
    results_.push_back(results);
    diffs_.push_back(diff);
  }
}

Status ChangedResults::emit(Output& out, OperatorStats& stats) {
  const size_t columns = standing_.rows().codec(0).types().size();
  for (size_t start = 0; start < rows_.size(); start += batch::kBatchRows) {
    const size_t rows = std::min<size_t>(batch::kBatchRows, rows_.size() - start);
    wide_.reset();
    wide_.set_rows(rows);
    MR_TRY(standing_.rows().codec(0).decode_rows(std::span(rows_).subspan(start, rows), wide_, 0, 0));
    MR_TRY(results_codec_.decode_rows(std::span(results_).subspan(start, rows), wide_, 0, columns));
    batch::Batch batch = wide_.project(output_);
    const auto first = diffs_.begin() + static_cast<int64_t>(start);
    std::vector<int64_t> diffs(first, first + static_cast<int64_t>(rows));
    if (std::any_of(diffs.begin(), diffs.end(), [](int64_t diff) { return diff != 1; }))
      batch.set_diffs(std::move(diffs));
    MR_TRY(push_one(batch, out, stats));
  }
  rows_.clear();
  results_.clear();
  diffs_.clear();
  return {};
}

}  // namespace millrace::dataflow
