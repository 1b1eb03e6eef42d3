// JsonStore: JSON values into columns, by a plan made once from their types. Private to formats/. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "batch/batch.h"
#include "formats/json_keys.h"
#include "formats/json_walk.h"

namespace millrace::formats {

/// How values of one type are stored, with what is inside the type.
struct JsonPlan {
  JsonPlan(batch::Type type, const batch::Schema* fields);  ///< `fields`: those of the record itself, which has no type
  explicit JsonPlan(const batch::Type& type) : JsonPlan(type, nullptr) {}

  batch::Type type;
  batch::TypeId id;
  bool raw;                      ///< JSON's own type: any value, kept as its text
  JsonKeys keys;                 ///< of a STRUCT or the record
  std::vector<uint64_t> seen;    ///< by field: the object that had it last
  uint64_t object = 0;           ///< counts objects
  std::vector<JsonPlan> inside;  ///< the fields, the element, or the value of a MAP
};

/// So many bytes must be readable behind a record.
inline constexpr size_t kJsonPadding = 16;

class JsonStore {
 public:
  explicit JsonStore(const batch::Schema& schema) : record_(batch::Type(), &schema) {}

  /// Whether the last record that was stored lacked this field.
  bool was_missing(size_t field) const { return record_.seen[field] != record_.object; }

  /// Stores the object that the walk stands at, and nothing may follow it. Columns are the schema's. False, with the
  /// reason, when it is not one that fits; then the row can be filled by another record.
  bool store_record(JsonWalk& walk, std::string_view record, std::vector<batch::MutableColumn>& columns, size_t row,
                    std::string& reason);

 private:
  enum class Outcome : uint8_t { kStored, kNull, kWrongType, kBadJson };

  template <typename ColumnOf>
  Outcome store_object(JsonPlan& plan, ColumnOf&& column_of, size_t row);
  Outcome store_value(JsonPlan& plan, batch::MutableColumn& column, size_t row);
  Outcome store_list(JsonPlan& plan, batch::MutableColumn& column, size_t row);
  Outcome store_map(JsonPlan& plan, batch::MutableColumn& column, size_t row);
  bool store_map_key(batch::MutableColumn& keys, size_t row);
  Outcome store_raw(batch::MutableColumn& column, size_t row);
  Outcome store_string(JsonPlan& plan, batch::MutableColumn& column, size_t row);
  Outcome store_number(JsonPlan& plan, batch::MutableColumn& column, size_t row);
  Outcome store_literal(JsonPlan& plan, batch::MutableColumn& column, size_t row);
  Outcome store_bracket(JsonPlan& plan, batch::MutableColumn& column, size_t row);
  std::string wrong_type() const;

  JsonPlan record_;
  JsonWalk* walk_ = nullptr;
  std::vector<std::pair<batch::MutableColumn, size_t>> nulls_;  // set when the whole record is good
  std::string scratch_;
  // Of a value of a wrong type:
  std::vector<std::string> path_;  // innermost name first
  const batch::Type* expected_ = nullptr;
  std::string_view found_;
};

}  // namespace millrace::formats
