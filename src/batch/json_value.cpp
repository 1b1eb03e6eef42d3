// Values as JSON text, for answers to clients.
#include <duckdb.hpp>

#include "base/text.h"
#include "batch/batch.h"

namespace millrace::batch {
namespace {

void append_json(const duckdb::Value& value, std::string& out);

void append_items(const duckdb::vector<duckdb::Value>& items, std::string& out) {
  out.push_back('[');
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.push_back(',');
    append_json(items[i], out);
  }
  out.push_back(']');
}

void append_struct(const duckdb::Value& value, std::string& out) {
  const auto& fields = duckdb::StructValue::GetChildren(value);
  out.push_back('{');
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out.push_back(',');
    append_json_string(out, duckdb::StructType::GetChildName(value.type(), i));
    out.push_back(':');
    append_json(fields[i], out);
  }
  out.push_back('}');
}

/// A MAP with its keys as names.
void append_map(const duckdb::Value& value, std::string& out) {
  const auto& entries = duckdb::MapValue::GetChildren(value);
  out.push_back('{');
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) out.push_back(',');
    const auto& pair = duckdb::StructValue::GetChildren(entries[i]);
    append_json_string(out, pair[0].ToString());
    out.push_back(':');
    append_json(pair[1], out);
  }
  out.push_back('}');
}

void append_json(const duckdb::Value& value, std::string& out) {
  using duckdb::LogicalTypeId;
  if (value.IsNull()) {
    out.append("null");
    return;
  }
  switch (value.type().id()) {
    case LogicalTypeId::LIST: append_items(duckdb::ListValue::GetChildren(value), out); return;
    case LogicalTypeId::ARRAY: append_items(duckdb::ArrayValue::GetChildren(value), out); return;
    case LogicalTypeId::STRUCT: append_struct(value, out); return;
    case LogicalTypeId::MAP: append_map(value, out); return;
    case LogicalTypeId::BOOLEAN:
    case LogicalTypeId::TINYINT:
    case LogicalTypeId::SMALLINT:
    case LogicalTypeId::INTEGER:
    case LogicalTypeId::BIGINT:
    case LogicalTypeId::UTINYINT:
    case LogicalTypeId::USMALLINT:
    case LogicalTypeId::UINTEGER:
    case LogicalTypeId::UBIGINT: out.append(value.ToString()); return;
    case LogicalTypeId::FLOAT:
    case LogicalTypeId::DOUBLE: {
      std::string text = value.ToString();
      bool number = text.find_first_not_of("0123456789+-.e") == std::string::npos;
      if (number) {
        out.append(text);
      } else {
        append_json_string(out, text);
      }
      return;
    }
    default: append_json_string(out, value.ToString()); return;
  }
}

}  // namespace

std::string Batch::json_text(size_t column, size_t row) const {
  std::string out;
  append_json(chunk_->GetValue(column, row), out);
  return out;
}

}  // namespace millrace::batch
