// Decoder: records (bytes as a producer sent them) → rows of a batch, driven by the schema of a stream.
//
// A record that does not decode is an error with a reason and no row; its neighbours are not affected. A missing field
// is NULL; a field of a wrong type is an error. One thread at a time; make one decoder a worker.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/batch.h"

namespace millrace::formats {

struct DecoderOptions {
  char delimiter = ',';                  ///< CSV
  std::optional<std::string> null_text;  ///< CSV: the unquoted text that stands for NULL; without it, the empty one
  std::vector<uint32_t> defaulted = {};  ///< JSON: columns for which Decoder::missing is filled
  std::vector<std::string> header;       ///< CSV: names of the record's columns, in order; empty: the schema's order
};

/// Record `record` (index into the span given) did not decode.
struct DecodeError {
  uint32_t record = 0;
  std::string reason;  ///< "field seq: expected INTEGER, found \"abc\""
};

class Decoder {
 public:
  virtual ~Decoder() = default;

  /// Decodes up to kBatchRows records into rows [out.rows(), …) of `out`, columns [0, schema.size()); sets out's row
  /// count. `decoded` gets the index of each good record, in order; `errors` the others. The records may go after the
  /// call: the batch keeps what it needs.
  virtual Status decode(std::span<const std::string_view> records, batch::Batch& out, std::vector<uint32_t>& decoded,
                        std::vector<DecodeError>& errors) = 0;

  struct Missing {
    uint32_t column;
    size_t row;
  };
  /// Of DecoderOptions::defaulted, where the record had no such field: NULL is there now. Of the last decode().
  const std::vector<Missing>& missing() const { return missing_; }

 protected:
  std::vector<Missing> missing_;
};

/// `format`: "json", "ndjson", "csv", "raw". Fails with kNotSupported for others and for column types that it cannot
/// fill.
Result<std::unique_ptr<Decoder>> make_decoder(std::string_view format, const batch::Schema& schema,
                                              const DecoderOptions& options);

}  // namespace millrace::formats
