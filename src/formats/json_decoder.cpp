// JSON objects into vectors, with simdjson's on-demand parser: one pass over the structural index, values read from their
// raw tokens. What on-demand parsing leaves unchecked (skipped values, trailing text) is checked here.
#include "formats/json_decoder.h"

#include <simdjson.h>

#include <charconv>
#include <cstring>

#include "base/text.h"
#include "formats/scalar_text.h"

namespace millrace::formats {
namespace {

using batch::TypeId;
namespace ondemand = simdjson::ondemand;

constexpr size_t kNoField = SIZE_MAX;

std::string_view without_trailing_space(std::string_view token) {
  size_t length = token.size();
  while (length > 0 && is_space(token[length - 1])) --length;
  return token.substr(0, length);
}

/// The grammar of RFC 8259: -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
bool is_json_number(std::string_view text) {
  size_t at = 0;
  auto digits = [&] {
    size_t start = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at > start;
  };
  if (at < text.size() && text[at] == '-') ++at;
  if (at < text.size() && text[at] == '0') {
    ++at;
  } else if (!digits()) {
    return false;
  }
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
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

enum class Outcome : uint8_t { kStored, kNull, kWrongType, kBadJson };

/// A JSON string's text. Without escapes it is the bytes between the quotes; else it is unescaped into the parser's buffer.
bool string_text(ondemand::value& value, std::string_view token, std::string_view& text) {
  std::string_view inner = token.substr(1, token.size() - 2);
  if (token.size() >= 2 && token.back() == '"' && std::memchr(inner.data(), '\\', inner.size()) == nullptr) {
    text = inner;
    return true;
  }
  return value.get_string().get(text) == simdjson::SUCCESS;
}

/// Walks a value that no column takes: it must be valid JSON all the same.
bool is_valid(ondemand::value value) {
  std::string_view token = without_trailing_space(value.raw_json_token());
  if (token.empty()) return false;
  switch (token[0]) {
    case '"': {
      std::string_view text;
      return string_text(value, token, text);
    }
    case '[': {
      ondemand::array array;
      if (value.get_array().get(array) != simdjson::SUCCESS) return false;
      for (auto element : array) {
        ondemand::value inner;
        if (element.get(inner) != simdjson::SUCCESS || !is_valid(inner)) return false;
      }
      return true;
    }
    case '{': {
      ondemand::object object;
      if (value.get_object().get(object) != simdjson::SUCCESS) return false;
      for (auto field : object) {
        std::string_view key;
        ondemand::value inner;
        if (field.error() != simdjson::SUCCESS || field.unescaped_key().get(key) != simdjson::SUCCESS) return false;
        if (field.value().get(inner) != simdjson::SUCCESS || !is_valid(inner)) return false;
      }
      return true;
    }
    default: return token == "true" || token == "false" || token == "null" || is_json_number(token);
  }
}

bool store_number(std::string_view token, const Target& to) {
  TypeId id = to.type.id();
  if (id == TypeId::kDouble || id == TypeId::kFloat || id == TypeId::kDecimal) return store_text(to.type, token, to.column, to.row);
  bool integer_column = id == TypeId::kTinyint || id == TypeId::kSmallint || id == TypeId::kInteger || id == TypeId::kBigint ||
                        id == TypeId::kHugeint || id == TypeId::kUtinyint || id == TypeId::kUsmallint || id == TypeId::kUinteger ||
                        id == TypeId::kUbigint;
  if (!integer_column) return false;
  int64_t small = 0;
  auto [end, failed] = std::from_chars(token.data(), token.data() + token.size(), small);
  if (failed == std::errc() && end == token.data() + token.size()) {
    if (id == TypeId::kBigint) {
      to.column.set<int64_t>(to.row, small);
      return true;
    }
    return store_integer(to.type, small, to.column, to.row);
  }
  auto whole = parse_decimal(token, 38, 0);  // 1.0, 1e3, beyond 64 bits
  return whole && store_integer(to.type, *whole, to.column, to.row);
}

bool store_string(std::string_view text, bool in_record, const Target& to) {
  switch (to.type.id()) {
    case TypeId::kVarchar:
      // Bytes of the record live as long as the batch (retained); unescaped ones only until the next record.
      if (in_record) {
        to.column.set<batch::StringRef>(to.row, batch::StringRef(text));
      } else {
        to.column.set_string(to.row, text);
      }
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

Outcome store(ondemand::value& value, const Target& to);

Outcome store_list(ondemand::value& value, const Target& to) {
  ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return Outcome::kBadJson;
  size_t count = 0;
  if (array.count_elements().get(count) != simdjson::SUCCESS) return Outcome::kBadJson;
  size_t at = to.column.add_list(to.row, count);
  batch::Type child_type = to.type.child();
  batch::MutableColumn child = to.column.child();
  for (auto element : array) {
    ondemand::value inner;
    if (element.get(inner) != simdjson::SUCCESS) return Outcome::kBadJson;
    Outcome outcome = store(inner, {child_type, child, at});
    if (outcome == Outcome::kNull) child.set_null(at);
    if (outcome > Outcome::kNull) return outcome;
    ++at;
    child = to.column.child();  // a nested list may have moved it
  }
  return Outcome::kStored;
}

Outcome store_struct(ondemand::value& value, const Target& to) {
  ondemand::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return Outcome::kBadJson;
  std::vector<bool> seen(to.type.struct_field_count(), false);
  for (auto field : object) {
    std::string_view key;
    ondemand::value inner;
    if (field.error() != simdjson::SUCCESS || field.unescaped_key().get(key) != simdjson::SUCCESS) return Outcome::kBadJson;
    if (field.value().get(inner) != simdjson::SUCCESS) return Outcome::kBadJson;
    size_t index = 0;
    while (index < seen.size() && to.type.struct_field_name(index) != key) ++index;
    if (index == seen.size() || seen[index]) {
      if (!is_valid(inner)) return Outcome::kBadJson;
      continue;
    }
    batch::Type type = to.type.struct_field_type(index);
    batch::MutableColumn column = to.column.child(index);
    Outcome outcome = store(inner, {type, column, to.row});
    if (outcome > Outcome::kNull) return outcome;
    seen[index] = outcome == Outcome::kStored;
  }
  for (size_t index = 0; index < seen.size(); ++index) {
    if (!seen[index]) to.column.child(index).set_null(to.row);
  }
  return Outcome::kStored;
}

Outcome store(ondemand::value& value, const Target& to) {
  std::string_view token = without_trailing_space(value.raw_json_token());
  if (token.empty()) return Outcome::kBadJson;
  TypeId id = to.type.id();
  switch (token[0]) {
    case '"': {
      std::string_view text;
      if (!string_text(value, token, text)) return Outcome::kBadJson;
      bool in_record = text.data() == token.data() + 1;
      return store_string(text, in_record, to) ? Outcome::kStored : Outcome::kWrongType;
    }
    case '[': return id == TypeId::kList ? store_list(value, to) : is_valid(value) ? Outcome::kWrongType : Outcome::kBadJson;
    case '{': return id == TypeId::kStruct ? store_struct(value, to) : is_valid(value) ? Outcome::kWrongType : Outcome::kBadJson;
    case 't':
    case 'f':
      if (token != "true" && token != "false") return Outcome::kBadJson;
      if (id != TypeId::kBoolean) return Outcome::kWrongType;
      to.column.set<bool>(to.row, token[0] == 't');
      return Outcome::kStored;
    case 'n': return token == "null" ? Outcome::kNull : Outcome::kBadJson;
    default:
      if (!is_json_number(token)) return Outcome::kBadJson;
      return store_number(token, to) ? Outcome::kStored : Outcome::kWrongType;
  }
}

/// The records of one call in one padded buffer, which the decoded batch keeps alive.
struct Buffer {
  std::unique_ptr<char[]> bytes;
  size_t capacity = 0;
};

class JsonDecoder final : public Decoder {
 public:
  explicit JsonDecoder(const batch::Schema& schema) : schema_(schema), seen_(schema.size(), 0), expected_(schema.size()) {
    for (size_t i = 0; i < expected_.size(); ++i) expected_[i] = i;
  }

  Status decode(std::span<const std::string_view> records, batch::Batch& out, std::vector<uint32_t>& decoded,
                std::vector<DecodeError>& errors) override {
    columns_.clear();
    for (size_t i = 0; i < schema_.size(); ++i) columns_.push_back(out.mutable_column(i));
    std::shared_ptr<Buffer> buffer = buffer_for(records);
    char* at = buffer->bytes.get();
    size_t row = out.rows();
    for (uint32_t i = 0; i < records.size(); ++i) {
      if (!records[i].empty()) std::memcpy(at, records[i].data(), records[i].size());
      std::string reason;
      if (decode_record({at, records[i].size()}, row, reason)) {
        decoded.push_back(i);
        ++row;
      } else {
        errors.push_back({i, std::move(reason)});
      }
      at += records[i].size();
    }
    out.set_rows(row);
    out.retain(std::move(buffer));
    return {};
  }

 private:
  std::shared_ptr<Buffer> buffer_for(std::span<const std::string_view> records) {
    size_t bytes = simdjson::SIMDJSON_PADDING;
    for (std::string_view record : records) bytes += record.size();
    // One buffer is kept; when no batch holds it any more it is used again.
    if (kept_ && kept_.use_count() == 1 && kept_->capacity >= bytes) return kept_;
    kept_ = std::make_shared<Buffer>();
    kept_->capacity = bytes + bytes / 4;
    kept_->bytes.reset(new char[kept_->capacity]);
    return kept_;
  }

  bool decode_record(std::string_view record, size_t row, std::string& reason) {
    auto not_json = [&](simdjson::error_code code) {
      reason = std::string("not valid JSON: ") + (code == simdjson::SUCCESS ? "a value is malformed" : simdjson::error_message(code));
      return false;
    };
    simdjson::padded_string_view view(record.data(), record.size(), record.size() + simdjson::SIMDJSON_PADDING);
    ondemand::document document;
    if (auto code = parser_.iterate(view).get(document)) return not_json(code);
    ondemand::object object;
    if (auto code = document.get_object().get(object)) {
      if (code != simdjson::INCORRECT_TYPE) return not_json(code);
      reason = "expected a JSON object, found " + shorten(trim(record), 64);
      return false;
    }
    ++record_;
    nulls_.clear();
    size_t position = 0;
    for (auto result : object) {
      if (auto code = result.error()) return not_json(code);
      // By reference: copies of these small structures stall on store forwarding and cost a third of the time.
      auto& field = const_cast<ondemand::field&>(std::as_const(result).value_unsafe());
      size_t column = column_of(field, position++);
      ondemand::value& value = field.value();
      // The first of fields of one name counts.
      if (column == kNoField || seen_[column] == record_) {
        if (!is_valid(value)) return not_json(simdjson::SUCCESS);
        continue;
      }
      seen_[column] = record_;
      std::string_view token = value.raw_json_token();
      switch (store(value, {schema_[column].type, columns_[column], row})) {
        case Outcome::kStored: break;
        case Outcome::kNull: nulls_.push_back(column); break;
        case Outcome::kBadJson: return not_json(simdjson::SUCCESS);
        case Outcome::kWrongType:
          reason = "field " + schema_[column].name + ": expected " + schema_[column].type.name() + ", found " +
                   shorten(found_text(token, record), 64);
          return false;
      }
    }
    // At the very end there is no current location.
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) return not_json(simdjson::TAPE_ERROR);
    for (size_t column = 0; column < seen_.size(); ++column) {
      if (seen_[column] != record_) nulls_.push_back(column);
    }
    // Only now: a record that fails half-way leaves no NULL behind for the next one in its row.
    for (size_t column : nulls_) columns_[column].set_null(row);
    return true;
  }

  /// A scalar's token; of an array or object what follows its bracket too.
  static std::string found_text(std::string_view token, std::string_view record) {
    bool nested = !token.empty() && (token[0] == '[' || token[0] == '{');
    if (!nested) return std::string(without_trailing_space(token));
    return std::string(record.substr(static_cast<size_t>(token.data() - record.data())));
  }

  /// The column of a field. Records of one producer have their fields in one order: look where the last one had it first.
  size_t column_of(ondemand::field& field, size_t position) {
    if (position < expected_.size()) {
      size_t guess = expected_[position];
      if (guess != kNoField && field.key().unsafe_is_equal(std::string_view(schema_[guess].name))) return guess;
    }
    std::string_view key;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) return kNoField;
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
  ondemand::parser parser_;
  std::shared_ptr<Buffer> kept_;  // shared with the batches that were decoded from it
  std::vector<batch::MutableColumn> columns_;
  std::vector<uint64_t> seen_;    // by column: the record that had it last
  std::vector<size_t> expected_;  // by field position: the column it was in the last record
  std::vector<size_t> nulls_;
  uint64_t record_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> make_json_decoder(const batch::Schema& schema) { return std::make_unique<JsonDecoder>(schema); }

struct JsonFieldReader::State {
  simdjson::dom::parser parser;
};

JsonFieldReader::JsonFieldReader() : state_(std::make_unique<State>()) {}
JsonFieldReader::~JsonFieldReader() = default;

bool JsonFieldReader::read(std::string_view record, const std::vector<std::string>& names, std::string& text) {
  text.clear();
  namespace dom = simdjson::dom;
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
