// RecordForms: how the records of one stream or table are read. Most are rows in the stream's format; SQL statements
// and Kafka clients also write rows as JSON, tombstones, and rows that are taken away
// (docs/adr/0014-changes-of-tables.md).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/batch.h"
#include "batch/row_codec.h"
#include "engine/stream_source.h"
#include "formats/decoder.h"
#include "log/record_batch.h"

namespace millrace::engine {

enum class RecordForm : uint8_t {
  kOwn,    ///< the value is a row in the stream's format
  kJson,   ///< the value is a row as JSON, and the stream's format is another
  kKey,    ///< a tombstone: the key alone, as a JSON object of the key columns or as the text of the only one
  kTaken,  ///< the value is a row as JSON that is taken away
};

inline bool takes_away(RecordForm form) { return form == RecordForm::kKey || form == RecordForm::kTaken; }

/// One thread.
class RecordForms {
 public:
  /// `without`: so many of the last columns are not there; their values are left alone.
  static Result<std::unique_ptr<RecordForms>> make(const StreamSource& source, size_t without = 0);

  RecordForm form_of(const log::RecordView& record) const {
    if (record.value && record.headers.count() == 0) [[likely]]
      return RecordForm::kOwn;
    return rare_form_of(record);
  }
  /// What decode() takes of a record of this form.
  static std::string_view bytes_of(const log::RecordView& record, RecordForm form) {
    const auto& bytes = form == RecordForm::kKey ? record.key : record.value;
    return bytes.value_or(std::string_view());
  }
  /// As formats::Decoder::decode, into an empty batch, for records of one form. A tombstone gives a row whose other
  /// columns are NULL.
  Status decode(RecordForm form, std::span<const std::string_view> records, batch::Batch& out,
                std::vector<uint32_t>& decoded, std::vector<formats::DecodeError>& errors);
  /// Of the last decode: where a record lacked a field of a column that has a default.
  const std::vector<formats::Decoder::Missing>& missing(RecordForm form) const {
    return (form == RecordForm::kOwn ? own_ : json_)->missing();
  }

 private:
  explicit RecordForms(const StreamSource& source);
  RecordForm rare_form_of(const log::RecordView& record) const;
  Status decode_keys(std::span<const std::string_view> records, batch::Batch& out, std::vector<uint32_t>& decoded,
                     std::vector<formats::DecodeError>& errors);
  /// Of records of one kind: all JSON objects, or none.
  Status read_keys(std::span<const std::string_view> records, uint32_t first, bool json, batch::Batch& out,
                   std::vector<uint32_t>& decoded, std::vector<formats::DecodeError>& errors);

  bool own_is_json_;
  size_t width_;  // columns of a row
  Deletes deletes_;
  std::vector<uint32_t> key_;
  batch::Schema key_schema_;
  std::unique_ptr<formats::Decoder> own_;
  std::unique_ptr<formats::Decoder> json_;
  std::unique_ptr<formats::Decoder> json_keys_;
  std::unique_ptr<formats::Decoder> text_keys_;  // null when the key has several columns
  batch::Batch keys_;
  std::vector<batch::RowCodec> columns_;  // of each key column alone
  batch::RowBuffer encoded_;
  std::vector<uint32_t> found_;
  std::vector<formats::DecodeError> bad_;
};

}  // namespace millrace::engine
