// JSON objects into vectors, with simdjson's DOM: it validates the whole record, fields that the schema lacks included.
#include "formats/json_decoder.h"

#include <simdjson.h>

#include <charconv>
#include <cstring>

#include "base/text.h"
#include "formats/scalar_text.h"

namespace millrace::formats {
namespace {

using batch::TypeId;
namespace dom = simdjson::dom;

constexpr size_t kNoField = SIZE_MAX;

std::string found_text(const dom::element& value) {
  std::string text = simdjson::minify(value);
  return shorten(text, 64);
}

/// The value of a base64 text, or nothing.
std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  size_t length = text.size();
  while (length > 0 && text[length - 1] == '=') --length;
  if (text.size() % 4 != 0 || text.size() - length > 2) return std::nullopt;
  for (size_t i = 0; i < length; ++i) {
    static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t value = kAlphabet.find(text[i]);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xff));
    }
  }
  return out;
}

/// A place for one value: where it goes and what it may be.
struct Target {
  const batch::Type& type;
  batch::MutableColumn& column;
  size_t row;
};

bool store(const dom::element& value, const Target& to);

bool store_list(const dom::element& value, const Target& to) {
  dom::array array;
  if (value.get(array) != simdjson::SUCCESS) return false;
  size_t count = 0;
  for (dom::element element : array) {
    (void)element;
    ++count;
  }
  size_t at = to.column.add_list(to.row, count);
  batch::Type child_type = to.type.child();
  batch::MutableColumn child = to.column.child();
  for (dom::element element : array) {
    if (element.is_null()) {
      child.set_null(at++);
    } else if (!store(element, {child_type, child, at++})) {
      return false;
    }
    child = to.column.child();  // a nested list may have moved it
  }
  return true;
}

bool store_struct(const dom::element& value, const Target& to) {
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return false;
  for (size_t i = 0; i < to.type.struct_field_count(); ++i) {
    batch::MutableColumn field = to.column.child(i);
    dom::element element;
    if (object[to.type.struct_field_name(i)].get(element) != simdjson::SUCCESS || element.is_null()) {
      field.set_null(to.row);
      continue;
    }
    batch::Type type = to.type.struct_field_type(i);
    if (!store(element, {type, field, to.row})) return false;
  }
  return true;
}

bool store_double(double value, const Target& to) {
  TypeId id = to.type.id();
  if (id == TypeId::kDouble) {
    to.column.set<double>(to.row, value);
    return true;
  }
  if (id == TypeId::kFloat) {
    to.column.set<float>(to.row, static_cast<float>(value));
    return true;
  }
  // The shortest text that reads back as the number is what the producer meant by it: 12.34, 1e3.
  char text[32];
  auto [end, failed] = std::to_chars(text, text + sizeof text, value);
  if (failed != std::errc()) return false;
  std::string_view shortest(text, static_cast<size_t>(end - text));
  if (id == TypeId::kDecimal) return store_text(to.type, shortest, to.column, to.row);
  auto whole = parse_decimal(shortest, 38, 0);
  return whole && store_integer(to.type, *whole, to.column, to.row);
}

bool store_string(std::string_view text, const Target& to) {
  switch (to.type.id()) {
    case TypeId::kVarchar:
      to.column.set_string(to.row, text);
      return true;
    case TypeId::kBlob: {
      auto bytes = from_base64(text);
      if (bytes) to.column.set_string(to.row, *bytes);
      return bytes.has_value();
    }
    case TypeId::kBoolean:
    case TypeId::kTinyint:
    case TypeId::kSmallint:
    case TypeId::kInteger:
    case TypeId::kBigint:
    case TypeId::kUtinyint:
    case TypeId::kUsmallint:
    case TypeId::kUinteger:
    case TypeId::kUbigint:
      return false;  // a number in quotes is text
    default:
      return store_text(to.type, text, to.column, to.row);
  }
}

bool store(const dom::element& value, const Target& to) {
  if (to.type.id() == TypeId::kList) return store_list(value, to);
  if (to.type.id() == TypeId::kStruct) return store_struct(value, to);
  switch (value.type()) {
    case dom::element_type::STRING:
      return store_string(value.get_string().value_unsafe(), to);
    case dom::element_type::INT64:
      return store_integer(to.type, value.get_int64().value_unsafe(), to.column, to.row);
    case dom::element_type::UINT64:
      return store_integer(to.type, value.get_uint64().value_unsafe(), to.column, to.row);
    case dom::element_type::DOUBLE:
      return store_double(value.get_double().value_unsafe(), to);
    case dom::element_type::BOOL:
      if (to.type.id() != TypeId::kBoolean) return false;
      to.column.set<bool>(to.row, value.get_bool().value_unsafe());
      return true;
    default:
      return false;
  }
}

class JsonDecoder final : public Decoder {
 public:
  explicit JsonDecoder(const batch::Schema& schema) : schema_(schema), seen_(schema.size(), 0), expected_(schema.size()) {
    for (size_t i = 0; i < expected_.size(); ++i) expected_[i] = i;
  }

  Status decode(std::span<const std::string_view> records, batch::Batch& out, std::vector<uint32_t>& decoded,
                std::vector<DecodeError>& errors) override {
    columns_.clear();
    for (size_t i = 0; i < schema_.size(); ++i) columns_.push_back(out.mutable_column(i));
    size_t row = out.rows();
    for (uint32_t i = 0; i < records.size(); ++i) {
      std::string reason;
      if (decode_record(records[i], row, reason)) {
        decoded.push_back(i);
        ++row;
      } else {
        errors.push_back({i, std::move(reason)});
      }
    }
    out.set_rows(row);
    return {};
  }

 private:
  bool decode_record(std::string_view record, size_t row, std::string& reason) {
    dom::element root;
    if (auto failed = parser_.parse(record.data(), record.size()).get(root)) {
      reason = std::string("not valid JSON: ") + simdjson::error_message(failed);
      return false;
    }
    dom::object object;
    if (root.get(object) != simdjson::SUCCESS) {
      reason = "expected a JSON object, found " + found_text(root);
      return false;
    }
    ++record_;
    nulls_.clear();
    size_t position = 0;
    for (dom::key_value_pair field : object) {
      size_t column = column_of(field.key, position++);
      // The first of fields of one name counts.
      if (column == kNoField || seen_[column] == record_) continue;
      seen_[column] = record_;
      if (field.value.is_null()) {
        nulls_.push_back(column);
      } else if (!store(field.value, {schema_[column].type, columns_[column], row})) {
        reason = "field " + schema_[column].name + ": expected " + schema_[column].type.name() + ", found " + found_text(field.value);
        return false;
      }
    }
    for (size_t column = 0; column < seen_.size(); ++column) {
      if (seen_[column] != record_) nulls_.push_back(column);
    }
    // Only now: a record that fails half-way leaves no NULL behind for the next one in its row.
    for (size_t column : nulls_) columns_[column].set_null(row);
    return true;
  }

  /// The column of a field. Records of one producer have their fields in one order: look where the last one had it first.
  size_t column_of(std::string_view key, size_t position) {
    if (position < expected_.size()) {
      size_t guess = expected_[position];
      if (guess != kNoField && schema_[guess].name == key) return guess;
    }
    size_t found = find_column(key);
    if (position < expected_.size()) expected_[position] = found;
    return found;
  }

  size_t find_column(std::string_view key) const {
    size_t folded = kNoField;
    bool ambiguous = false;
    for (size_t i = 0; i < schema_.size(); ++i) {
      if (schema_[i].name == key) return i;
      if (!iequals(schema_[i].name, key)) continue;
      ambiguous = folded != kNoField;
      folded = i;
    }
    return ambiguous ? kNoField : folded;
  }

  batch::Schema schema_;
  dom::parser parser_;
  std::vector<batch::MutableColumn> columns_;
  std::vector<uint64_t> seen_;     // by column: the record that had it last
  std::vector<size_t> expected_;   // by field position: the column it was in the last record
  std::vector<size_t> nulls_;
  uint64_t record_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> make_json_decoder(const batch::Schema& schema) { return std::make_unique<JsonDecoder>(schema); }

struct JsonFieldReader::State {
  dom::parser parser;
};

JsonFieldReader::JsonFieldReader() : state_(std::make_unique<State>()) {}
JsonFieldReader::~JsonFieldReader() = default;

bool JsonFieldReader::read(std::string_view record, const std::vector<std::string>& names, std::string& text) {
  text.clear();
  dom::element root;
  if (state_->parser.parse(record.data(), record.size()).get(root)) return false;
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return false;
  bool first = true;
  for (const std::string& name : names) {
    if (!first) text.push_back('\x1f');
    first = false;
    dom::element value;
    bool found = object[name].get(value) == simdjson::SUCCESS || object.at_key_case_insensitive(name).get(value) == simdjson::SUCCESS;
    if (!found || value.is_null()) continue;
    std::string_view string;
    if (value.get(string) == simdjson::SUCCESS) {
      text.append(string);
    } else {
      text.append(simdjson::minify(value));
    }
  }
  return true;
}

}  // namespace millrace::formats
