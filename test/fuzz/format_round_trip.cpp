// Any bytes as records of a stream: lines of JSON, lines of CSV. What decodes must encode, and decode to the same
// again.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"
#include "formats/decoder.h"
#include "formats/encoder.h"

namespace {

using millrace::batch::Batch;
using millrace::batch::Schema;
using millrace::batch::Type;

Schema schema() {
  Schema schema;
  for (auto [name, type] : {std::pair("a", "BIGINT"),
                            {"b", "VARCHAR"},
                            {"c", "DECIMAL(12,3)"},
                            {"d", "TIMESTAMP"},
                            {"e", "INTEGER[]"},
                            {"f", "STRUCT(x DOUBLE, y VARCHAR[])"},
                            {"g", "MAP(VARCHAR, BOOLEAN)"},
                            {"h", "JSON"},
                            {"i", "BLOB"},
                            {"j", "UUID"}}) {
    schema.fields.push_back({name, Type::parse(type).value()});
  }
  return schema;
}

/// Decodes lines and returns them encoded; `count`: how many did.
std::string decoded(const Schema& schema, std::string_view text, size_t& count) {
  auto decoder = std::move(millrace::formats::make_decoder("json", schema, {})).value();
  std::vector<std::string_view> records = millrace::split_view(text, '\n');
  records.resize(std::min(records.size(), millrace::batch::kBatchRows));
  Batch rows(schema);
  std::vector<uint32_t> good;
  std::vector<millrace::formats::DecodeError> errors;
  MR_CHECK(decoder->decode(records, rows, good, errors).ok(), "decode failed");
  MR_CHECK(good.size() + errors.size() == records.size(), "a record was neither decoded nor refused");
  count = good.size();
  std::string out;
  millrace::formats::encode_ndjson(schema, rows, out);
  return out;
}

void decode_csv(std::string_view text) {
  Schema flat;
  for (const char* type : {"BIGINT", "VARCHAR", "TIMESTAMP"}) flat.fields.push_back({type, Type::parse(type).value()});
  auto decoder = std::move(millrace::formats::make_decoder("csv", flat, {})).value();
  std::vector<std::string_view> records = millrace::split_view(text, '\0');
  records.resize(std::min(records.size(), millrace::batch::kBatchRows));
  Batch rows(flat);
  std::vector<uint32_t> good;
  std::vector<millrace::formats::DecodeError> errors;
  MR_CHECK(decoder->decode(records, rows, good, errors).ok(), "decode failed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Schema columns = schema();
  size_t first = 0;
  size_t second = 0;
  std::string once = decoded(columns, text, first);
  if (!once.empty()) {
    std::string twice = decoded(columns, std::string_view(once).substr(0, once.size() - 1), second);
    MR_CHECK(first == second && once == twice, "encoded rows decode to others");
  }
  decode_csv(text);
  return 0;
}
