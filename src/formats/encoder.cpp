#include "formats/encoder.h"

#include <charconv>
#include <cmath>

#include "base/text.h"

namespace millrace::formats {
namespace {

using batch::Layout;
using batch::TypeId;

template <typename Number>
void append_number(std::string& out, Number value) {
  char text[40];
  auto [end, failed] = std::to_chars(text, text + sizeof text, value);
  (void)failed;
  out.append(text, end);
}

template <typename Float>
void append_float(std::string& out, Float value, bool json) {
  if (std::isfinite(value)) {
    append_number(out, value);
    return;
  }
  std::string_view name = std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  if (json) out.push_back('"');
  out.append(name);
  if (json) out.push_back('"');
}

/// Plain numbers and booleans; false when the type is none.
bool append_plain(TypeId id, const batch::ColumnView& column, size_t row, bool json, std::string& out) {
  switch (id) {
    case TypeId::kBoolean: out.append(column.at<bool>(row) ? "true" : "false"); return true;
    case TypeId::kTinyint: append_number(out, static_cast<int>(column.at<int8_t>(row))); return true;
    case TypeId::kSmallint: append_number(out, column.at<int16_t>(row)); return true;
    case TypeId::kInteger: append_number(out, column.at<int32_t>(row)); return true;
    case TypeId::kBigint: append_number(out, column.at<int64_t>(row)); return true;
    case TypeId::kUtinyint: append_number(out, static_cast<unsigned>(column.at<uint8_t>(row))); return true;
    case TypeId::kUsmallint: append_number(out, column.at<uint16_t>(row)); return true;
    case TypeId::kUinteger: append_number(out, column.at<uint32_t>(row)); return true;
    case TypeId::kUbigint: append_number(out, column.at<uint64_t>(row)); return true;
    case TypeId::kFloat: append_float(out, column.at<float>(row), json); return true;
    case TypeId::kDouble: append_float(out, column.at<double>(row), json); return true;
    default: return false;
  }
}

void append_csv_text(std::string& out, std::string_view text, char delimiter) {
  bool quote = text.empty() || text.find('"') != std::string_view::npos || text.find('\n') != std::string_view::npos ||
               text.find('\r') != std::string_view::npos || text.find(delimiter) != std::string_view::npos;
  if (!quote) {
    out.append(text);
    return;
  }
  out.push_back('"');
  for (char c : text) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
}

int64_t copies(const batch::Batch& batch, size_t row) { return batch.diff(row) < 1 ? 1 : batch.diff(row); }

}  // namespace

void encode_json_value(const batch::Type& type, const batch::Batch& batch, size_t column, size_t row, std::string& out) {
  batch::ColumnView view = batch.column(column);
  if (view.is_null(row)) {
    out.append("null");
  } else if (append_plain(type.id(), view, row, true, out)) {
  } else if (type.id() == TypeId::kVarchar) {
    append_json_string(out, view.at<batch::StringRef>(row).view());
  } else if (type.id() == TypeId::kTimestamp || type.id() == TypeId::kTimestampTz) {
    out.push_back('"');
    out.append(format_iso8601(Timestamp{view.at<int64_t>(row)}));
    out.push_back('"');
  } else if (type.is_nested() || type.id() == TypeId::kMap) {
    out.append(batch.json_text(column, row));
  } else {
    append_json_string(out, batch.value_text(column, row));
  }
}

void encode_ndjson(const batch::Schema& schema, const batch::Batch& batch, std::string& out) {
  std::vector<std::string> keys;
  for (const batch::Field& field : schema.fields) keys.push_back(json_string(field.name) + ":");
  for (size_t row = 0; row < batch.rows(); ++row) {
    size_t start = out.size();
    for (size_t column = 0; column < keys.size(); ++column) {
      out.push_back(column == 0 ? '{' : ',');
      out.append(keys[column]);
      encode_json_value(schema[column].type, batch, column, row, out);
    }
    out.append("}\n");
    std::string line;
    if (copies(batch, row) > 1) line = out.substr(start);
    for (int64_t copy = 1; copy < copies(batch, row); ++copy) out.append(line);
  }
}

void encode_json_rows(const batch::Schema& schema, const batch::Batch& batch, bool& first, std::string& out) {
  for (size_t row = 0; row < batch.rows(); ++row) {
    for (int64_t copy = 0; copy < copies(batch, row); ++copy) {
      if (!first) out.push_back(',');
      first = false;
      out.push_back('[');
      for (size_t column = 0; column < schema.size(); ++column) {
        if (column > 0) out.push_back(',');
        encode_json_value(schema[column].type, batch, column, row, out);
      }
      out.push_back(']');
    }
  }
}

void encode_csv_header(const batch::Schema& schema, char delimiter, std::string& out) {
  for (size_t column = 0; column < schema.size(); ++column) {
    if (column > 0) out.push_back(delimiter);
    append_csv_text(out, schema[column].name, delimiter);
  }
  out.push_back('\n');
}

void encode_csv(const batch::Schema& schema, const batch::Batch& batch, char delimiter, std::string& out) {
  for (size_t row = 0; row < batch.rows(); ++row) {
    for (int64_t copy = 0; copy < copies(batch, row); ++copy) {
      for (size_t column = 0; column < schema.size(); ++column) {
        if (column > 0) out.push_back(delimiter);
        batch::ColumnView view = batch.column(column);
        if (view.is_null(row)) continue;
        TypeId id = schema[column].type.id();
        if (append_plain(id, view, row, false, out)) continue;
        if (id == TypeId::kVarchar) {
          append_csv_text(out, view.at<batch::StringRef>(row).view(), delimiter);
        } else if (id == TypeId::kTimestamp || id == TypeId::kTimestampTz) {
          out.append(format_iso8601(Timestamp{view.at<int64_t>(row)}));
        } else {
          append_csv_text(out, batch.value_text(column, row), delimiter);
        }
      }
      out.push_back('\n');
    }
  }
}

}  // namespace millrace::formats
