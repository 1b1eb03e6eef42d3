// Structs whose fields have no names: fine inside a query, but what a view shows is stored, read and written by name.
#include "duckdb/planner/expression/bound_cast_expression.hpp"
#include "sql/translate.h"

namespace millrace::sql {
namespace {

/// The type with a name for every field; PostgreSQL calls them f1, f2, …
duckdb::LogicalType with_names(const duckdb::LogicalType& type) {
  using duckdb::LogicalTypeId;
  switch (type.id()) {
    case LogicalTypeId::LIST: return duckdb::LogicalType::LIST(with_names(duckdb::ListType::GetChildType(type)));
    case LogicalTypeId::ARRAY:
      return duckdb::LogicalType::ARRAY(with_names(duckdb::ArrayType::GetChildType(type)),
                                        duckdb::ArrayType::GetSize(type));
    case LogicalTypeId::MAP:
      return duckdb::LogicalType::MAP(with_names(duckdb::MapType::KeyType(type)),
                                      with_names(duckdb::MapType::ValueType(type)));
    case LogicalTypeId::STRUCT: {
      const bool unnamed = duckdb::StructType::IsUnnamed(type);
      duckdb::child_list_t<duckdb::LogicalType> fields;
      for (const auto& [name, field] : duckdb::StructType::GetChildTypes(type)) {
        fields.emplace_back(unnamed ? "f" + std::to_string(fields.size() + 1) : name, with_names(field));
      }
      return duckdb::LogicalType::STRUCT(std::move(fields));
    }
    default: return type;
  }
}

}  // namespace

uint32_t Translator::with_named_fields(uint32_t root) {
  std::vector<batch::Expression> expressions;
  std::vector<std::string> names;
  bool changes = false;
  for (uint32_t i = 0; i < visible(root); ++i) {
    const batch::Field& field = nodes_[root].output[i];
    const duckdb::LogicalType& type = field.type.duckdb_type();
    const duckdb::LogicalType named = with_names(type);
    changes |= named != type;
    expressions.push_back(
        copy_expression(*duckdb::BoundCastExpression::AddCastToType(context_, reference(i, type), named)));
    names.push_back(field.name);
  }
  return changes ? project(root, std::move(expressions), std::move(names)) : root;
}

}  // namespace millrace::sql
