#include "formats/infer_type.h"

#include <bit>

#include "base/text.h"
#include "formats/scalar_text.h"

namespace millrace::formats {
namespace {

constexpr uint32_t kBooleans = 1;
constexpr uint32_t kNumbers = 2;
constexpr uint32_t kTexts = 4;
constexpr uint32_t kLists = 8;
constexpr uint32_t kStructs = 16;

/// A whole number that does not fit 64 bits any more is left to DOUBLE.
constexpr size_t kWholeDigitsMax = 19;

}  // namespace

void InferredType::add_text(std::string_view text) {
  if (parse_date(text)) {
    seen_ |= kDate;
  } else if (text.size() > 10 && parse_iso8601(text).ok()) {
    seen_ |= kTimestamp;
  } else if (text.size() == 36 && parse_uuid(text)) {
    seen_ |= kUuid;
  } else {
    seen_ |= kText;
  }
}

void InferredType::add_csv(std::string_view text) {
  if (iequals(text, "true") || iequals(text, "false")) return add_bool();
  auto whole = parse_int128(text);
  bool padded = text.size() > 1 && text.front() == '0';  // 007 is a name, not a number
  if (whole && !padded) {
    if (*whole > INT64_MAX) {
      return text.size() > kWholeDigitsMax + 1 ? add_float() : add_unsigned_large();
    }
    return *whole < INT64_MIN ? add_float() : add_signed(static_cast<int64_t>(*whole));
  }
  bool decimal =
      (is_digit(text.front()) || text.front() == '-' || text.front() == '.') && parse_double(text).has_value();
  if (decimal && !padded) return add_float();
  if (decimal && text.starts_with("0.")) return add_float();
  add_text(text);
}

InferredType& InferredType::add_list() {
  seen_ |= kList;
  return field("");
}

InferredType& InferredType::field(std::string_view name) {
  for (auto& [known, type] : fields_) {
    if (iequals(known, name)) return type;
  }
  return fields_.emplace_back(std::string(name), InferredType()).second;
}

uint32_t InferredType::families() const {
  uint32_t families = 0;
  if (seen_ & kBool) families |= kBooleans;
  if (seen_ & (kWhole | kFloat)) families |= kNumbers;
  if (seen_ & (kDate | kTimestamp | kUuid | kText)) families |= kTexts;
  if (seen_ & kList) families |= kLists;
  if (seen_ & kStruct) families |= kStructs;
  return families;
}

std::string InferredType::sql(QuoteName quote_name, bool csv) const {
  switch (families()) {
    case kBooleans: return "BOOLEAN";
    case kNumbers:
      if (seen_ & kFloat) return "DOUBLE";
      if (!(seen_ & kLarge)) return "BIGINT";
      return seen_ & kNegative ? "HUGEINT" : "UBIGINT";
    case kTexts: {
      uint32_t texts = seen_ & (kDate | kTimestamp | kUuid | kText);
      if (texts == kDate) return "DATE";
      if (texts == kTimestamp) return "TIMESTAMP";
      return texts == kUuid ? "UUID" : "VARCHAR";
    }
    case kLists: return fields_.front().second.sql(quote_name, csv) + "[]";
    case kStructs: {
      std::string text;
      for (const auto& [name, type] : fields_) {
        text += (text.empty() ? "STRUCT(" : ", ") + quote_name(name) + " " + type.sql(quote_name, csv);
      }
      return text.empty() ? "JSON" : text + ")";
    }
    case 0: return "VARCHAR";
    default: return csv ? "VARCHAR" : "JSON";
  }
}

std::string InferredType::warning(bool csv) const {
  uint32_t mixed = families();
  if (mixed == 0) return "always NULL in the sample";
  if (mixed == kStructs && fields_.empty()) return "an object without fields in the sample";
  if (std::popcount(mixed) == 1) {
    for (const auto& [name, type] : fields_) {
      if (std::string inner = type.warning(csv); !inner.empty())
        return (name.empty() ? "elements" : name) + ": " + inner;
    }
    return {};
  }
  if (csv) return {};
  std::string kinds;
  constexpr const char* kNames[] = {"booleans", "numbers", "text", "arrays", "objects"};
  for (int i = 0; i < 5; ++i) {
    if (mixed >> i & 1) kinds += (kinds.empty() ? "" : " and ") + std::string(kNames[i]);
  }
  return "mixed " + kinds;
}

}  // namespace millrace::formats
