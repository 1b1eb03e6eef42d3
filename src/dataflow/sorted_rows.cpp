#include "dataflow/sorted_rows.h"

#include "base/bytes.h"
#include "base/hash.h"

namespace millrace::dataflow {

SortedRows::SortedRows(const batch::Schema& input, int32_t sort_key, int32_t order_column,
                       const std::vector<std::vector<uint32_t>>& pieces)
    : sort_key_(sort_key),
      order_column_(order_column),
      header_bytes_(sizeof(uint32_t) * (1 + pieces.size())),
      buffers_(pieces.size()) {
  const std::vector<batch::Type> types = input.types();
  for (const auto& columns : pieces) codecs_.emplace_back(types, columns, batch::RowForm::kExact);
}

void SortedRows::encode(const batch::Batch& batch) {
  for (size_t i = 0; i < codecs_.size(); ++i) codecs_[i].encode(batch, buffers_[i]);
  batch::ColumnView sort, order;
  if (sort_key_ >= 0) sort = batch.column(static_cast<size_t>(sort_key_));
  if (order_column_ >= 0) order = batch.column(static_cast<size_t>(order_column_));
  bytes_.clear();
  starts_.assign(1, 0);
  for (size_t row = 0; row < batch.rows(); ++row) {
    std::string_view key;
    if (sort_key_ >= 0 && !sort.is_null(row)) key = sort.at<batch::StringRef>(row).view();
    append_little(bytes_, static_cast<uint32_t>(key.size()));
    for (const batch::RowBuffer& buffer : buffers_)
      append_little(bytes_, static_cast<uint32_t>(buffer.row(row).size()));
    bytes_.append(key);
    batch::int128 number = 0;
    if (order_column_ >= 0 && !order.is_null(row)) std::memcpy(&number, &order.at<batch::int128>(row), sizeof number);
    append_big(bytes_, static_cast<uint64_t>(number >> 64) ^ (uint64_t{1} << 63));
    append_big(bytes_, static_cast<uint64_t>(number));
    for (const batch::RowBuffer& buffer : buffers_) bytes_.append(buffer.row(row));
    starts_.push_back(bytes_.size());
  }
  hashes_.resize(batch.rows());
  for (size_t row = 0; row < batch.rows(); ++row) hashes_[row] = hash_bytes(this->row(row));
}

}  // namespace millrace::dataflow
