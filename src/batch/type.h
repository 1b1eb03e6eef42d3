// Type: a SQL type, as DuckDB knows it. A small value; equality is structural.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace duckdb {
struct LogicalType;
}

namespace millrace::batch {

/// How the values of a type lie in memory (DuckDB's PhysicalType).
enum class Layout : uint8_t {
  kBool,  // 1 byte, 0 or 1
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kInt128,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kUint128,
  kFloat,
  kDouble,
  kInterval,  // 16 bytes: int32 months, int32 days, int64 micros
  kString,    // StringRef: VARCHAR, BLOB, BIT …
  kList,
  kStruct,
  kArray,
  kOther,
};

/// The types that our own code tells apart. All others are kOther and handled by layout or by DuckDB.
enum class TypeId : uint8_t {
  kBoolean,
  kTinyint,
  kSmallint,
  kInteger,
  kBigint,
  kHugeint,
  kUtinyint,
  kUsmallint,
  kUinteger,
  kUbigint,
  kUhugeint,
  kFloat,
  kDouble,
  kDecimal,
  kVarchar,
  kBlob,
  kUuid,
  kDate,
  kTime,
  kTimestamp,
  kTimestampTz,
  kTimestampMs,
  kTimestampNs,
  kTimestampS,
  kInterval,
  kList,
  kStruct,
  kMap,
  kArray,
  kEnum,
  kNull,
  kOther,
};

class Type {
 public:
  Type();  ///< the type of NULL
  explicit Type(TypeId simple);
  explicit Type(const duckdb::LogicalType& type);  ///< for batch/, sql/ and lake/

  /// "DECIMAL(38,2)", "STRUCT(a INTEGER, b VARCHAR[])". Fails with kInvalidParameter and names what is known instead.
  static Result<Type> parse(std::string_view text);
  static Type decimal(uint8_t width, uint8_t scale);

  TypeId id() const { return id_; }
  Layout layout() const { return layout_; }
  /// Bytes of one value in a vector: 1, 2, 4, 8 or 16; 0 for nested types.
  size_t width() const;
  std::string name() const;  ///< round-trips through parse
  bool is_nested() const { return layout_ == Layout::kList || layout_ == Layout::kStruct || layout_ == Layout::kArray; }

  uint8_t decimal_width() const;
  uint8_t decimal_scale() const;
  /// Element type of a LIST or ARRAY; key/value struct of a MAP.
  Type child() const;
  uint64_t array_size() const;
  size_t struct_field_count() const;
  std::string struct_field_name(size_t index) const;
  Type struct_field_type(size_t index) const;

  const duckdb::LogicalType& duckdb_type() const { return *type_; }
  friend bool operator==(const Type& a, const Type& b);

 private:
  std::shared_ptr<const duckdb::LogicalType> type_;
  TypeId id_;
  Layout layout_;
};

struct Field {
  std::string name;
  Type type;
  friend bool operator==(const Field&, const Field&) = default;
};

/// The columns of a stream, table, view or operator, in order. Names are unique without regard to case where SQL sees
/// them.
struct Schema {
  std::vector<Field> fields;

  size_t size() const { return fields.size(); }
  const Field& operator[](size_t index) const { return fields[index]; }
  /// Index of the column with this name, compared without case; -1 when there is none.
  int find(std::string_view name) const;
  std::vector<Type> types() const;
  friend bool operator==(const Schema&, const Schema&) = default;
};

}  // namespace millrace::batch
