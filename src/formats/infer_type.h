// What the values of one field have in common. Private to formats/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::formats {

class InferredType {
 public:
  void add_null() { seen_ |= kNull; }
  void add_bool() { seen_ |= kBool; }
  void add_signed(int64_t value) { seen_ |= value < 0 ? kNegative | kWhole : kWhole; }
  void add_unsigned_large() { seen_ |= kLarge | kWhole; }
  void add_float() { seen_ |= kFloat; }
  /// A text: looked at for dates, timestamps and UUIDs.
  void add_text(std::string_view text);
  /// A CSV field that is not empty: also looked at for numbers and booleans.
  void add_csv(std::string_view text);
  /// An array: its elements go to the type returned.
  InferredType& add_list();
  void add_struct() { seen_ |= kStruct; }
  /// The type of a struct's field, made when it is new; names compare without case.
  InferredType& field(std::string_view name);

  const std::vector<std::pair<std::string, InferredType>>& fields() const { return fields_; }

  using QuoteName = std::string (*)(std::string_view);
  /// As SQL writes it. In CSV all values are text, so VARCHAR takes what is mixed; in JSON the type JSON does.
  std::string sql(QuoteName quote_name, bool csv) const;
  /// What a reader should know of sql(), for a comment; empty: nothing.
  std::string warning(bool csv) const;

 private:
  enum Seen : uint32_t {
    kNull = 1,
    kBool = 2,
    kWhole = 4,
    kNegative = 8,
    kLarge = 16,
    kFloat = 32,
    kDate = 64,
    kTimestamp = 128,
    kUuid = 256,
    kText = 512,
    kList = 1024,
    kStruct = 2048,
  };
  /// One of the families booleans, numbers, texts, lists, structs; several when they are mixed.
  uint32_t families() const;

  uint32_t seen_ = 0;
  std::vector<std::pair<std::string, InferredType>> fields_;  // of a struct; a list's element is the field ""
};

}  // namespace millrace::formats
