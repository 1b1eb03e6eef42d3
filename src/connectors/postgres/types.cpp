#include "connectors/postgres/types.h"

#include <initializer_list>
#include <string_view>

namespace millrace::connectors::postgres {
namespace {

using batch::Type;
using batch::TypeId;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  for (std::string_view one : names) {
    if (one == name) return true;
  }
  return false;
}

/// A numeric that would round what we send.
bool rounds(const Type& type, const TableColumn& column) {
  if (column.type == "numeric" && column.modifier >= 4 && type.id() == TypeId::kDecimal) {
    return ((column.modifier - 4) & 0x7ff) < type.decimal_scale();
  }
  return is_one_of(column.type, {"timestamp", "timestamptz", "time"}) && column.modifier >= 0 && column.modifier < 6;
}

bool takes_integer(const Type& type, std::string_view name) {
  switch (type.id()) {
    case TypeId::kTinyint:
    case TypeId::kSmallint:
    case TypeId::kUtinyint: return is_one_of(name, {"int2", "int4", "int8", "numeric", "float4", "float8"});
    case TypeId::kInteger:
    case TypeId::kUsmallint: return is_one_of(name, {"int4", "int8", "numeric", "float8"});
    // A value that is too large for the column is a dead letter.
    case TypeId::kBigint:
    case TypeId::kUinteger:
    case TypeId::kUbigint:
    case TypeId::kHugeint:
    case TypeId::kUhugeint: return is_one_of(name, {"int8", "numeric"});
    default: return false;
  }
}

bool takes_scalar(const Type& type, std::string_view name) {
  switch (type.id()) {
    case TypeId::kBoolean: return name == "bool";
    case TypeId::kFloat: return is_one_of(name, {"float4", "float8"});
    case TypeId::kDouble: return name == "float8";
    case TypeId::kDecimal: return name == "numeric";
    case TypeId::kVarchar:
      return is_one_of(name, {"bpchar", "citext", "name", "json", "jsonb", "uuid", "xml", "inet", "cidr"});
    case TypeId::kBlob: return name == "bytea";
    case TypeId::kUuid: return name == "uuid";
    case TypeId::kDate: return name == "date";
    case TypeId::kTime: return name == "time";
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
    case TypeId::kTimestampMs:
    case TypeId::kTimestampS:
    case TypeId::kTimestampNs: return is_one_of(name, {"timestamp", "timestamptz"});
    case TypeId::kInterval: return name == "interval";
    default: return takes_integer(type, name);
  }
}

bool takes_text(std::string_view name) { return name == "text" || name == "varchar"; }

}  // namespace

bool has_array_form(const Type& list) {
  if (list.id() != TypeId::kList && list.id() != TypeId::kArray) return false;
  Type element = list.child();
  switch (element.id()) {
    case TypeId::kUhugeint:
    case TypeId::kInterval:
    case TypeId::kEnum:
    case TypeId::kNull:
    case TypeId::kOther: return false;
    default: return !element.is_nested();
  }
}

std::string misfit(const Type& type, const TableColumn& column) {
  std::string given = type.name() + " does not fit into " + column.shown;
  if (rounds(type, column)) return given + ", which would round it";
  if (type.is_nested()) {
    if (is_one_of(column.type, {"json", "jsonb"}) || takes_text(column.type)) return "";
    if (!column.element.empty() && has_array_form(type)) {
      if (takes_scalar(type.child(), column.element) || takes_text(column.element)) return "";
    }
    return given;
  }
  bool text_to_enum = column.is_enum && (type.id() == TypeId::kVarchar || type.id() == TypeId::kEnum);
  return takes_text(column.type) || text_to_enum || takes_scalar(type, column.type) ? "" : given;
}

std::string column_type(const Type& type) {
  switch (type.id()) {
    case TypeId::kBoolean: return "boolean";
    case TypeId::kTinyint:
    case TypeId::kUtinyint:
    case TypeId::kSmallint: return "smallint";
    case TypeId::kUsmallint:
    case TypeId::kInteger: return "integer";
    case TypeId::kUinteger:
    case TypeId::kBigint: return "bigint";
    case TypeId::kUbigint: return "numeric(20,0)";
    case TypeId::kHugeint: return "numeric(38,0)";
    case TypeId::kUhugeint: return "numeric(39,0)";
    case TypeId::kFloat: return "real";
    case TypeId::kDouble: return "double precision";
    case TypeId::kDecimal:
      return "numeric(" + std::to_string(type.decimal_width()) + "," + std::to_string(type.decimal_scale()) + ")";
    case TypeId::kVarchar: return type.name() == "JSON" ? "jsonb" : "text";
    case TypeId::kBlob: return "bytea";
    case TypeId::kUuid: return "uuid";
    case TypeId::kDate: return "date";
    case TypeId::kTime: return "time";
    case TypeId::kTimestamp:
    case TypeId::kTimestampMs:
    case TypeId::kTimestampS:
    case TypeId::kTimestampNs: return "timestamp";
    case TypeId::kTimestampTz: return "timestamptz";
    case TypeId::kInterval: return "interval";
    case TypeId::kList:
    case TypeId::kArray: return has_array_form(type) ? column_type(type.child()) + "[]" : "jsonb";
    case TypeId::kStruct:
    case TypeId::kMap: return "jsonb";
    default: return "text";
  }
}

}  // namespace millrace::connectors::postgres
