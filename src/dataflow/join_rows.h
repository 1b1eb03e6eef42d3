// Private to dataflow/: what the joins share of making rows.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "batch/row_codec.h"

namespace millrace::dataflow {

/// `rows` rows of NULLs.
inline batch::Batch nulls(const std::vector<batch::Type>& types, size_t rows) {
  batch::Batch made(types);
  made.set_rows(rows);
  for (size_t column = 0; column < types.size(); ++column) {
    batch::MutableColumn cells = made.mutable_column(column);
    for (size_t row = 0; row < rows; ++row) cells.set_null(row);
  }
  return made;
}

inline void set_diffs(batch::Batch& batch, std::vector<int64_t> diffs) {
  const bool all_inserts = std::all_of(diffs.begin(), diffs.end(), [](int64_t diff) { return diff == 1; });
  batch.set_diffs(all_inserts ? std::vector<int64_t>() : std::move(diffs));
}

inline Result<batch::Batch> decode_rows(const batch::RowCodec& codec, std::span<const std::string_view> rows) {
  batch::Batch decoded(codec.types());
  decoded.set_rows(rows.size());
  MR_TRY(codec.decode_rows(rows, decoded, 0));
  return decoded;
}

}  // namespace millrace::dataflow
