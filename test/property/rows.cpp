#include "rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace millrace::test {
namespace {

using batch::int128;
using batch::Layout;
using batch::Type;
using batch::TypeId;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Type one_of(Random& random, std::initializer_list<const char*> names) {
  return *Type::parse(names.begin()[random() % names.size()]);
}

std::string digits(int128 value) {
  std::string text;
  const bool negative = value < 0;
  do {
    text += static_cast<char>('0' + std::abs(static_cast<int>(value % 10)));
    value /= 10;
  } while (value != 0);
  if (negative) text += '-';
  return {text.rbegin(), text.rend()};
}

std::string decimal_digits(int128 value, uint8_t scale) {
  std::string text = digits(value < 0 ? -value : value);
  if (text.size() <= scale) text.insert(0, scale + 1 - text.size(), '0');
  if (scale > 0) text.insert(text.size() - scale, ".");
  return (value < 0 ? "-" : "") + text;
}

/// Sums of these are exact in any order, but for NaN and infinities, which are so anyway.
Value random_double(Random& random) {
  switch (random() % 16) {
    case 0: return std::nan("");
    case 1: return kInfinity;
    case 2: return -kInfinity;
    case 3: return 0.0;
    case 4: return -0.0;
    default: return static_cast<double>(random() % 64) / 4 - 6;
  }
}

/// 128 bits when the type has them; far enough from its end for sums of many.
Value random_decimal(Random& random, const Type& type) {
  const auto small = static_cast<int128>(random() % 200000) - 100000;
  if (random() % 3 != 0) return small * static_cast<int128>(random() % 3);
  int128 large = 1;
  for (int i = 0; i < type.decimal_width() - 6; ++i) large *= 10;
  return (random() % 2 == 0 ? large : -large) + small;
}

Value random_text(Random& random) {
  static const char* const kRare[] = {"", " ", "é", "日本語", "日本語のテキスト", "a with a longer tail", "B"};
  if (random() % 4 == 0) return std::string(kRare[random() % std::size(kRare)]);
  return std::string(1, static_cast<char>('a' + random() % 5));
}

/// Few different ones, in microseconds, so that many are equal.
Value random_time(Random& random) {
  constexpr int64_t kMinute = 60'000'000;
  constexpr int64_t kStart = 29'000'000 * kMinute;
  if (random() % 20 == 0) return static_cast<int128>(-kStart);
  return static_cast<int128>(kStart + static_cast<int64_t>(random() % 8) * kMinute);
}

Value random_list(Random& random) {
  List list;
  for (size_t i = random() % 4; i > 0; --i) {
    list.push_back(random() % 5 == 0 ? std::nullopt : std::optional<int64_t>(random() % 9));
  }
  return list;
}

Value random_value(const batch::Field& field, Random& random) {
  if (random() % 9 == 0) return {};
  if (field.name == "k") return static_cast<int128>(random() % 6);
  if (field.name == "m") return random_decimal(random, field.type);
  switch (field.type.id()) {
    case TypeId::kBoolean: return static_cast<int128>(random() % 2);
    case TypeId::kFloat:
    case TypeId::kDouble: return random_double(random);
    case TypeId::kVarchar: return random_text(random);
    case TypeId::kList: return random_list(random);
    case TypeId::kTimestamp: return random_time(random);
    default: break;
  }
  if (random() % 30 == 0) return static_cast<int128>(random() % 2 == 0 ? 300'000'000 : -300'000'000);
  return static_cast<int128>(random() % 100) - 20;
}

void put_list(batch::MutableColumn& column, size_t at, const List& list, Layout layout) {
  const size_t first = column.add_list(at, list.size());
  batch::MutableColumn child = column.child();
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i]) {
      child.set_null(first + i);
    } else if (layout == Layout::kInt64) {
      child.set<int64_t>(first + i, *list[i]);
    } else {
      child.set<int32_t>(first + i, static_cast<int32_t>(*list[i]));
    }
  }
}

void put_number(batch::MutableColumn& column, size_t at, int128 value, Layout layout) {
  switch (layout) {
    case Layout::kBool: return column.set<uint8_t>(at, static_cast<uint8_t>(value));
    case Layout::kInt16: return column.set<int16_t>(at, static_cast<int16_t>(value));
    case Layout::kInt32: return column.set<int32_t>(at, static_cast<int32_t>(value));
    case Layout::kInt64: return column.set<int64_t>(at, static_cast<int64_t>(value));
    case Layout::kInt128: return column.set<int128>(at, value);
    default: MR_CHECK(false, "a column type that rows of the property tests do not have");
  }
}

void put_value(batch::MutableColumn column, size_t at, const Value& value, const Type& type) {
  if (std::holds_alternative<std::monostate>(value)) return column.set_null(at);
  if (const auto* list = std::get_if<List>(&value)) return put_list(column, at, *list, type.child().layout());
  if (const auto* text = std::get_if<std::string>(&value)) return column.set_string(at, *text);
  if (const auto* number = std::get_if<int128>(&value)) return put_number(column, at, *number, type.layout());
  const double number = std::get<double>(value);
  if (type.layout() == Layout::kFloat) return column.set<float>(at, static_cast<float>(number));
  column.set<double>(at, number);
}

/// As JSON has it; what is in quotes there is so in SQL, too.
std::string value_text(const Value& value, const Type& type, char quote) {
  const auto quoted = [quote](const std::string& text) { return quote + text + quote; };
  if (std::holds_alternative<std::monostate>(value)) return quote == '"' ? "null" : "NULL";
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  if (const auto* list = std::get_if<List>(&value)) {
    std::string text = "[";
    for (const auto& element : *list)
      text += (text.size() > 1 ? "," : "") + (element ? std::to_string(*element) : std::string("null"));
    return text + "]";
  }
  if (const auto* number = std::get_if<double>(&value)) {
    if (std::isnan(*number)) return quoted("NaN");
    if (std::isinf(*number)) return quoted(*number > 0 ? "Infinity" : "-Infinity");
    return (std::signbit(*number) ? "-" : "") + std::to_string(std::abs(*number));
  }
  const int128 number = std::get<int128>(value);
  if (type.id() == TypeId::kBoolean) return number != 0 ? "true" : "false";
  if (type.id() == TypeId::kDecimal) return quoted(decimal_digits(number, type.decimal_scale()));
  if (type.id() == TypeId::kTimestamp) {
    return quoted(format_iso8601(Timestamp{static_cast<int64_t>(number)}));
  }
  return digits(number);
}

}  // namespace

std::vector<Table> random_tables(Random& random) {
  const Type bigint(TypeId::kBigint), varchar(TypeId::kVarchar), boolean(TypeId::kBoolean);
  const auto key = [&] { return one_of(random, {"BIGINT", "BIGINT", "INTEGER", "SMALLINT"}); };
  const auto number = [&] { return one_of(random, {"BIGINT", "BIGINT", "INTEGER", "HUGEINT"}); };
  const auto real = [&] { return one_of(random, {"DOUBLE", "DOUBLE", "FLOAT"}); };
  const auto decimal = [&] { return one_of(random, {"DECIMAL(38,4)", "DECIMAL(38,4)", "DECIMAL(18,2)", "DECIMAL(9,1)"}); };
  const Type time = *Type::parse("TIMESTAMP");
  Table t{"t", {}, random() % 3 == 0};
  t.schema.fields = {{"id", bigint}, {"k", key()}, {"g", varchar}, {"x", number()}};
  t.schema.fields.push_back({"l", one_of(random, {"BIGINT[]", "INTEGER[]"})});
  t.schema.fields.push_back({"d", real()});
  t.schema.fields.push_back({"m", decimal()});
  t.schema.fields.push_back({"ts", time});
  t.schema.fields.push_back({"b", boolean});
  Table u{"u", {}, random() % 3 == 0};
  u.schema.fields = {{"id", bigint}, {"k", key()}, {"name", varchar}, {"w", number()}, {"d", real()}, {"ts", time}};
  return {std::move(t), std::move(u)};
}

Row random_row(const Table& table, Random& random, int64_t id) {
  Row row{static_cast<int128>(id)};
  for (size_t i = 1; i < table.schema.size(); ++i) row.push_back(random_value(table.schema[i], random));
  return row;
}

void put_row(batch::Batch& out, size_t at, const Row& row) {
  for (size_t i = 0; i < row.size(); ++i) put_value(out.mutable_column(i), at, row[i], out.type(i));
}

std::string literal(const Table& table, const Row& row) {
  std::string text;
  for (size_t i = 0; i < row.size(); ++i)
    text += (i == 0 ? "(" : ", ") + value_text(row[i], table.schema[i].type, '\'');
  return text + ")";
}

std::string json(const Table& table, const Row& row) {
  std::string text;
  for (size_t i = 0; i < row.size(); ++i) {
    if (std::holds_alternative<std::monostate>(row[i])) continue;
    text += (text.empty() ? "{\"" : ",\"") + table.schema[i].name + "\":";
    text += value_text(row[i], table.schema[i].type, '"');
  }
  return text.empty() ? "{}" : text + "}";
}

void add_rows(Bag& bag, const batch::Batch& batch) {
  for (size_t row = 0; row < batch.rows(); ++row) {
    std::string text;
    for (size_t column = 0; column < batch.columns(); ++column) {
      const std::string value = batch.value_text(column, row);
      text += (value == "-0.0" ? "0.0" : value) + " | ";
    }
    int64_t& count = bag[text];
    count += batch.diff(row);
    if (count == 0) bag.erase(text);
  }
}

std::string difference(const Bag& left, const char* left_name, const Bag& right, const char* right_name) {
  constexpr int kShown = 6;
  std::string text;
  int found = 0;
  const auto compare = [&](const Bag& one, const Bag& other, const char* name) {
    for (const auto& [row, count] : one) {
      const auto same = other.find(row);
      if (same != other.end() && same->second == count) continue;
      if (++found <= kShown) text += std::string("  ") + name + " has " + std::to_string(count) + " x " + row + "\n";
    }
  };
  compare(left, right, left_name);
  compare(right, left, right_name);
  return found <= kShown ? text : text + "  and " + std::to_string(found - kShown) + " more\n";
}

}  // namespace millrace::test
