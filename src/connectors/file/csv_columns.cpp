#include "connectors/file/csv_columns.h"

#include "base/text.h"

namespace millrace::connectors::file {

Result<CsvColumns> CsvColumns::make(std::string_view header, char delimiter, std::string null_text,
                                    const std::vector<std::string>& columns) {
  CsvColumns made(delimiter, std::move(null_text));
  std::string reason;
  if (!made.splitter_.split(header, made.fields_, reason)) {
    return user_error(sqlstate::kInvalidText, "the header cannot be read: " + reason);
  }
  std::vector<std::string> names;
  for (const formats::CsvField& field : made.fields_) names.emplace_back(trim(field.text));
  made.header_fields_ = names.size();
  made.same_ = names.size() == columns.size();
  bool any = columns.empty();
  for (size_t column = 0; column < columns.size(); ++column) {
    int found = -1;
    for (size_t field = 0; field < names.size() && found < 0; ++field) {
      if (iequals(names[field], columns[column])) found = static_cast<int>(field);
    }
    any = any || found >= 0;
    made.same_ = made.same_ && found == static_cast<int>(column);
    made.field_of_.push_back(found);
  }
  made.same_ = made.same_ || columns.empty();
  if (any) return made;
  return user_error(sqlstate::kInvalidText, "no column is named in the header: " + shorten(header))
      .with_hint("the columns are " + join(columns, ", ") + "; write header = false when the first line is data");
}

void CsvColumns::append_field(const formats::CsvField& field, std::string& out) const {
  if (!field.quoted) {
    out.append(field.text);
    return;
  }
  out.push_back('"');
  for (char c : field.text) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
}

void CsvColumns::append(std::string_view record, std::string& out) {
  std::string reason;
  bool whole = splitter_.split(record, fields_, reason);
  if (same_ || !whole || fields_.size() != header_fields_) {
    out.append(record);
    // As many fields as there are columns, but not as the header has: one more, so that none is taken for another.
    if (whole && !same_ && fields_.size() == field_of_.size()) out.push_back(delimiter_);
    return;
  }
  for (size_t column = 0; column < field_of_.size(); ++column) {
    if (column > 0) out.push_back(delimiter_);
    if (field_of_[column] < 0) {
      out.append(null_text_);
    } else {
      append_field(fields_[static_cast<size_t>(field_of_[column])], out);
    }
  }
}

}  // namespace millrace::connectors::file
