#include "formats/json_store.h"

#include <array>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "base/text.h"
#include "formats/scalar_text.h"

namespace millrace::formats {
namespace {

using batch::TypeId;

constexpr size_t kMapKeysComparedMax = 16;  // above it, a hash table finds repeated keys

std::vector<std::string> names_of(const batch::Type& type, const batch::Schema* fields) {
  std::vector<std::string> names;
  if (fields) {
    for (const batch::Field& field : fields->fields) names.push_back(field.name);
  } else if (type.id() == TypeId::kStruct) {
    for (size_t i = 0; i < type.struct_field_count(); ++i) names.push_back(type.struct_field_name(i));
  }
  return names;
}

/// Masks for the first 0 to 12 of 12 bytes, in two words.
constexpr auto kInlineMasks = [] {
  std::array<std::array<uint64_t, 2>, batch::StringRef::kInlineBytes + 1> masks{};
  for (size_t length = 0; length < masks.size(); ++length) {
    for (size_t byte = 0; byte < length; ++byte) masks[length][byte / 8] |= uint64_t{0xff} << byte % 8 * 8;
  }
  return masks;
}();

/// StringRef(text), made in registers: built byte by byte and then copied, it would stall on store forwarding, and that
/// took a third of all the time. Reads kJsonPadding bytes from the text's start.
void set_string_ref(std::string_view text, batch::MutableColumn& column, size_t row) {
  uint64_t low = 0;
  uint32_t high = 0;
  std::memcpy(&low, text.data(), sizeof low);
  uint64_t words[2];
  if (text.size() <= batch::StringRef::kInlineBytes) {
    std::memcpy(&high, text.data() + 8, sizeof high);
    low &= kInlineMasks[text.size()][0];
    words[1] = low >> 32 | (high & kInlineMasks[text.size()][1]) << 32;
  } else {
    words[1] = reinterpret_cast<uintptr_t>(text.data());
  }
  words[0] = static_cast<uint32_t>(text.size()) | low << 32;
  std::memcpy(column.values<batch::StringRef>() + row, words, sizeof words);
}

/// Eight digits at once: pairs, then fours, then eight (Lemire, "Quickly parsing eight digits", 2018). False when they
/// are not.
bool eight_digits(const char* text, uint64_t& value) {
  uint64_t chunk;
  std::memcpy(&chunk, text, sizeof chunk);
  if (((chunk & 0xf0f0f0f0f0f0f0f0) | (((chunk + 0x0606060606060606) & 0xf0f0f0f0f0f0f0f0) >> 4)) != 0x3333333333333333)
    return false;
  chunk = (chunk & 0x0f0f0f0f0f0f0f0f) * 2561 >> 8;
  chunk = (chunk & 0x00ff00ff00ff00ff) * 6553601 >> 16;
  value = (chunk & 0x0000ffff0000ffff) * 42949672960001 >> 32;
  return true;
}

/// An integer of at most 18 digits, in JSON's grammar. False: something else.
bool short_integer(std::string_view token, int64_t& value) {
  bool negative = token.front() == '-';
  std::string_view digits = token.substr(negative);
  if (digits.empty() || digits.size() > 18 || (digits.front() == '0' && digits.size() > 1)) return false;
  uint64_t sum = 0;
  for (uint64_t eight = 0; digits.size() >= 8; digits.remove_prefix(8)) {
    if (!eight_digits(digits.data(), eight)) return false;
    sum = sum * 100000000 + eight;
  }
  for (char c : digits) {
    if (!is_digit(c)) return false;
    sum = sum * 10 + static_cast<uint64_t>(c - '0');
  }
  value = negative ? -static_cast<int64_t>(sum) : static_cast<int64_t>(sum);
  return true;
}

bool is_integer(TypeId id) {
  switch (id) {
    case TypeId::kTinyint:
    case TypeId::kSmallint:
    case TypeId::kInteger:
    case TypeId::kBigint:
    case TypeId::kHugeint:
    case TypeId::kUtinyint:
    case TypeId::kUsmallint:
    case TypeId::kUinteger:
    case TypeId::kUbigint: return true;
    default: return false;
  }
}

bool store_any_number(const batch::Type& type, std::string_view token, batch::MutableColumn& column, size_t row) {
  TypeId id = type.id();
  if (id == TypeId::kDouble || id == TypeId::kFloat || id == TypeId::kDecimal)
    return store_text(type, token, column, row);
  if (!is_integer(id)) return false;
  auto whole = parse_int128(token);
  if (!whole) whole = parse_decimal(token, 38, 0);  // 1.0, 1e3
  return whole && store_integer(type, *whole, column, row);
}

/// What is written as text because JSON has no other way. A number in quotes is text, where JSON numbers would do.
bool store_quoted(const batch::Type& type, std::string_view text, batch::MutableColumn& column, size_t row) {
  switch (type.id()) {
    case TypeId::kBoolean: return false;
    case TypeId::kFloat:
    case TypeId::kDouble: {
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      bool known = text == "NaN" || text == "Infinity" || text == "-Infinity";
      double value = text == "NaN"         ? std::numeric_limits<double>::quiet_NaN()
                     : text.front() == '-' ? -kInfinity
                                           : kInfinity;
      if (known && type.id() == TypeId::kDouble) column.set<double>(row, value);
      if (known && type.id() == TypeId::kFloat) column.set<float>(row, static_cast<float>(value));
      return known;
    }
    default:
      if (is_integer(type.id()) && type.id() != TypeId::kHugeint) return false;
      return store_text(type, text, column, row);
  }
}

}  // namespace

JsonPlan::JsonPlan(batch::Type plan_type, const batch::Schema* fields)
    : type(std::move(plan_type)),
      id(type.id()),
      raw(id == TypeId::kVarchar && type.name() == "JSON"),
      keys(names_of(type, fields)),
      seen(keys.names().size(), 0) {
  for (size_t i = 0; i < seen.size(); ++i) inside.emplace_back(fields ? (*fields)[i].type : type.struct_field_type(i));
  if (id == TypeId::kList) inside.emplace_back(type.child());
  if (id == TypeId::kMap) inside.emplace_back(type.child().struct_field_type(1));
}

JsonStore::Outcome JsonStore::store_number(JsonPlan& plan, batch::MutableColumn& column, size_t row) {
  std::string_view token = walk_->take();
  int64_t value = 0;
  if (short_integer(token, value)) {
    if (plan.id == TypeId::kBigint) {
      column.set<int64_t>(row, value);
      return Outcome::kStored;
    }
    if (is_integer(plan.id))
      return store_integer(plan.type, value, column, row) ? Outcome::kStored : Outcome::kWrongType;
  } else if (!is_json_number(token)) {
    return Outcome::kBadJson;
  }
  return store_any_number(plan.type, token, column, row) ? Outcome::kStored : Outcome::kWrongType;
}

JsonStore::Outcome JsonStore::store_string(JsonPlan& plan, batch::MutableColumn& column, size_t row) {
  std::string_view text;
  bool escaped = false;
  if (!walk_->take_string(text, scratch_, escaped)) return Outcome::kBadJson;
  if (plan.id == TypeId::kVarchar) {
    // Bytes of the record live as long as the batch (retained); unescaped ones only until the next string.
    if (escaped) {
      column.set_string(row, text);
    } else {
      set_string_ref(text, column, row);
    }
    return Outcome::kStored;
  }
  if (plan.id == TypeId::kBlob) {
    std::string bytes;
    if (!parse_base64(text, bytes)) return Outcome::kWrongType;
    column.set_string(row, bytes);
    return Outcome::kStored;
  }
  return !text.empty() && store_quoted(plan.type, text, column, row) ? Outcome::kStored : Outcome::kWrongType;
}

JsonStore::Outcome JsonStore::store_literal(JsonPlan& plan, batch::MutableColumn& column, size_t row) {
  std::string_view token = walk_->take();
  if (token == "null") return Outcome::kNull;
  if (token != "true" && token != "false") return Outcome::kBadJson;
  if (plan.id != TypeId::kBoolean) return Outcome::kWrongType;
  column.set<bool>(row, token == "true");
  return Outcome::kStored;
}

JsonStore::Outcome JsonStore::store_list(JsonPlan& plan, batch::MutableColumn& column, size_t row) {
  walk_->next();
  size_t count = walk_->count_elements();
  size_t first = column.add_list(row, count);
  for (size_t i = 0; i < count; ++i) {
    if (i > 0 && !walk_->take(',')) return Outcome::kBadJson;
    batch::MutableColumn child = column.child();  // a list inside may have moved it
    Outcome outcome = store_value(plan.inside[0], child, first + i);
    if (outcome == Outcome::kNull) nulls_.emplace_back(child, first + i);
    if (outcome == Outcome::kWrongType) path_.push_back("[" + std::to_string(i) + "]");
    if (outcome > Outcome::kNull) return outcome;
  }
  return walk_->take(']') ? Outcome::kStored : Outcome::kBadJson;
}

/// The key's text. False when it is not valid.
bool JsonStore::store_map_key(batch::MutableColumn& keys, size_t row) {
  std::string_view text;
  bool escaped = false;
  if (walk_->peek() != '"' || !walk_->take_string(text, scratch_, escaped) || !walk_->take(':')) return false;
  if (escaped) {
    keys.set_string(row, text);
  } else {
    keys.set<batch::StringRef>(row, batch::StringRef(text));
  }
  return true;
}

JsonStore::Outcome JsonStore::store_map(JsonPlan& plan, batch::MutableColumn& column, size_t row) {
  walk_->next();
  size_t first = column.add_list(row, walk_->count_elements());
  size_t stored = 0;
  batch::MutableColumn keys = column.child().child(0);
  auto* names = keys.values<batch::StringRef>() + first;
  std::unordered_set<std::string_view> known;
  for (bool more = walk_->peek() != '}'; more; more = walk_->take(',')) {
    if (!store_map_key(keys, first + stored)) return Outcome::kBadJson;
    // The first of entries of one key counts. Views into the column: it does not move before the map ends.
    bool repeated = false;
    std::string_view name = names[stored].view();
    if (stored < kMapKeysComparedMax) {
      for (size_t i = 0; i < stored && !repeated; ++i) repeated = names[i].view() == name;
    } else {
      for (size_t i = 0; known.size() < stored; ++i) known.insert(names[i].view());
      repeated = !known.insert(name).second;
    }
    if (repeated) {
      if (!walk_->skip()) return Outcome::kBadJson;
      continue;
    }
    batch::MutableColumn values = column.child().child(1);
    Outcome outcome = store_value(plan.inside[0], values, first + stored);
    if (outcome == Outcome::kNull) nulls_.emplace_back(values, first + stored);
    if (outcome == Outcome::kWrongType) path_.emplace_back(name);
    if (outcome > Outcome::kNull) return outcome;
    ++stored;
  }
  column.set<batch::ListRange>(row, {first, stored});
  return walk_->take('}') ? Outcome::kStored : Outcome::kBadJson;
}

JsonStore::Outcome JsonStore::store_raw(batch::MutableColumn& column, size_t row) {
  const uint32_t* token = walk_->token();
  bool maybe_null = walk_->peek() == 'n';
  if (!walk_->skip()) return Outcome::kBadJson;
  if (maybe_null) return Outcome::kNull;
  column.set<batch::StringRef>(row, batch::StringRef(walk_->text_between(token, walk_->token())));
  return Outcome::kStored;
}

JsonStore::Outcome JsonStore::store_bracket(JsonPlan& plan, batch::MutableColumn& column, size_t row) {
  bool list = walk_->peek() == '[';
  if (list && plan.id == TypeId::kList) return store_list(plan, column, row);
  if (!list && plan.id == TypeId::kStruct) {
    return store_object(
        plan, [&](size_t field) { return column.child(field); }, row);
  }
  if (!list && plan.id == TypeId::kMap) return store_map(plan, column, row);
  return walk_->skip() ? Outcome::kWrongType : Outcome::kBadJson;
}

JsonStore::Outcome JsonStore::store_value(JsonPlan& plan, batch::MutableColumn& column, size_t row) {
  if (plan.raw) return store_raw(column, row);
  const uint32_t* token = walk_->token();
  Outcome outcome;
  switch (walk_->peek()) {
    case '"': outcome = store_string(plan, column, row); break;
    case '{':
    case '[': outcome = store_bracket(plan, column, row); break;
    case 't':
    case 'f':
    case 'n': outcome = store_literal(plan, column, row); break;
    case '\0':
    case '}':
    case ']':
    case ':':
    case ',': return Outcome::kBadJson;
    default: outcome = store_number(plan, column, row);
  }
  if (outcome == Outcome::kWrongType && !expected_) {
    expected_ = &plan.type;
    found_ = walk_->text_between(token, walk_->token());
  }
  // A bad token was passed; errors name the place where it stands.
  if (outcome == Outcome::kBadJson && walk_->token() == token + 1) walk_->go_back_to(token);
  return outcome;
}

template <typename ColumnOf>
JsonStore::Outcome JsonStore::store_object(JsonPlan& plan, ColumnOf&& column_of, size_t row) {
  walk_->next();
  uint64_t object = ++plan.object;
  plan.keys.start();
  for (bool more = walk_->peek() != '}'; more; more = walk_->take(',')) {
    uint32_t field = 0;
    if (walk_->peek() != '"' || !plan.keys.find(walk_->take(), field) || !walk_->take(':')) return Outcome::kBadJson;
    // The first of fields of one name counts.
    if (field == JsonKeys::kUnknown || plan.seen[field] == object) {
      if (!walk_->skip()) return Outcome::kBadJson;
      continue;
    }
    plan.seen[field] = object;
    auto&& column = column_of(field);
    Outcome outcome = store_value(plan.inside[field], column, row);
    if (outcome == Outcome::kStored) continue;
    if (outcome == Outcome::kNull) nulls_.emplace_back(column, row);
    if (outcome == Outcome::kWrongType) path_.push_back(plan.keys.names()[field]);
    if (outcome > Outcome::kNull) return outcome;
  }
  if (!walk_->take('}')) return Outcome::kBadJson;
  for (size_t field = 0; field < plan.seen.size(); ++field) {
    if (plan.seen[field] != object) nulls_.emplace_back(column_of(field), row);
  }
  return Outcome::kStored;
}

std::string JsonStore::wrong_type() const {
  std::string path;
  for (auto name = path_.rbegin(); name != path_.rend(); ++name) {
    if (!path.empty() && !name->starts_with('[')) path.push_back('.');
    path.append(*name);
  }
  return "field " + path + ": expected " + expected_->name() + ", found " + shorten(found_, 64);
}

bool JsonStore::store_record(JsonWalk& walk, std::string_view record, std::vector<batch::MutableColumn>& columns,
                             size_t row, std::string& reason) {
  walk_ = &walk;
  if (walk.at_end()) {
    reason = "the record is empty";
    return false;
  }
  if (walk.peek() != '{') {
    reason = "expected a JSON object, found " + shorten(trim(record), 64);
    return false;
  }
  nulls_.clear();
  Outcome outcome = store_object(
      record_, [&](size_t field) -> batch::MutableColumn& { return columns[field]; }, row);
  if (outcome == Outcome::kWrongType) {
    reason = wrong_type();
    path_.clear();
    expected_ = nullptr;
    return false;
  }
  if (outcome == Outcome::kBadJson || !walk.at_end()) {
    reason = "not valid JSON at byte " + std::to_string(walk.offset() + 1);
    return false;
  }
  // Only now: a record that fails half-way leaves no NULL behind for the next one in its row.
  for (auto& [column, null_row] : nulls_) column.set_null(null_row);
  return true;
}

}  // namespace millrace::formats
