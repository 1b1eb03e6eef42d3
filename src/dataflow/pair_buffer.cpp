#include "dataflow/pair_buffer.h"

#include <algorithm>

namespace millrace::dataflow {

Status PairBuffer::add(std::string_view left, std::string_view right, int64_t diff, Output& out, OperatorStats& stats) {
  pairs_.bytes[0].append(left);
  pairs_.ends[0].push_back(pairs_.bytes[0].size());
  pairs_.bytes[1].append(right);
  pairs_.ends[1].push_back(pairs_.bytes[1].size());
  pairs_.diffs.push_back(diff);
  return pairs_.diffs.size() == batch::kBatchRows ? flush(pairs_, true, out, stats) : Status();
}

Status PairBuffer::add_alone(std::string_view left, int64_t diff, Output& out, OperatorStats& stats) {
  alone_.bytes[0].append(left);
  alone_.ends[0].push_back(alone_.bytes[0].size());
  alone_.diffs.push_back(diff);
  return alone_.diffs.size() == batch::kBatchRows ? flush(alone_, false, out, stats) : Status();
}

Status PairBuffer::flush(Output& out, OperatorStats& stats) {
  MR_TRY(flush(pairs_, true, out, stats));
  return flush(alone_, false, out, stats);
}

Status PairBuffer::flush(Pending& pending, bool with_partner, Output& out, OperatorStats& stats) {
  const size_t rows = pending.diffs.size();
  if (rows == 0) return {};
  output_.reset();
  output_.set_rows(rows);
  MR_TRY(decode(pending, 0, 0));
  const size_t left_columns = codecs_[0]->types().size();
  if (!with_partner) {
    for (size_t column = left_columns; column < output_.columns(); ++column) {
      batch::MutableColumn cells = output_.mutable_column(column);
      for (size_t row = 0; row < rows; ++row) cells.set_null(row);
    }
  } else if (output_.columns() > left_columns) {
    MR_TRY(decode(pending, 1, left_columns));
  }
  if (std::any_of(pending.diffs.begin(), pending.diffs.end(), [](int64_t diff) { return diff != 1; }))
    output_.set_diffs(pending.diffs);
  for (size_t side = 0; side < 2; ++side) pending.bytes[side].clear(), pending.ends[side].clear();
  pending.diffs.clear();
  return push_one(output_, out, stats);
}

Status PairBuffer::decode(const Pending& pending, size_t side, size_t first_column) {
  pieces_.clear();
  size_t start = 0;
  for (size_t end : pending.ends[side]) {
    pieces_.push_back(std::string_view(pending.bytes[side]).substr(start, end - start));
    start = end;
  }
  return codecs_[side]->decode_rows(pieces_, output_, 0, first_column);
}

}  // namespace millrace::dataflow
