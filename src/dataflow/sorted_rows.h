// SortedRows: rows of a batch as byte strings that sort as an ORDER BY says and then as the log does, for the operators
// that keep ordered rows (DISTINCT ON, OVER, ORDER BY … LIMIT).
//
// A row: its lengths (u32 of the sort key, then u32 of each piece), the sort key's bytes, 16 bytes of the order column
// (big endian, sign bit flipped, so that bytes compare as numbers), then the pieces: columns encoded by
// batch::RowCodec. What follows the lengths is `comparable`: sort keys are prefix-free, so comparing bytes compares by
// sort key, order, columns.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "batch/row_codec.h"

namespace millrace::dataflow {

class SortedRows {
 public:
  static constexpr size_t kOrderBytes = 16;
  /// Each piece is a list of columns of `input`; sort_key and order_column may be -1.
  SortedRows(const batch::Schema& input, int32_t sort_key, int32_t order_column,
             const std::vector<std::vector<uint32_t>>& pieces);

  /// Encodes all rows of the batch; what the last call gave is gone.
  void encode(const batch::Batch& batch);
  std::string_view row(size_t index) const {
    return std::string_view(bytes_).substr(starts_[index], starts_[index + 1] - starts_[index]);
  }

  uint64_t hash(size_t index) const { return hashes_[index]; }

  std::string_view comparable(std::string_view row) const { return row.substr(header_bytes_); }
  std::string_view sort_key(std::string_view row) const { return row.substr(header_bytes_, length_of(row, 0)); }
  std::string_view piece(std::string_view row, size_t index) const {
    size_t start = header_bytes_ + length_of(row, 0) + kOrderBytes;
    for (size_t i = 0; i < index; ++i) start += length_of(row, i + 1);
    return row.substr(start, length_of(row, index + 1));
  }
  /// The length of the row at the start of `bytes`, behind which something else may stand.
  size_t length(std::string_view bytes) const {
    size_t length = header_bytes_ + length_of(bytes, 0) + kOrderBytes;
    for (size_t i = 0; i < codecs_.size(); ++i) length += length_of(bytes, i + 1);
    return length;
  }
  /// What stands before the comparable part of every row.
  size_t header_bytes() const { return header_bytes_; }
  const batch::RowCodec& codec(size_t piece) const { return codecs_[piece]; }

 private:
  static uint32_t length_of(std::string_view row, size_t index) {
    uint32_t length;
    std::memcpy(&length, row.data() + index * sizeof length, sizeof length);
    return length;
  }

  int32_t sort_key_;
  int32_t order_column_;
  size_t header_bytes_;
  std::vector<batch::RowCodec> codecs_;
  std::vector<batch::RowBuffer> buffers_;
  std::string bytes_;
  std::vector<size_t> starts_;
  std::vector<uint64_t> hashes_;
};

/// The first eight bytes as a number that compares as they do: most comparisons end here.
inline uint64_t head_of(std::string_view comparable) {
  uint64_t head = 0;
  std::memcpy(&head, comparable.data(), std::min<size_t>(comparable.size(), sizeof head));
  return __builtin_bswap64(head);
}

}  // namespace millrace::dataflow
