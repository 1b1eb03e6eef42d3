#include "formats/encoder.h"

#include <charconv>
#include <cmath>
#include <vector>

#include "base/text.h"
#include "formats/scalar_format.h"

namespace millrace::formats {
namespace {

using batch::StringRef;
using batch::TypeId;

template <typename Number>
void append_number(std::string& out, Number value) {
  char text[40];
  auto [end, failed] = std::to_chars(text, text + sizeof text, value);
  (void)failed;
  out.append(text, end);
}

/// A column to write, opened once a batch: its values, and those inside it.
struct Source {
  TypeId id;
  bool raw = false;  ///< JSON's own type: text that already is JSON
  uint8_t scale = 0;
  batch::Layout layout = batch::Layout::kOther;
  uint64_t array_size = 0;
  batch::ColumnView view;
  std::string key;  ///< as JSON, with the colon
  std::vector<Source> children;
  bool foreign = false;  ///< it or something in it is written by DuckDB
};

Source open(const batch::Type& type, const batch::ColumnView& view, std::string_view name) {
  Source source;
  source.id = type.id();
  source.layout = type.layout();
  source.view = view;
  append_json_string(source.key, name);
  source.key.push_back(':');
  auto add = [&](const batch::Type& inner, const batch::ColumnView& values, std::string_view inner_name) {
    source.children.push_back(open(inner, values, inner_name));
    source.foreign = source.foreign || source.children.back().foreign;
  };
  switch (type.id()) {
    case TypeId::kDecimal: source.scale = type.decimal_scale(); break;
    case TypeId::kVarchar: source.raw = type.name() == "JSON"; break;
    case TypeId::kArray:
      source.array_size = type.array_size();
      add(type.child(), view.child(), "");
      break;
    case TypeId::kMap:
    case TypeId::kList: add(type.child(), view.child(), ""); break;
    case TypeId::kStruct:
      for (size_t i = 0; i < type.struct_field_count(); ++i)
        add(type.struct_field_type(i), view.child(i), type.struct_field_name(i));
      break;
    case TypeId::kUhugeint:
    case TypeId::kInterval:
    case TypeId::kEnum:
    case TypeId::kNull:
    case TypeId::kOther: source.foreign = true; break;
    default: break;
  }
  return source;
}

template <typename Float>
void append_float(std::string& out, Float value, bool quote) {
  if (std::isfinite(value)) return append_number(out, value);
  std::string_view name = std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  if (quote) out.push_back('"');
  out.append(name);
  if (quote) out.push_back('"');
}

/// Numbers and booleans; false when it is none.
bool append_plain(const Source& source, size_t row, bool quote, std::string& out) {
  const batch::ColumnView& view = source.view;
  switch (source.id) {
    case TypeId::kBoolean: out.append(view.at<bool>(row) ? "true" : "false"); return true;
    case TypeId::kTinyint: append_number(out, static_cast<int>(view.at<int8_t>(row))); return true;
    case TypeId::kSmallint: append_number(out, view.at<int16_t>(row)); return true;
    case TypeId::kInteger: append_number(out, view.at<int32_t>(row)); return true;
    case TypeId::kBigint: append_number(out, view.at<int64_t>(row)); return true;
    case TypeId::kUtinyint: append_number(out, static_cast<unsigned>(view.at<uint8_t>(row))); return true;
    case TypeId::kUsmallint: append_number(out, view.at<uint16_t>(row)); return true;
    case TypeId::kUinteger: append_number(out, view.at<uint32_t>(row)); return true;
    case TypeId::kUbigint: append_number(out, view.at<uint64_t>(row)); return true;
    case TypeId::kFloat: append_float(out, view.at<float>(row), quote); return true;
    case TypeId::kDouble: append_float(out, view.at<double>(row), quote); return true;
    default: return false;
  }
}

batch::int128 scaled_value(const Source& source, size_t row) {
  switch (source.layout) {
    case batch::Layout::kInt16: return source.view.at<int16_t>(row);
    case batch::Layout::kInt32: return source.view.at<int32_t>(row);
    case batch::Layout::kInt64: return source.view.at<int64_t>(row);
    default: return source.view.at<batch::int128>(row);
  }
}

/// What is a string in JSON but has nothing to escape; false when it is none of these.
bool append_word(const Source& source, size_t row, std::string& out) {
  const batch::ColumnView& view = source.view;
  switch (source.id) {
    case TypeId::kHugeint: append_int128(out, view.at<batch::int128>(row)); return true;
    case TypeId::kDecimal: append_decimal(out, scaled_value(source, row), source.scale); return true;
    case TypeId::kUuid: append_uuid(out, view.at<batch::int128>(row)); return true;
    case TypeId::kDate: append_date(out, view.at<int32_t>(row)); return true;
    case TypeId::kTime: append_time(out, view.at<int64_t>(row)); return true;
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz: append_timestamp(out, view.at<int64_t>(row), 1000000); return true;
    case TypeId::kTimestampMs: append_timestamp(out, view.at<int64_t>(row), 1000); return true;
    case TypeId::kTimestampS: append_timestamp(out, view.at<int64_t>(row), 1); return true;
    case TypeId::kTimestampNs: append_timestamp(out, view.at<int64_t>(row), 1000000000); return true;
    case TypeId::kBlob: append_base64(out, view.at<StringRef>(row).view()); return true;
    default: return false;
  }
}

/// JSON on one line: a line end in it can only stand between tokens.
void append_raw_json(std::string& out, std::string_view text) {
  size_t start = out.size();
  out.append(text);
  for (size_t at = start; (at = out.find_first_of("\n\r", at)) != std::string::npos;) out[at] = ' ';
}

void append_json(const Source& source, size_t row, std::string& out);

void append_items(const Source& items, uint64_t first, uint64_t count, std::string& out) {
  out.push_back('[');
  for (uint64_t i = 0; i < count; ++i) {
    if (i > 0) out.push_back(',');
    append_json(items, first + i, out);
  }
  out.push_back(']');
}

/// A MAP as an object; keys that are no strings become some.
void append_entries(const Source& entries, batch::ListRange range, std::string& out) {
  const Source& keys = entries.children[0];
  for (uint64_t i = range.offset; i < range.offset + range.length; ++i) {
    out.push_back(i == range.offset ? '{' : ',');
    size_t start = out.size();
    append_json(keys, i, out);
    if (out[start] != '"') {
      std::string text = out.substr(start);
      out.resize(start);
      append_json_string(out, text);
    }
    out.push_back(':');
    append_json(entries.children[1], i, out);
  }
  out.append(range.length == 0 ? "{}" : "}");
}

/// A value of a source that is not foreign.
void append_json(const Source& source, size_t row, std::string& out) {
  const batch::ColumnView& view = source.view;
  if (view.is_null(row)) {
    out.append("null");
    return;
  }
  switch (source.id) {
    case TypeId::kVarchar: {
      std::string_view text = view.at<StringRef>(row).view();
      return source.raw ? append_raw_json(out, text) : append_json_string(out, text);
    }
    case TypeId::kList: {
      auto range = view.at<batch::ListRange>(row);
      return append_items(source.children[0], range.offset, range.length, out);
    }
    case TypeId::kArray:
      return append_items(source.children[0], view.index(row) * source.array_size, source.array_size, out);
    case TypeId::kMap: return append_entries(source.children[0], view.at<batch::ListRange>(row), out);
    case TypeId::kStruct:
      out.push_back('{');
      for (size_t i = 0; i < source.children.size(); ++i) {
        if (i > 0) out.push_back(',');
        out.append(source.children[i].key);
        append_json(source.children[i], row, out);
      }
      out.push_back('}');
      return;
    default: break;
  }
  if (append_plain(source, row, true, out)) return;
  out.push_back('"');
  append_word(source, row, out);
  out.push_back('"');
}

/// The columns of a batch, ready to be written.
class Rows {
 public:
  Rows(const batch::Schema& schema, const batch::Batch& batch) : batch_(batch) {
    for (size_t i = 0; i < schema.size(); ++i)
      sources_.push_back(open(schema[i].type, batch.column(i), schema[i].name));
  }
  size_t columns() const { return sources_.size(); }
  const Source& operator[](size_t column) const { return sources_[column]; }

  void append_json_value(size_t column, size_t row, std::string& out) const {
    const Source& source = sources_[column];
    if (!source.foreign || source.view.is_null(row)) return append_json(source, row, out);
    out.append(batch_.json_text(column, row));
  }

  void append_csv_value(size_t column, size_t row, char delimiter, std::string& out) const;

  /// `text_start` is where the text of one row begins in `out`; a row of diff n stands there n times in the end.
  void repeat(size_t row, size_t text_start, std::string_view between, std::string& out) const {
    size_t length = out.size() - text_start;
    for (int64_t copy = 1; copy < batch_.diff(row); ++copy) {
      out.append(between);
      out.append(out, text_start, length);
    }
  }

 private:
  const batch::Batch& batch_;
  std::vector<Source> sources_;
};

void append_csv_text(std::string& out, std::string_view text, char delimiter) {
  bool quote = text.empty();
  for (char c : text)
    quote |= c == '"' || c == '\n' || c == '\r' || c == delimiter;  // without a way out: it is vectorized
  if (!quote) {
    out.append(text);
    return;
  }
  out.push_back('"');
  for (size_t from = 0;;) {
    size_t at = text.find('"', from);
    out.append(text.substr(from, at - from));
    if (at == std::string_view::npos) break;
    out.append("\"\"");
    from = at + 1;
  }
  out.push_back('"');
}

void Rows::append_csv_value(size_t column, size_t row, char delimiter, std::string& out) const {
  const Source& source = sources_[column];
  if (source.view.is_null(row)) return;
  if (source.id == TypeId::kVarchar) return append_csv_text(out, source.view.at<StringRef>(row).view(), delimiter);
  size_t start = out.size();
  if (append_plain(source, row, false, out) || append_word(source, row, out)) {
    if (out.size() == start) out.append("\"\"");  // a BLOB of no bytes
    return;
  }
  if (source.children.empty()) return append_csv_text(out, batch_.value_text(column, row), delimiter);
  std::string json;
  append_json_value(column, row, json);
  append_csv_text(out, json, delimiter);
}

}  // namespace

void encode_json_value(const batch::Type& type, const batch::Batch& batch, size_t column, size_t row,
                       std::string& out) {
  Source source = open(type, batch.column(column), "");
  if (source.foreign && !source.view.is_null(row)) {
    out.append(batch.json_text(column, row));
  } else {
    append_json(source, row, out);
  }
}

void encode_ndjson(const batch::Schema& schema, const batch::Batch& batch, std::string& out) {
  Rows rows(schema, batch);
  for (size_t row = 0; row < batch.rows(); ++row) {
    size_t start = out.size();
    out.push_back('{');
    for (size_t column = 0; column < rows.columns(); ++column) {
      if (column > 0) out.push_back(',');
      out.append(rows[column].key);
      rows.append_json_value(column, row, out);
    }
    out.append("}\n");
    rows.repeat(row, start, "", out);
  }
}

void encode_json_rows(const batch::Schema& schema, const batch::Batch& batch, bool& first, std::string& out) {
  Rows rows(schema, batch);
  for (size_t row = 0; row < batch.rows(); ++row) {
    if (!first) out.push_back(',');
    first = false;
    size_t start = out.size();
    out.push_back('[');
    for (size_t column = 0; column < rows.columns(); ++column) {
      if (column > 0) out.push_back(',');
      rows.append_json_value(column, row, out);
    }
    out.push_back(']');
    rows.repeat(row, start, ",", out);
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
  Rows rows(schema, batch);
  for (size_t row = 0; row < batch.rows(); ++row) {
    size_t start = out.size();
    for (size_t column = 0; column < rows.columns(); ++column) {
      if (column > 0) out.push_back(delimiter);
      rows.append_csv_value(column, row, delimiter, out);
    }
    out.push_back('\n');
    rows.repeat(row, start, "", out);
  }
}

}  // namespace millrace::formats
