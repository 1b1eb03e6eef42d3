#include "formats/decoder.h"

#include "base/text.h"
#include "formats/csv_decoder.h"
#include "formats/json_decoder.h"
#include "formats/scalar_text.h"

namespace millrace::formats {
namespace {

/// The whole record as one value.
class RawDecoder final : public Decoder {
 public:
  Status decode(std::span<const std::string_view> records, batch::Batch& out, std::vector<uint32_t>& decoded,
                std::vector<DecodeError>& errors) override {
    batch::MutableColumn column = out.mutable_column(0);
    bool text = out.type(0).id() == batch::TypeId::kVarchar;
    size_t row = out.rows();
    for (uint32_t i = 0; i < records.size(); ++i) {
      if (text && !is_valid_utf8(records[i])) {
        errors.push_back({i, "the record is not valid UTF-8"});
        continue;
      }
      column.set_string(row++, records[i]);
      decoded.push_back(i);
    }
    out.set_rows(row);
    return {};
  }
};

}  // namespace

Result<std::unique_ptr<Decoder>> make_decoder(std::string_view format, const batch::Schema& schema,
                                              const DecoderOptions& options) {
  for (const batch::Field& field : schema.fields) {
    if (can_decode(field.type)) continue;
    return user_error(sqlstate::kNotSupported,
                      "column " + field.name + ": a stream cannot have the type " + field.type.name())
        .with_hint("use VARCHAR and convert it in a view");
  }
  if (format == "json" || format == "ndjson") return make_json_decoder(schema, options);
  if (format == "csv") return make_csv_decoder(schema, options);
  if (format == "raw") {
    bool fits = schema.size() == 1 && schema[0].type.layout() == batch::Layout::kString;
    if (!fits)
      return user_error(sqlstate::kInvalidParameter, "format raw needs exactly one column, of type VARCHAR or BLOB");
    return std::unique_ptr<Decoder>(std::make_unique<RawDecoder>());
  }
  return user_error(sqlstate::kNotSupported, "there is no decoder for format " + std::string(format));
}

}  // namespace millrace::formats
