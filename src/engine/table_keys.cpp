#include "engine/table_keys.h"

#include <algorithm>

namespace millrace::engine {
namespace {

constexpr size_t kNone = SIZE_MAX;

}  // namespace

TableKeys::TableKeys(const batch::Schema& schema, const std::vector<uint32_t>& columns,
                     std::unique_ptr<RecordForms> forms)
    : forms_(std::move(forms)), rows_(schema), codec_(schema.types(), columns) {}

Result<std::unique_ptr<TableKeys>> TableKeys::make(const StreamSource& source,
                                                   const std::vector<std::string>& primary_key) {
  std::vector<uint32_t> columns;
  for (const std::string& name : primary_key) {
    const int column = source.schema.find(name);
    MR_CHECK(column >= 0, "the catalog checked the primary key of " + source.name);
    columns.push_back(static_cast<uint32_t>(column));
  }
  MR_ASSIGN(auto forms, RecordForms::make(source));
  return std::unique_ptr<TableKeys>(new TableKeys(source.schema, columns, std::move(forms)));
}

/// Up to kBatchRows records of one form, from `first` on; returns how many.
Result<size_t> TableKeys::decode(std::span<const log::RecordView> records, size_t first,
                                 std::vector<log::RecordKey>& keys) {
  values_.clear();
  decoded_.clear();
  errors_.clear();
  rows_.reset();
  const RecordForm form = forms_->form_of(records[first]);
  size_t count = 0;
  for (const log::RecordView& record : records.subspan(first)) {
    if (count == batch::kBatchRows || forms_->form_of(record) != form) break;
    values_.push_back(RecordForms::bytes_of(record, form));
    ++count;
  }
  MR_TRY(forms_->decode(form, values_, rows_, decoded_, errors_));
  codec_.encode(rows_, encoded_);
  for (size_t row = 0; row < decoded_.size(); ++row) {
    const std::string_view key = encoded_.row(row);
    places_[first + decoded_[row]] = {bytes_.size(), key.size()};
    bytes_.append(key);
    keys[first + decoded_[row]].role = form == RecordForm::kKey ? log::RecordRole::kTombstone : log::RecordRole::kValue;
  }
  return count;
}

Status TableKeys::read(std::span<const log::RecordView> records, std::vector<log::RecordKey>& keys) {
  bytes_.clear();
  places_.assign(records.size(), {kNone, 0});
  keys.assign(records.size(), {});
  for (size_t first = 0; first < records.size();) {
    MR_ASSIGN(size_t count, decode(records, first, keys));
    first += count;
  }
  for (size_t i = 0; i < records.size(); ++i) {
    if (places_[i].first != kNone) keys[i].key = std::string_view(bytes_).substr(places_[i].first, places_[i].second);
  }
  return {};
}

}  // namespace millrace::engine
