// Lines of any bytes as one call's JSON records: each is a row or an error, and the same one as when it comes alone.
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "formats/json_decoder.h"

namespace {

using namespace millrace;

const batch::Schema& schema() {
  static const batch::Schema made = [] {
    batch::Schema fields;
    for (const char* type : {"BIGINT", "VARCHAR", "DOUBLE", "DECIMAL(18,3)", "TIMESTAMP", "UUID", "BLOB", "VARCHAR[][]",
                             "STRUCT(a INTEGER, b STRUCT(a VARCHAR)[])", "MAP(VARCHAR, INTEGER[])", "JSON"}) {
      fields.fields.push_back(
          {std::string(1, static_cast<char>('a' + fields.size())), batch::Type::parse(type).value()});
    }
    return fields;
  }();
  return made;
}

struct Outcome {
  batch::Batch rows{schema()};
  std::vector<uint32_t> decoded;
  std::vector<formats::DecodeError> errors;
};

Outcome decode(formats::Decoder& decoder, std::span<const std::string_view> records) {
  Outcome outcome;
  MR_CHECK(decoder.decode(records, outcome.rows, outcome.decoded, outcome.errors).ok(), "the decoder gave up");
  MR_CHECK(outcome.decoded.size() + outcome.errors.size() == records.size(), "a record is neither a row nor an error");
  MR_CHECK(outcome.decoded.size() == outcome.rows.rows(), "rows and decoded records differ");
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> records = split_view(text, '\n');
  records.resize(std::min<size_t>(records.size(), 100));
  records.push_back(text);  // with the line ends
  static auto decoder = formats::make_json_decoder(schema(), {});
  static formats::JsonFieldReader reader;
  Outcome together = decode(*decoder, records);
  size_t row = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    bool good = row < together.decoded.size() && together.decoded[row] == i;
    Outcome alone = decode(*decoder, std::span(records).subspan(i, 1));
    MR_CHECK(good == alone.errors.empty(), "the neighbours decide whether a record is good");
    if (good) MR_CHECK(together.rows.row_text(row) == alone.rows.row_text(0), "the neighbours change a row");
    row += good;
    std::string key;
    bool read = reader.read(records[i], {"a", "b"}, key);
    if (good) MR_CHECK(read, "a good record has no readable key");
  }
  return 0;
}
