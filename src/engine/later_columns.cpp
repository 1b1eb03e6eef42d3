#include "engine/later_columns.h"

#include <algorithm>

namespace millrace::engine {

void SchemaBorders::pass(Offset offset) {
  behind_ = 0;
  next_ = Offset(INT64_MAX);
  for (const LaterColumn& column : later_) {
    const Offset since = column.since[static_cast<size_t>(partition_.value)];
    if (since <= offset) continue;
    ++behind_;
    next_ = std::min(next_, since);
  }
}

ColumnDefaults::ColumnDefaults(const StreamSource& source)
    : first_(source.schema.size() - source.later.size()), columns_(source.schema.size()) {
  for (size_t i = 0; i < source.later.size(); ++i) {
    Value& value = values_.emplace_back();
    if (source.later[i].default_record.empty()) continue;
    batch::Schema schema;
    schema.fields.push_back(source.schema[first_ + i]);
    auto decoder = formats::make_decoder("json", schema, {});
    batch::Batch row(schema);
    std::vector<uint32_t> decoded;
    std::vector<formats::DecodeError> errors;
    const std::string_view record = source.later[i].default_record;
    const bool read = decoder.ok() && (*decoder)->decode({&record, 1}, row, decoded, errors).ok() && errors.empty();
    MR_CHECK(read, "the catalog holds a default that is none of its column: " + schema[0].name);
    value.codec = std::make_unique<batch::RowCodec>(batch::RowCodec::of_all(schema.types(), batch::RowForm::kExact));
    value.codec->encode(row, value.bytes);
  }
}

Status ColumnDefaults::set(batch::Batch& rows, size_t column, size_t first, size_t count) const {
  const Value& value = values_[column - first_];
  if (value.codec) {
    const std::vector<std::string_view> same(count, value.bytes.row(0));
    return value.codec->decode_rows(same, rows, first, column);
  }
  batch::MutableColumn values = rows.mutable_column(column);
  for (size_t row = first; row < first + count; ++row) values.set_null(row);
  return {};
}

Status ColumnDefaults::fill(batch::Batch& rows, size_t without,
                            const std::vector<formats::Decoder::Missing>& missing) const {
  for (size_t column = columns_ - without; column < columns_; ++column) MR_TRY(set(rows, column, 0, rows.rows()));
  for (const formats::Decoder::Missing& field : missing) MR_TRY(set(rows, field.column, field.row, 1));
  return {};
}

}  // namespace millrace::engine
