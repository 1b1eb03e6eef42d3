#include "engine/table_keys.h"

#include <algorithm>

namespace millrace::engine {
namespace {

constexpr size_t kNone = SIZE_MAX;

}  // namespace

TableKeys::TableKeys(const batch::Schema& schema, const std::vector<uint32_t>& columns,
                     std::unique_ptr<formats::Decoder> decoder)
    : decoder_(std::move(decoder)), rows_(schema), codec_(schema.types(), columns) {}

Result<std::unique_ptr<TableKeys>> TableKeys::make(const StreamSource& source,
                                                   const std::vector<std::string>& primary_key) {
  std::vector<uint32_t> columns;
  for (const std::string& name : primary_key) {
    const int column = source.schema.find(name);
    MR_CHECK(column >= 0, "the catalog checked the primary key of " + source.name);
    columns.push_back(static_cast<uint32_t>(column));
  }
  MR_ASSIGN(auto decoder, formats::make_decoder(source.format, source.schema, source.decoder_options));
  return std::unique_ptr<TableKeys>(new TableKeys(source.schema, columns, std::move(decoder)));
}

/// Up to kBatchRows records from `first` on.
Status TableKeys::decode(std::span<const log::RecordView> records, size_t first, std::vector<log::RecordKey>& keys) {
  values_.clear();
  decoded_.clear();
  errors_.clear();
  rows_.reset();
  const size_t count = std::min(batch::kBatchRows, records.size() - first);
  for (const log::RecordView& record : records.subspan(first, count)) {
    values_.push_back(record.value.value_or(std::string_view()));
  }
  MR_TRY(decoder_->decode(values_, rows_, decoded_, errors_));
  codec_.encode(rows_, encoded_);
  for (size_t row = 0; row < decoded_.size(); ++row) {
    const std::string_view key = encoded_.row(row);
    places_[first + decoded_[row]] = {bytes_.size(), key.size()};
    bytes_.append(key);
    keys[first + decoded_[row]].role = log::RecordRole::kValue;
  }
  return {};
}

Status TableKeys::read(std::span<const log::RecordView> records, std::vector<log::RecordKey>& keys) {
  bytes_.clear();
  places_.assign(records.size(), {kNone, 0});
  keys.assign(records.size(), {});
  for (size_t first = 0; first < records.size(); first += batch::kBatchRows) MR_TRY(decode(records, first, keys));
  for (size_t i = 0; i < records.size(); ++i) {
    if (places_[i].first != kNone) keys[i].key = std::string_view(bytes_).substr(places_[i].first, places_[i].second);
  }
  return {};
}

}  // namespace millrace::engine
