#include "connectors/postgres/copy_text.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "formats/scalar_format.h"

namespace millrace::connectors::postgres {
namespace {

using batch::ColumnView;
using batch::Layout;
using batch::StringRef;
using batch::TypeId;

template <typename Number>
void append_number(std::string& out, Number value) {
  char text[40];
  auto [end, failed] = std::to_chars(text, text + sizeof text, value);
  (void)failed;
  out.append(text, end);
}

template <typename Float>
void append_float(std::string& out, Float value) {
  if (std::isfinite(value)) return append_number(out, value);
  out.append(std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}

void append_hex(std::string& out, std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out.append("\\x");
  for (char c : bytes) {
    out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
}

batch::int128 scaled_value(const batch::Type& type, const ColumnView& view, size_t row) {
  switch (type.layout()) {
    case Layout::kInt16: return view.at<int16_t>(row);
    case Layout::kInt32: return view.at<int32_t>(row);
    case Layout::kInt64: return view.at<int64_t>(row);
    default: return view.at<batch::int128>(row);
  }
}

/// Numbers and times, which have nothing to escape; false when it is none of these.
bool append_plain(const batch::Type& type, const ColumnView& view, size_t row, std::string& out) {
  switch (type.id()) {
    case TypeId::kBoolean: out.push_back(view.at<bool>(row) ? 't' : 'f'); return true;
    case TypeId::kTinyint: append_number(out, static_cast<int>(view.at<int8_t>(row))); return true;
    case TypeId::kSmallint: append_number(out, view.at<int16_t>(row)); return true;
    case TypeId::kInteger: append_number(out, view.at<int32_t>(row)); return true;
    case TypeId::kBigint: append_number(out, view.at<int64_t>(row)); return true;
    case TypeId::kUtinyint: append_number(out, static_cast<unsigned>(view.at<uint8_t>(row))); return true;
    case TypeId::kUsmallint: append_number(out, view.at<uint16_t>(row)); return true;
    case TypeId::kUinteger: append_number(out, view.at<uint32_t>(row)); return true;
    case TypeId::kUbigint: append_number(out, view.at<uint64_t>(row)); return true;
    case TypeId::kFloat: append_float(out, view.at<float>(row)); return true;
    case TypeId::kDouble: append_float(out, view.at<double>(row)); return true;
    case TypeId::kHugeint: formats::append_int128(out, view.at<batch::int128>(row)); return true;
    case TypeId::kDecimal:
      formats::append_decimal(out, scaled_value(type, view, row), type.decimal_scale());
      return true;
    case TypeId::kUuid: formats::append_uuid(out, view.at<batch::int128>(row)); return true;
    case TypeId::kDate: formats::append_date(out, view.at<int32_t>(row)); return true;
    case TypeId::kTime: formats::append_time(out, view.at<int64_t>(row)); return true;
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz: formats::append_timestamp(out, view.at<int64_t>(row), 1000000); return true;
    case TypeId::kTimestampMs: formats::append_timestamp(out, view.at<int64_t>(row), 1000); return true;
    case TypeId::kTimestampS: formats::append_timestamp(out, view.at<int64_t>(row), 1); return true;
    case TypeId::kTimestampNs: formats::append_timestamp(out, view.at<int64_t>(row), 1000000000); return true;
    default: return false;
  }
}

void append_escaped(std::string& out, std::string_view text) {
  size_t start = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c != '\\' && c != '\t' && c != '\n' && c != '\r') continue;
    out.append(text, start, at - start);
    out.push_back('\\');
    out.push_back(c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : c);
    start = at + 1;
  }
  out.append(text, start);
}

/// An element of an array literal.
void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  for (char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
}

}  // namespace

RowWriter::RowWriter(const batch::Schema& schema, std::vector<uint32_t> columns, const std::vector<bool>& as_array) {
  for (uint32_t index : columns) columns_.push_back({index, schema[index].type, as_array[index], {}});
}

void RowWriter::open(const batch::Batch& rows) {
  rows_ = &rows;
  for (Column& column : columns_) column.view = rows.column(column.index);
}

bool RowWriter::has_null(size_t row) const {
  for (const Column& column : columns_) {
    if (column.view.is_null(row)) return true;
  }
  return false;
}

void RowWriter::append(size_t row, std::string& out) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (i > 0) out.push_back('\t');
    if (columns_[i].view.is_null(row))
      out.append("\\N");
    else
      append_value(columns_[i], row, out);
  }
}

void RowWriter::append_value(const Column& column, size_t row, std::string& out) {
  if (append_plain(column.type, column.view, row, out)) return;
  if (column.type.id() == TypeId::kVarchar) return append_escaped(out, column.view.at<StringRef>(row).view());
  scratch_.clear();
  if (column.type.id() == TypeId::kBlob) {
    append_hex(scratch_, column.view.at<StringRef>(row).view());
  } else if (column.as_array) {
    append_array(column.type, column.view, row, scratch_);
  } else if (column.type.is_nested()) {
    scratch_ = rows_->json_text(column.index, row);
  } else {
    scratch_ = rows_->value_text(column.index, row);
  }
  append_escaped(out, scratch_);
}

void RowWriter::append_array(const batch::Type& list, const ColumnView& view, size_t row, std::string& out) {
  batch::ListRange range{0, 0};
  if (list.layout() == Layout::kList)
    range = view.at<batch::ListRange>(row);
  else
    range = {view.index(row) * list.array_size(), list.array_size()};
  ColumnView elements = view.child();
  batch::Type type = list.child();
  std::string element;
  out.push_back('{');
  for (uint64_t i = range.offset; i < range.offset + range.length; ++i) {
    if (i > range.offset) out.push_back(',');
    element.clear();
    if (elements.is_null(i)) {
      out.append("NULL");
    } else if (append_plain(type, elements, i, element)) {
      append_quoted(out, element);
    } else if (type.id() == TypeId::kBlob) {
      append_hex(element, elements.at<StringRef>(i).view());
      append_quoted(out, element);
    } else {
      append_quoted(out, elements.at<StringRef>(i).view());
    }
  }
  out.push_back('}');
}

}  // namespace millrace::connectors::postgres
