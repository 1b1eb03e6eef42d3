#include "formats/infer.h"

#include <simdjson.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "formats/csv_decoder.h"
#include "formats/infer_type.h"

namespace millrace::formats {
namespace {

namespace dom = simdjson::dom;

struct Inferred {
  InferredType row;
  uint64_t records = 0;
  uint64_t failed = 0;
  std::string first_failure;
  char delimiter = ',';
};

void add_json(InferredType& type, const dom::element& value) {
  switch (value.type()) {
    case dom::element_type::NULL_VALUE: return type.add_null();
    case dom::element_type::BOOL: return type.add_bool();
    case dom::element_type::INT64: return type.add_signed(int64_t(value));
    case dom::element_type::UINT64: return type.add_unsigned_large();
    case dom::element_type::DOUBLE: return type.add_float();
    case dom::element_type::STRING: return type.add_text(std::string_view(value));
    case dom::element_type::ARRAY: {
      InferredType& element = type.add_list();
      for (dom::element each : dom::array(value)) add_json(element, each);
      return;
    }
    case dom::element_type::OBJECT:
      type.add_struct();
      for (auto [name, each] : dom::object(value)) add_json(type.field(name), each);
      return;
    default: return type.add_float();  // newer versions of simdjson have a type for integers beyond 64 bits
  }
}

void fail(Inferred& inferred, std::string reason) {
  if (inferred.failed++ == 0) inferred.first_failure = std::move(reason);
}

void add_record(Inferred& inferred, const dom::element& value) {
  if (!value.is_object()) return fail(inferred, "a record that is no JSON object");
  add_json(inferred.row, value);
  ++inferred.records;
}

/// An array that was cut anywhere: up to its last whole element, closed.
std::string close_array(std::string_view text) {
  size_t last_comma = 0;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\' ? 1 : 0;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (c == ',' && depth == 1) {
      last_comma = i;
    }
  }
  return std::string(text.substr(0, last_comma)) + "]";
}

Status infer_json(std::string_view sample, bool whole, Inferred& inferred) {
  dom::parser parser;
  dom::element document;
  if (trim(sample).starts_with('[')) {
    simdjson::padded_string text(whole ? std::string(sample) : close_array(sample));
    dom::array all;
    if (auto error = parser.parse(text).get(all)) {
      return user_error(sqlstate::kInvalidText, std::string("not a JSON array: ") + simdjson::error_message(error));
    }
    for (dom::element each : all) add_record(inferred, each);
    return {};
  }
  std::vector<std::string_view> lines = split_view(sample, '\n');
  if (!whole && lines.size() > 1) lines.pop_back();
  for (size_t i = 0; i < lines.size(); ++i) {
    if (trim(lines[i]).empty()) continue;
    simdjson::padded_string text{lines[i]};
    if (auto error = parser.parse(text).get(document)) {
      fail(inferred, "line " + std::to_string(i + 1) + ": " + simdjson::error_message(error));
    } else {
      add_record(inferred, document);
    }
  }
  return {};
}

/// Records of a CSV text: lines, but for line ends inside quotes.
std::vector<std::string_view> csv_records(std::string_view text, bool whole) {
  std::vector<std::string_view> records;
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    bool end = i == text.size();
    if (!end && text[i] == '"') quoted = !quoted;
    if (!end && (text[i] != '\n' || quoted)) continue;
    if (end && !whole) break;
    std::string_view record = text.substr(begin, i - begin);
    if (record.ends_with('\r')) record.remove_suffix(1);
    if (!record.empty()) records.push_back(record);
    begin = i + 1;
  }
  return records;
}

char delimiter_of(std::string_view header) {
  char best = ',';
  for (char candidate : {';', '\t', '|'}) {
    if (std::count(header.begin(), header.end(), candidate) > std::count(header.begin(), header.end(), best))
      best = candidate;
  }
  return best;
}

Status infer_csv(std::string_view sample, bool whole, Inferred& inferred) {
  if (sample.starts_with("\xef\xbb\xbf")) sample.remove_prefix(3);
  std::vector<std::string_view> records = csv_records(sample, whole);
  if (records.empty()) return user_error(sqlstate::kInvalidText, "there is no header line");
  inferred.delimiter = delimiter_of(records.front());
  CsvSplitter splitter(inferred.delimiter);
  std::vector<CsvField> fields;
  std::string reason;
  if (!splitter.split(records.front(), fields, reason))
    return user_error(sqlstate::kInvalidText, "the header line: " + reason);
  std::vector<std::string> names;
  for (const CsvField& field : fields) {
    names.emplace_back(trim(field.text));
    if (names.back().empty()) names.back() = "column" + std::to_string(names.size());
    inferred.row.field(names.back());
  }
  for (size_t i = 1; i < records.size(); ++i) {
    if (!splitter.split(records[i], fields, reason)) {
      fail(inferred, "record " + std::to_string(i) + ": " + reason);
      continue;
    }
    if (fields.size() != names.size()) {
      fail(inferred, "record " + std::to_string(i) + " has " + std::to_string(fields.size()) + " fields, the header " +
                         std::to_string(names.size()));
      continue;
    }
    for (size_t c = 0; c < names.size(); ++c) {
      InferredType& type = inferred.row.field(names[c]);
      if (!fields[c].text.empty()) {
        type.add_csv(fields[c].text);
      } else {
        fields[c].quoted ? type.add_text("") : type.add_null();
      }
    }
    ++inferred.records;
  }
  return {};
}

std::string statement(const Inferred& inferred, const InferOptions& options, bool csv) {
  std::string text =
      "-- From " + std::to_string(inferred.records) + " records" + (options.whole ? "" : " at the start") + ".";
  if (inferred.failed > 0) {
    text += " " + std::to_string(inferred.failed) + " more could not be read and would go to " + options.stream +
            "_dead: " + inferred.first_failure;
  }
  text += "\nCREATE STREAM " + options.quote_name(options.stream) + " (\n";
  std::string time_column;
  for (size_t i = 0; i < inferred.row.fields().size(); ++i) {
    const auto& [name, type] = inferred.row.fields()[i];
    if (time_column.empty() && type.sql(options.quote_name, csv) == "TIMESTAMP") time_column = options.quote_name(name);
    bool last = i + 1 == inferred.row.fields().size();
    text += "  " + options.quote_name(name) + " " + type.sql(options.quote_name, csv) + (last ? "" : ",");
    if (std::string warning = type.warning(csv); !warning.empty()) text += "  -- " + warning;
    text += "\n";
  }
  if (!time_column.empty()) {
    text += "  -- If " + time_column + " is the time of the event, for windows: , WATERMARK FOR " + time_column +
            " AS " + time_column + " - INTERVAL 30 SECOND\n";
  }
  text += std::string(") WITH (format = '") + (csv ? "csv" : "json") + "'";
  if (csv && inferred.delimiter != ',') text += std::string(", delimiter = '") + inferred.delimiter + "'";
  if (!options.load_path.empty()) text += ", load = " + quote_literal(options.load_path);
  return text + ");\n";
}

}  // namespace

Result<std::string> infer_stream(std::string_view sample, const InferOptions& options) {
  std::string_view start = trim(sample);
  if (start.starts_with("\x1f\x8b") || start.starts_with("\x28\xb5\x2f\xfd")) {
    return user_error(sqlstate::kNotSupported, "the file is compressed")
        .with_hint("unpack it first, e.g. with zcat or zstdcat");
  }
  if (start.empty()) return user_error(sqlstate::kInvalidText, "the file is empty");
  bool csv = options.format == "csv";
  if (options.format.empty())
    csv = options.load_path.ends_with(".csv") || (start.front() != '{' && start.front() != '[');
  Inferred inferred;
  MR_TRY(csv ? infer_csv(sample, options.whole, inferred) : infer_json(sample, options.whole, inferred));
  if (inferred.row.fields().empty()) {
    return user_error(
        sqlstate::kInvalidText,
        "no record could be read" + (inferred.first_failure.empty() ? "" : "; " + inferred.first_failure));
  }
  return statement(inferred, options, csv);
}

}  // namespace millrace::formats
