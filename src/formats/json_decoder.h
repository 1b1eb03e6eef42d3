// JSON records. Each is one object; fields match columns exactly, else without case when only one column fits. The
// first of several fields of one name counts, null or not. Fields without a column are skipped, but must be valid JSON,
// nested at most 1024 deep. The same holds for the fields of a STRUCT.
//
// What a column takes: integers from integral numbers in range (1, 1.0, 1e3); HUGEINT and DECIMAL also from strings;
// FLOAT and DOUBLE from numbers in range and "NaN", "Infinity", "-Infinity"; VARCHAR from strings; BLOB from base64;
// UUID, DATE, TIME and TIMESTAMP from ISO 8601 strings; LIST and STRUCT from arrays and objects; anything from null.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/decoder.h"

namespace millrace::formats {

std::unique_ptr<Decoder> make_json_decoder(const batch::Schema& schema, const DecoderOptions& options);

/// Reads the text of some fields of a JSON record: what picks its partition.
class JsonFieldReader {
 public:
  JsonFieldReader();
  ~JsonFieldReader();

  /// The fields' texts (strings without quotes, other values as JSON; several are joined by 0x1F; missing and null are
  /// empty). Names match as the decoder's do. False when the record is not a JSON object; what stands behind the last
  /// field that was asked for is not looked at.
  bool read(std::string_view record, const std::vector<std::string>& names, std::string& text);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::formats
