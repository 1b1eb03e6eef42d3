#include "batch/type.h"

#include <gtest/gtest.h>

#include <duckdb/common/types.hpp>

#include "batch/stored_type.h"

namespace millrace::batch {
namespace {

TEST(Type, NamesRoundTrip) {
  const char* names[] = {"BOOLEAN",
                         "TINYINT",
                         "SMALLINT",
                         "INTEGER",
                         "BIGINT",
                         "HUGEINT",
                         "UTINYINT",
                         "USMALLINT",
                         "UINTEGER",
                         "UBIGINT",
                         "UHUGEINT",
                         "FLOAT",
                         "DOUBLE",
                         "DECIMAL(38,2)",
                         "DECIMAL(4,4)",
                         "VARCHAR",
                         "BLOB",
                         "UUID",
                         "DATE",
                         "TIME",
                         "TIMESTAMP",
                         "TIMESTAMP WITH TIME ZONE",
                         "TIMESTAMP_MS",
                         "TIMESTAMP_NS",
                         "TIMESTAMP_S",
                         "INTERVAL",
                         "BIT",
                         "JSON",
                         "INTEGER[]",
                         "VARCHAR[3]",
                         "STRUCT(a INTEGER, b VARCHAR[])",
                         "STRUCT(\"two words\" INTEGER, \"select\" DOUBLE)",
                         "MAP(VARCHAR, INTEGER)",
                         "ENUM('a', 'it''s', 'c d')",
                         "STRUCT(j JSON, l MAP(INTEGER, STRUCT(x BIT))[])[]",
                         "UNION(n INTEGER, s VARCHAR)"};
  for (const char* name : names) {
    auto type = Type::parse(name);
    ASSERT_TRUE(type.ok()) << name << ": " << type.error().message;
    auto again = Type::parse(type->name());
    ASSERT_TRUE(again.ok()) << type->name() << ": " << again.error().message;
    EXPECT_EQ(*again, *type) << name;
    EXPECT_EQ(again->name(), type->name());
  }
}

TEST(Type, EverySimpleIdHasItsType) {
  for (int id = 0; id <= static_cast<int>(TypeId::kInterval); ++id) {
    if (static_cast<TypeId>(id) == TypeId::kDecimal) continue;
    Type type(static_cast<TypeId>(id));
    EXPECT_EQ(static_cast<int>(type.id()), id) << type.name();
    EXPECT_FALSE(type.is_nested());
    EXPECT_GT(type.width(), 0u);
  }
  EXPECT_EQ(Type().id(), TypeId::kNull);
  EXPECT_EQ(Type::decimal(20, 3).id(), TypeId::kDecimal);
  EXPECT_EQ(Type::decimal(20, 3).layout(), Layout::kInt128);
  EXPECT_EQ(Type::decimal(18, 3).layout(), Layout::kInt64);
  EXPECT_EQ(Type::decimal(20, 3).decimal_width(), 20);
  EXPECT_EQ(Type::decimal(20, 3).decimal_scale(), 3);
}

TEST(Type, AliasesAreTheSameType) {
  EXPECT_EQ(*Type::parse("int"), Type(TypeId::kInteger));
  EXPECT_EQ(*Type::parse("text"), Type(TypeId::kVarchar));
  EXPECT_EQ(*Type::parse("timestamptz"), Type(TypeId::kTimestampTz));
  EXPECT_EQ(*Type::parse("numeric(10, 2)"), Type::decimal(10, 2));
  EXPECT_EQ(*Type::parse("varchar(10)"), Type(TypeId::kVarchar));
  EXPECT_FALSE(*Type::parse("JSON") == Type(TypeId::kVarchar));
}

TEST(Type, NestedTypesTellTheirParts) {
  Type type = *Type::parse("STRUCT(a INTEGER, b VARCHAR[4], m MAP(BIGINT, DOUBLE))");
  ASSERT_EQ(type.struct_field_count(), 3u);
  EXPECT_EQ(type.struct_field_name(1), "b");
  EXPECT_EQ(type.struct_field_type(0), Type(TypeId::kInteger));
  EXPECT_EQ(type.struct_field_type(1).id(), TypeId::kArray);
  EXPECT_EQ(type.struct_field_type(1).array_size(), 4u);
  EXPECT_EQ(type.struct_field_type(1).child(), Type(TypeId::kVarchar));
  Type map = type.struct_field_type(2);
  EXPECT_EQ(map.id(), TypeId::kMap);
  EXPECT_EQ(map.layout(), Layout::kList);
  EXPECT_EQ(map.child().struct_field_type(1), Type(TypeId::kDouble));
}

TEST(Type, WhatIsNoTypeIsRefused) {
  const char* texts[] = {"",
                         "INTEGR",
                         "INTEGER NOT NULL",
                         "INTEGER PRIMARY KEY",
                         "INTEGER DEFAULT 5",
                         "INTEGER), (5",
                         "5",
                         "DECIMAL(50,2)",
                         "DECIMAL(3,5)",
                         "STRUCT(a NOPE)",
                         "INTEGER; DROP TABLE t",
                         "INTEGER) + CAST(1 AS INTEGER",
                         "INTEGER -- comment\n) AS x, CAST(1 AS INT",
                         "VARCHAR COLLATE nocase"};
  for (const char* text : texts) {
    auto type = Type::parse(text);
    ASSERT_FALSE(type.ok()) << text << " gave " << type->name();
    EXPECT_EQ(type.error().code, sqlstate::kInvalidParameter) << text;
    EXPECT_EQ(type.error().fault, Fault::kUser);
  }
  EXPECT_NE(Type::parse("INTEGR").error().message.find("INTEGR"), std::string::npos);
  EXPECT_NE(Type::parse("INTEGR").error().hint.find("INTEGER"), std::string::npos);
}

TEST(Type, StructsWithoutNamesAreStoredAsSuch) {
  const duckdb::LogicalType pair = duckdb::LogicalType::STRUCT(
      {{"", duckdb::LogicalType::INTEGER}, {"", duckdb::LogicalType::LIST(duckdb::LogicalType::VARCHAR)}});
  const Type type(duckdb::LogicalType::MAP(duckdb::LogicalType::VARCHAR, duckdb::LogicalType::LIST(pair)));
  auto again = Type::parse(stored_name(type));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(*again, type);
  EXPECT_FALSE(Type::parse(type.name()).ok());
  const Type named = *Type::parse("STRUCT(\"unnamed field 1\" INTEGER, b INTEGER)");
  EXPECT_EQ(named.struct_field_name(1), "b");
  EXPECT_EQ(*Type::parse(stored_name(named)), named);
}

TEST(Schema, FindsNamesWithoutCase) {
  Schema schema{{{"Title_Id", Type(TypeId::kInteger)}, {"ts", Type(TypeId::kTimestamp)}}};
  EXPECT_EQ(schema.find("title_id"), 0);
  EXPECT_EQ(schema.find("TS"), 1);
  EXPECT_EQ(schema.find("t"), -1);
  EXPECT_EQ(schema.types()[1], Type(TypeId::kTimestamp));
}

}  // namespace
}  // namespace millrace::batch
