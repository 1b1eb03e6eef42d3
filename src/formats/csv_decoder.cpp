#include "formats/csv_decoder.h"

#include "base/text.h"
#include "formats/scalar_text.h"

namespace millrace::formats {
namespace {

using batch::TypeId;

class CsvDecoder final : public Decoder {
 public:
  CsvDecoder(const batch::Schema& schema, const DecoderOptions& options)
      : schema_(schema), null_text_(options.null_text.value_or("")), splitter_(options.delimiter) {
    for (const std::string& name : options.header) targets_.push_back(schema.find(name));
    if (options.header.empty()) {
      for (size_t i = 0; i < schema.size(); ++i) targets_.push_back(static_cast<int>(i));
    }
  }

  Status decode(std::span<const std::string_view> records, batch::Batch& out, std::vector<uint32_t>& decoded,
                std::vector<DecodeError>& errors) override {
    columns_.clear();
    for (size_t i = 0; i < schema_.size(); ++i) columns_.push_back(out.mutable_column(i));
    size_t row = out.rows();
    for (uint32_t i = 0; i < records.size(); ++i) {
      std::string reason;
      if (decode_record(records[i], row, reason)) {
        decoded.push_back(i);
        ++row;
      } else {
        errors.push_back({i, std::move(reason)});
      }
    }
    out.set_rows(row);
    return {};
  }

 private:
  bool decode_record(std::string_view record, size_t row, std::string& reason) {
    if (!is_valid_utf8(record)) {
      reason = "the record is not valid UTF-8";
      return false;
    }
    if (!splitter_.split(record, fields_, reason)) return false;
    if (fields_.size() != targets_.size()) {
      reason = "expected " + std::to_string(targets_.size()) + " fields, found " + std::to_string(fields_.size());
      return false;
    }
    is_null_.assign(schema_.size(), true);
    for (size_t i = 0; i < fields_.size(); ++i) {
      if (targets_[i] < 0) continue;
      auto column = static_cast<size_t>(targets_[i]);
      const CsvField& field = fields_[i];
      if (!field.quoted && field.text == null_text_) continue;
      is_null_[column] = false;
      TypeId type = schema_[column].type.id();
      if (type == TypeId::kVarchar) {
        columns_[column].set_string(row, field.text);
        continue;
      }
      bytes_.clear();
      if (type == TypeId::kBlob && parse_base64(field.text, bytes_)) {
        columns_[column].set_string(row, bytes_);
        continue;
      }
      if (type != TypeId::kBlob && store_text(schema_[column].type, field.text, columns_[column], row)) continue;
      reason = "field " + schema_[column].name + ": expected " + schema_[column].type.name() + ", found " +
               shorten(field.text, 64);
      return false;
    }
    for (size_t column = 0; column < is_null_.size(); ++column) {
      if (is_null_[column]) columns_[column].set_null(row);
    }
    return true;
  }

  batch::Schema schema_;
  std::string null_text_;
  CsvSplitter splitter_;
  std::vector<int> targets_;  // by field of the record: the column, or -1
  std::vector<batch::MutableColumn> columns_;
  std::vector<CsvField> fields_;
  std::vector<bool> is_null_;
  std::string bytes_;  // of a BLOB
};

}  // namespace

bool CsvSplitter::split(std::string_view record, std::vector<CsvField>& fields, std::string& reason) {
  fields.clear();
  unescaped_.clear();
  unescaped_.reserve(record.size());  // views into it must not move
  size_t at = 0;
  while (true) {
    if (at < record.size() && record[at] == '"') {
      size_t start = unescaped_.size();
      ++at;
      while (true) {
        size_t quote = record.find('"', at);
        if (quote == std::string_view::npos) {
          reason = "a quoted field is not closed";
          return false;
        }
        unescaped_.append(record.substr(at, quote - at));
        at = quote + 1;
        if (at >= record.size() || record[at] != '"') break;
        unescaped_.push_back('"');
        ++at;
      }
      fields.push_back({std::string_view(unescaped_).substr(start), true});
      if (at < record.size() && record[at] != delimiter_) {
        reason = "a closing quote is followed by " + shorten(record.substr(at), 16);
        return false;
      }
    } else {
      size_t end = std::min(record.find(delimiter_, at), record.size());
      fields.push_back({record.substr(at, end - at), false});
      at = end;
    }
    if (at >= record.size()) return true;
    ++at;  // the delimiter
    if (at == record.size()) {
      fields.push_back({record.substr(at), false});
      return true;
    }
  }
}

std::unique_ptr<Decoder> make_csv_decoder(const batch::Schema& schema, const DecoderOptions& options) {
  return std::make_unique<CsvDecoder>(schema, options);
}

}  // namespace millrace::formats
