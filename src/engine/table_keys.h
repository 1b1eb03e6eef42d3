// TableKeys: which records of a table's log are rows of one primary key, for the log's compaction. They are decoded as
// a step decodes them and compared as the table compares them, so that a record goes exactly when the table would not
// see a difference. What does not decode has no key.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/row_codec.h"
#include "engine/record_forms.h"
#include "engine/stream_source.h"
#include "formats/decoder.h"
#include "log/compaction.h"

namespace millrace::engine {

/// One thread.
class TableKeys final : public log::RecordKeys {
 public:
  /// `primary_key` names columns of the source.
  static Result<std::unique_ptr<TableKeys>> make(const StreamSource& source,
                                                 const std::vector<std::string>& primary_key);

  Status read(std::span<const log::RecordView> records, std::vector<log::RecordKey>& keys) override;

 private:
  TableKeys(const batch::Schema& schema, const std::vector<uint32_t>& columns, std::unique_ptr<RecordForms> forms);
  Result<size_t> decode(std::span<const log::RecordView> records, size_t first, std::vector<log::RecordKey>& keys);

  std::unique_ptr<RecordForms> forms_;
  batch::Batch rows_;
  batch::RowCodec codec_;
  batch::RowBuffer encoded_;
  std::vector<std::string_view> values_;
  std::vector<uint32_t> decoded_;
  std::vector<formats::DecodeError> errors_;
  std::string bytes_;                              // of all keys
  std::vector<std::pair<size_t, size_t>> places_;  // of each record's key in bytes_
};

}  // namespace millrace::engine
