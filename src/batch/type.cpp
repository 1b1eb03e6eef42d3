#include "batch/type.h"

#include <duckdb/common/error_data.hpp>
#include <duckdb/common/string_util.hpp>
#include <duckdb/common/type_visitor.hpp>
#include <duckdb/common/types.hpp>
#include <duckdb/parser/expression/cast_expression.hpp>
#include <duckdb/parser/parser.hpp>

#include "batch/duckdb_error.h"
#include "batch/stored_type.h"

namespace millrace::batch {

namespace {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using duckdb::PhysicalType;

constexpr const char* kKnownTypes =
    "known types are BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, HUGEINT and their unsigned forms (UTINYINT …), "
    "FLOAT, DOUBLE, "
    "DECIMAL(width, scale), VARCHAR, BLOB, BIT, UUID, JSON, DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL, ENUM('a', "
    "…), T[], T[n], "
    "STRUCT(name T, …), MAP(K, V)";

struct SimpleType {
  TypeId id;
  LogicalTypeId duckdb;
};

constexpr SimpleType kSimpleTypes[] = {
    {TypeId::kBoolean, LogicalTypeId::BOOLEAN},
    {TypeId::kTinyint, LogicalTypeId::TINYINT},
    {TypeId::kSmallint, LogicalTypeId::SMALLINT},
    {TypeId::kInteger, LogicalTypeId::INTEGER},
    {TypeId::kBigint, LogicalTypeId::BIGINT},
    {TypeId::kHugeint, LogicalTypeId::HUGEINT},
    {TypeId::kUtinyint, LogicalTypeId::UTINYINT},
    {TypeId::kUsmallint, LogicalTypeId::USMALLINT},
    {TypeId::kUinteger, LogicalTypeId::UINTEGER},
    {TypeId::kUbigint, LogicalTypeId::UBIGINT},
    {TypeId::kUhugeint, LogicalTypeId::UHUGEINT},
    {TypeId::kFloat, LogicalTypeId::FLOAT},
    {TypeId::kDouble, LogicalTypeId::DOUBLE},
    {TypeId::kVarchar, LogicalTypeId::VARCHAR},
    {TypeId::kBlob, LogicalTypeId::BLOB},
    {TypeId::kUuid, LogicalTypeId::UUID},
    {TypeId::kDate, LogicalTypeId::DATE},
    {TypeId::kTime, LogicalTypeId::TIME},
    {TypeId::kTimestamp, LogicalTypeId::TIMESTAMP},
    {TypeId::kTimestampTz, LogicalTypeId::TIMESTAMP_TZ},
    {TypeId::kTimestampMs, LogicalTypeId::TIMESTAMP_MS},
    {TypeId::kTimestampNs, LogicalTypeId::TIMESTAMP_NS},
    {TypeId::kTimestampS, LogicalTypeId::TIMESTAMP_SEC},
    {TypeId::kInterval, LogicalTypeId::INTERVAL},
    {TypeId::kNull, LogicalTypeId::SQLNULL},
};

TypeId id_of(const LogicalType& type) {
  for (const SimpleType& simple : kSimpleTypes) {
    if (simple.duckdb == type.id()) return simple.id;
  }
  switch (type.id()) {
    case LogicalTypeId::DECIMAL: return TypeId::kDecimal;
    case LogicalTypeId::LIST: return TypeId::kList;
    case LogicalTypeId::STRUCT: return TypeId::kStruct;
    case LogicalTypeId::MAP: return TypeId::kMap;
    case LogicalTypeId::ARRAY: return TypeId::kArray;
    case LogicalTypeId::ENUM: return TypeId::kEnum;
    default: return TypeId::kOther;
  }
}

Layout layout_of(const LogicalType& type) {
  switch (type.InternalType()) {
    case PhysicalType::BOOL: return Layout::kBool;
    case PhysicalType::INT8: return Layout::kInt8;
    case PhysicalType::INT16: return Layout::kInt16;
    case PhysicalType::INT32: return Layout::kInt32;
    case PhysicalType::INT64: return Layout::kInt64;
    case PhysicalType::INT128: return Layout::kInt128;
    case PhysicalType::UINT8: return Layout::kUint8;
    case PhysicalType::UINT16: return Layout::kUint16;
    case PhysicalType::UINT32: return Layout::kUint32;
    case PhysicalType::UINT64: return Layout::kUint64;
    case PhysicalType::UINT128: return Layout::kUint128;
    case PhysicalType::FLOAT: return Layout::kFloat;
    case PhysicalType::DOUBLE: return Layout::kDouble;
    case PhysicalType::INTERVAL: return Layout::kInterval;
    case PhysicalType::VARCHAR: return Layout::kString;
    case PhysicalType::LIST: return Layout::kList;
    case PhysicalType::STRUCT: return Layout::kStruct;
    case PhysicalType::ARRAY: return Layout::kArray;
    default: return Layout::kOther;
  }
}

LogicalType duckdb_type_of(TypeId id) {
  for (const SimpleType& simple : kSimpleTypes) {
    if (simple.id == id) return LogicalType(simple.duckdb);
  }
  MR_CHECK(false, "a type that needs parameters was made from its id alone");
}

/// What stands for the name of a field that has none, with its number behind it.
constexpr const char* kUnnamedField = "unnamed field ";

/// The struct with other names: of a struct without names those that stand for none, and the other way round.
LogicalType rename_fields(const LogicalType& type, bool to_names) {
  duckdb::child_list_t<LogicalType> fields;
  for (const auto& [name, field] : duckdb::StructType::GetChildTypes(type)) {
    std::string stands_for_none = kUnnamedField + std::to_string(fields.size() + 1);
    if (!to_names && name != stands_for_none) return type;
    fields.emplace_back(to_names ? std::move(stands_for_none) : std::string(), field);
  }
  return LogicalType::STRUCT(std::move(fields));
}

/// JSON is an alias of VARCHAR that DuckDB only knows by a catalog entry; every other name must be built in.
LogicalType resolve_names(const LogicalType& type, std::string& unknown) {
  return duckdb::TypeVisitor::VisitReplace(type, [&](const LogicalType& inner) -> LogicalType {
    if (inner.id() == LogicalTypeId::STRUCT && !duckdb::StructType::IsUnnamed(inner)) return rename_fields(inner, false);
    if (inner.id() != LogicalTypeId::USER) return inner;
    const std::string& name = duckdb::UserType::GetTypeName(inner);
    if (duckdb::StringUtil::CIEquals(name, "json")) return LogicalType::JSON();
    if (unknown.empty()) unknown = name;
    return inner;
  });
}

Error unknown_type(std::string_view text) {
  return user_error(sqlstate::kInvalidParameter, "unknown type: " + std::string(text)).with_hint(kKnownTypes);
}

}  // namespace

Type::Type() : Type(LogicalType(LogicalTypeId::SQLNULL)) {}

Type::Type(TypeId simple) : Type(duckdb_type_of(simple)) {}

Type::Type(const duckdb::LogicalType& type)
    : type_(std::make_shared<const LogicalType>(type)), id_(id_of(type)), layout_(layout_of(type)) {}

Result<Type> Type::parse(std::string_view text) {
  // Parsed as the target of a cast, so that nothing but a type gets through ("INTEGER NOT NULL" would pass as a
  // column).
  try {
    auto expressions = duckdb::Parser::ParseExpressionList("CAST(NULL AS " + std::string(text) + "\n)");
    if (expressions.size() != 1 || expressions[0]->GetExpressionClass() != duckdb::ExpressionClass::CAST)
      return unknown_type(text);
    const auto& cast = expressions[0]->Cast<duckdb::CastExpression>();
    if (cast.child->GetExpressionClass() != duckdb::ExpressionClass::CONSTANT) return unknown_type(text);
    std::string unknown;
    LogicalType type = resolve_names(cast.cast_type, unknown);
    if (!unknown.empty()) return unknown_type(unknown);
    return Type(type);
  } catch (const std::exception& exception) {
    duckdb::ErrorData data(exception);
    if (data.Type() == duckdb::ExceptionType::PARSER && data.RawMessage().find("syntax error") != std::string::npos) {
      return unknown_type(text);
    }
    return user_error(sqlstate::kInvalidParameter, "type " + std::string(text) + ": " + data.RawMessage());
  }
}

Type Type::decimal(uint8_t width, uint8_t scale) { return Type(LogicalType::DECIMAL(width, scale)); }

size_t Type::width() const { return is_nested() ? 0 : duckdb::GetTypeIdSize(type_->InternalType()); }

std::string Type::name() const { return type_->ToString(); }

std::string stored_name(const Type& type) {
  const auto with_names = [](const LogicalType& inner) {
    const bool unnamed = inner.id() == LogicalTypeId::STRUCT && duckdb::StructType::IsUnnamed(inner);
    return unnamed ? rename_fields(inner, true) : inner;
  };
  return duckdb::TypeVisitor::VisitReplace(type.duckdb_type(), with_names).ToString();
}

uint8_t Type::decimal_width() const { return duckdb::DecimalType::GetWidth(*type_); }

uint8_t Type::decimal_scale() const { return duckdb::DecimalType::GetScale(*type_); }

Type Type::child() const {
  return Type(layout_ == Layout::kArray ? duckdb::ArrayType::GetChildType(*type_)
                                        : duckdb::ListType::GetChildType(*type_));
}

uint64_t Type::array_size() const { return duckdb::ArrayType::GetSize(*type_); }

size_t Type::struct_field_count() const { return duckdb::StructType::GetChildCount(*type_); }

std::string Type::struct_field_name(size_t index) const { return duckdb::StructType::GetChildName(*type_, index); }

Type Type::struct_field_type(size_t index) const { return Type(duckdb::StructType::GetChildType(*type_, index)); }

bool operator==(const Type& a, const Type& b) { return a.type_ == b.type_ || *a.type_ == *b.type_; }

int Schema::find(std::string_view name) const {
  std::string wanted(name);
  for (size_t i = 0; i < fields.size(); ++i) {
    if (duckdb::StringUtil::CIEquals(fields[i].name, wanted)) return static_cast<int>(i);
  }
  return -1;
}

std::vector<Type> Schema::types() const {
  std::vector<Type> types;
  types.reserve(fields.size());
  for (const Field& field : fields) types.push_back(field.type);
  return types;
}

}  // namespace millrace::batch
