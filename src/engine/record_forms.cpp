#include "engine/record_forms.h"

#include "connectors/connector.h"

namespace millrace::engine {
namespace {

bool is_object(std::string_view text) {
  const size_t at = text.find_first_not_of(" \t\r\n");
  return at != std::string_view::npos && text[at] == '{';
}

std::string quoted_field(std::string_view text) {
  std::string field = "\"";
  for (char c : text) field.append(c == '"' ? 2 : 1, c);
  return field + '"';
}

batch::Schema key_schema_of(const StreamSource& source) {
  batch::Schema schema;
  for (uint32_t column : source.key) schema.fields.push_back(source.schema[column]);
  return schema;
}

}  // namespace

RecordForms::RecordForms(const StreamSource& source)
    : own_is_json_(source.format == "json" || source.format == "ndjson"),
      width_(source.schema.size()),
      deletes_(source.deletes),
      key_(source.key),
      key_schema_(key_schema_of(source)),
      keys_(key_schema_) {}

Result<std::unique_ptr<RecordForms>> RecordForms::make(const StreamSource& source, size_t without) {
  std::unique_ptr<RecordForms> forms(new RecordForms(source));
  batch::Schema schema = source.schema;
  schema.fields.resize(schema.size() - without);
  formats::DecoderOptions options = source.decoder_options;
  const size_t first_later = source.schema.size() - source.later.size();
  for (size_t i = 0; i + without < source.later.size(); ++i) {
    if (!source.later[i].default_record.empty()) options.defaulted.push_back(static_cast<uint32_t>(first_later + i));
  }
  MR_ASSIGN(forms->own_, connectors::make_decoder(source.format, schema, options));
  MR_ASSIGN(forms->json_, formats::make_decoder("json", schema, options));
  if (source.deletes != Deletes::kByKey) return forms;
  MR_ASSIGN(forms->json_keys_, formats::make_decoder("json", forms->key_schema_, {}));
  if (source.key.size() == 1) {
    auto text = formats::make_decoder("csv", forms->key_schema_, {});
    if (text.ok()) forms->text_keys_ = std::move(text).value();
  }
  for (uint32_t i = 0; i < source.key.size(); ++i) {
    forms->columns_.emplace_back(forms->key_schema_.types(), std::vector<uint32_t>{i}, batch::RowForm::kExact);
  }
  return forms;
}

RecordForm RecordForms::rare_form_of(const log::RecordView& record) const {
  if (!record.value) return deletes_ == Deletes::kByKey ? RecordForm::kKey : RecordForm::kOwn;
  log::RecordHeaders headers = record.headers;
  log::RecordHeader header;
  while (headers.next(header)) {
    if (header.key != kOperationHeader) continue;
    if (header.value == "-D" && deletes_ == Deletes::kByValue) return RecordForm::kTaken;
    if (header.value == "+I" && !own_is_json_) return RecordForm::kJson;
  }
  return RecordForm::kOwn;
}

Status RecordForms::decode(RecordForm form, std::span<const std::string_view> records, batch::Batch& out,
                           std::vector<uint32_t>& decoded, std::vector<formats::DecodeError>& errors) {
  switch (form) {
    case RecordForm::kOwn: return own_->decode(records, out, decoded, errors);
    case RecordForm::kJson:
    case RecordForm::kTaken: return json_->decode(records, out, decoded, errors);
    case RecordForm::kKey: return decode_keys(records, out, decoded, errors);
  }
  MR_CHECK(false, "an unknown form of a record");
}

Status RecordForms::decode_keys(std::span<const std::string_view> records, batch::Batch& out,
                                std::vector<uint32_t>& decoded, std::vector<formats::DecodeError>& errors) {
  for (size_t first = 0; first < records.size();) {
    const bool json = is_object(records[first]);
    size_t end = first + 1;
    while (end < records.size() && is_object(records[end]) == json) ++end;
    MR_TRY(read_keys(records.subspan(first, end - first), static_cast<uint32_t>(first), json, out, decoded, errors));
    first = end;
  }
  return {};
}

Status RecordForms::read_keys(std::span<const std::string_view> records, uint32_t first, bool json, batch::Batch& out,
                              std::vector<uint32_t>& decoded, std::vector<formats::DecodeError>& errors) {
  keys_.reset();
  found_.clear();
  bad_.clear();
  std::vector<std::string> fields;
  std::vector<std::string_view> texts;
  if (!json && !text_keys_) {
    for (uint32_t i = 0; i < records.size(); ++i) {
      errors.push_back({first + i, "the key of a tombstone is not a JSON object of the primary key's columns"});
    }
    return {};
  }
  if (!json) {
    fields.reserve(records.size());  // views into short strings must not move
    for (std::string_view record : records) texts.push_back(fields.emplace_back(quoted_field(record)));
  }
  MR_TRY((json ? json_keys_ : text_keys_)->decode(json ? records : std::span(texts), keys_, found_, bad_));
  for (formats::DecodeError& error : bad_) errors.push_back({first + error.record, "key: " + std::move(error.reason)});
  size_t row = out.rows();
  for (uint32_t key = 0; key < found_.size(); ++key) {
    bool whole = true;
    for (size_t column = 0; column < key_.size(); ++column) whole &= !keys_.column(column).is_null(key);
    if (!whole) {
      errors.push_back({first + found_[key], "the key of a tombstone lacks a column of the primary key"});
      continue;
    }
    decoded.push_back(first + found_[key]);
    for (size_t column = 0; column < width_; ++column) out.mutable_column(column).set_null(row);
    batch::Batch one = keys_.select(std::span<const uint32_t>(&key, 1));
    for (size_t column = 0; column < key_.size(); ++column) {
      columns_[column].encode(one, encoded_);
      MR_TRY(columns_[column].decode(encoded_.row(0), out, row, key_[column]));
    }
    ++row;
  }
  out.set_rows(row);
  return {};
}

}  // namespace millrace::engine
