#include "app/answer.h"

#include "app/answer_table.h"
#include "app/json_text.h"
#include "base/config.h"
#include "base/text.h"
#include "formats/encoder.h"

namespace millrace::app {
namespace {

void append_csv_value(std::string& out, std::string_view json) {
  std::optional<std::string> text = plain_text(json);
  if (!text) return;
  bool quoted = text->empty() || text->find_first_of(",\"\r\n") != std::string::npos;
  if (!quoted) {
    out += *text;
    return;
  }
  out += '"';
  for (char c : *text) out.append(c == '"' ? 2 : 1, c);
  out += '"';
}

std::string csv_text(const Answer& answer) {
  std::string out;
  for (size_t i = 0; i < answer.columns.size(); ++i) {
    if (i > 0) out += ',';
    append_csv_value(out, json_string(answer.columns[i].name));
  }
  out += '\n';
  for (const auto& row : answer.rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) out += ',';
      append_csv_value(out, row[i]);
    }
    out += '\n';
  }
  return out;
}

std::string json_text(const Answer& answer) {
  std::string out = "[";
  for (size_t r = 0; r < answer.rows.size(); ++r) {
    out += r == 0 ? "{" : ",\n{";
    for (size_t i = 0; i < answer.columns.size(); ++i) {
      if (i > 0) out += ',';
      append_json_string(out, answer.columns[i].name);
      out += ':';
      out += answer.rows[r][i];
    }
    out += '}';
  }
  return out + "]\n";
}

}  // namespace

Result<Format> parse_format(std::string_view text) {
  MR_ASSIGN(std::string_view word, parse_choice("--format", text, {"table", "csv", "json"}));
  return word == "table" ? Format::kTable : word == "csv" ? Format::kCsv : Format::kJson;
}

Answer to_answer(const engine::StatementResult& result) {
  Answer answer;
  answer.message = result.message;
  for (const batch::Field& field : result.schema.fields) answer.columns.push_back({field.name, field.type.name()});
  for (const batch::Batch& batch : result.batches) {
    for (size_t row = 0; row < batch.rows(); ++row) {
      std::vector<std::string> values(answer.columns.size());
      for (size_t c = 0; c < values.size(); ++c) {
        formats::encode_json_value(result.schema[c].type, batch, c, row, values[c]);
      }
      for (int64_t copy = 0; copy < batch.diff(row); ++copy) answer.rows.push_back(values);
    }
  }
  return answer;
}

Result<Answer> parse_answer(std::string_view json) {
  Answer answer;
  MR_ASSIGN(auto members, json_members(json));
  std::vector<std::string_view> types;
  for (const auto& [key, value] : members) {
    if (key == "columns") {
      MR_ASSIGN(auto names, json_elements(value));
      for (std::string_view name : names) answer.columns.push_back({json_unquoted(name), {}});
    } else if (key == "types") {
      MR_ASSIGN(types, json_elements(value));
    } else if (key == "rows") {
      MR_ASSIGN(auto rows, json_elements(value));
      for (std::string_view row : rows) {
        MR_ASSIGN(auto values, json_elements(row));
        answer.rows.emplace_back(values.begin(), values.end());
      }
    } else if (key == "message" && value != "null") {
      answer.message = json_unquoted(value);
    }
  }
  for (size_t i = 0; i < types.size() && i < answer.columns.size(); ++i)
    answer.columns[i].type = json_unquoted(types[i]);
  for (const auto& row : answer.rows) {
    if (row.size() != answer.columns.size())
      return user_error(sqlstate::kInvalidText, "an answer whose rows do not fit its columns");
  }
  return answer;
}

std::string format_answer(const Answer& answer, Format format, size_t width) {
  if (answer.columns.empty()) {
    if (format == Format::kJson) return "[]\n";
    return answer.message.empty() || format == Format::kCsv ? std::string() : answer.message + "\n";
  }
  if (format == Format::kCsv) return csv_text(answer);
  if (format == Format::kJson) return json_text(answer);
  return table_text(answer, width);
}

std::optional<std::string> plain_text(std::string_view json) {
  if (json == "null") return std::nullopt;
  return json_unquoted(json);
}

bool is_numeric_type(std::string_view type) {
  for (std::string_view name : {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT",
                                "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE"}) {
    if (iequals(type, name)) return true;
  }
  return type.size() >= 7 && iequals(type.substr(0, 7), "DECIMAL") && !type.ends_with(']');
}

}  // namespace millrace::app
