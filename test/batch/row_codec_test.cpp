#include "batch/row_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include <duckdb.hpp>
#include <duckdb/planner/expression/bound_comparison_expression.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>

#include "base/hash.h"
#include "batch/binding.h"
#include "batch/expression.h"

namespace millrace::batch {
namespace {

using duckdb::Value;
using Generator = std::mt19937_64;

size_t pick(Generator& random, size_t count) { return random() % count; }

Type random_type(Generator& random, int depth) {
  static const char* kScalars[] = {
      "BOOLEAN",  "TINYINT", "USMALLINT", "INTEGER",      "BIGINT",        "HUGEINT",
      "UHUGEINT", "FLOAT",   "DOUBLE",    "DECIMAL(9,2)", "DECIMAL(30,4)", "VARCHAR",
      "BLOB",     "UUID",    "DATE",      "TIMESTAMP",    "INTERVAL",      "ENUM('red', 'green', 'blue')",
      "BIT",      "TIME",    "UBIGINT",   "TIMESTAMP_NS"};
  if (depth == 0 || pick(random, 3) != 0) return *Type::parse(kScalars[pick(random, std::size(kScalars))]);
  std::string inner = random_type(random, depth - 1).name();
  switch (pick(random, 4)) {
    case 0: return *Type::parse(inner + "[]");
    case 1: return *Type::parse(inner + "[3]");
    case 2: return *Type::parse("STRUCT(a " + inner + ", b " + random_type(random, depth - 1).name() + ")");
    default: return *Type::parse("MAP(" + std::string(kScalars[pick(random, 2) + 3]) + ", " + inner + ")");
  }
}

template <typename T>
T from(Generator& random, std::initializer_list<T> values) {
  return values.begin()[pick(random, values.size())];
}

Value random_text(Generator& random, const duckdb::LogicalType& type) {
  std::string text = from<std::string>(random, {"", "a", "A", "twelve bytes", "thirteen byte", "same prefix, other end",
                                                "same prefix, other End", std::string(200, 'x')});
  if (type.id() == duckdb::LogicalTypeId::BLOB) {
    if (pick(random, 2) == 0) text += std::string("\0\xff", 2);
    return Value::BLOB(reinterpret_cast<duckdb::const_data_ptr_t>(text.data()), text.size());
  }
  if (pick(random, 4) == 0) text += std::string("\0z", 2);
  return Value(text);
}

Value random_double(Generator& random) {
  return Value::DOUBLE(from<double>(random, {0.0, -0.0, std::nan(""), -std::nan("1"), 1.5, -1.5, INFINITY, -INFINITY}));
}

Value random_interval(Generator& random) {
  constexpr int64_t kDay = 86400000000;
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  return Value::INTERVAL(
      from<int32_t>(random, {0, 1, -1, 12, kMost}), from<int32_t>(random, {0, 30, 29, -30, 60, kMost}),
      from<int64_t>(random, {0, kDay, -kDay, 30 * kDay, kDay - 1, std::numeric_limits<int64_t>::max()}));
}

/// Few different values, so that equal ones meet; the odd ones among them.
Value random_value(Generator& random, const duckdb::LogicalType& type, bool may_be_null = true) {
  using Id = duckdb::LogicalTypeId;
  if (may_be_null && pick(random, 5) == 0) return Value(type);
  switch (type.id()) {
    case Id::VARCHAR:
    case Id::BLOB: return random_text(random, type);
    case Id::FLOAT:
    case Id::DOUBLE: return random_double(random).DefaultCastAs(type);
    case Id::INTERVAL: return random_interval(random);
    case Id::ENUM: return Value::ENUM(pick(random, 3), type);
    case Id::BIT: return Value::BIT(from<std::string>(random, {"0", "1", "01", "101010101"}));
    case Id::UUID:
      return Value(from<std::string>(random,
                                     {"00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff"}))
          .DefaultCastAs(type);
    case Id::DATE: return Value::DATE(duckdb::date_t(static_cast<int32_t>(pick(random, 3)) * 10000 - 5000));
    case Id::TIME: return Value::TIME(duckdb::dtime_t(static_cast<int64_t>(pick(random, 3)) * 1000));
    case Id::TIMESTAMP:
      return Value::TIMESTAMP(duckdb::timestamp_t(static_cast<int64_t>(pick(random, 3)) * 1000000007 - 9));
    case Id::TIMESTAMP_NS:
      return Value::TIMESTAMPNS(duckdb::timestamp_ns_t(static_cast<int64_t>(pick(random, 3)) * 1000000007));
    case Id::LIST: {
      duckdb::vector<Value> values;
      for (size_t i = pick(random, 4); i > 0; --i)
        values.push_back(random_value(random, duckdb::ListType::GetChildType(type)));
      return Value::LIST(duckdb::ListType::GetChildType(type), values);
    }
    case Id::ARRAY: {
      duckdb::vector<Value> values;
      for (size_t i = 0; i < 3; ++i) values.push_back(random_value(random, duckdb::ArrayType::GetChildType(type)));
      return Value::ARRAY(duckdb::ArrayType::GetChildType(type), values);
    }
    case Id::STRUCT: {
      duckdb::child_list_t<Value> fields;
      for (const auto& [name, field] : duckdb::StructType::GetChildTypes(type))
        fields.emplace_back(name, random_value(random, field));
      return Value::STRUCT(fields);
    }
    case Id::MAP: {
      duckdb::vector<Value> keys;
      duckdb::vector<Value> values;
      for (int64_t key = static_cast<int64_t>(pick(random, 3)); key > 0; --key) {
        keys.push_back(Value::BIGINT(key).DefaultCastAs(duckdb::MapType::KeyType(type)));
        values.push_back(random_value(random, duckdb::MapType::ValueType(type)));
      }
      return Value::MAP(duckdb::MapType::KeyType(type), duckdb::MapType::ValueType(type), keys, values);
    }
    default:
      return Value::BIGINT(static_cast<int64_t>(pick(random, 4)) % 2 + (pick(random, 3) == 0 ? 0 : 1))
          .DefaultCastAs(type);
  }
}

Batch random_batch(Generator& random, std::span<const Type> types, size_t rows) {
  Batch batch(types);
  for (size_t column = 0; column < types.size(); ++column) {
    for (size_t row = 0; row < rows; ++row) {
      batch.chunk().SetValue(column, row, random_value(random, types[column].duckdb_type()));
    }
  }
  batch.set_rows(rows);
  return batch;
}

/// The same rows, but with dictionary columns, so that no reader gets away with flat ones only.
Batch shuffled(Generator& random, const Batch& batch) {
  std::vector<uint32_t> rows;
  for (size_t i = 0; i < batch.rows(); ++i) rows.push_back(static_cast<uint32_t>(pick(random, batch.rows())));
  return batch.select(rows);
}

/// Whether DuckDB finds each row of `left` not distinct from the row of `right`, all columns together.
std::vector<bool> duckdb_equal(Session& session, const Batch& left, const Batch& right) {
  std::vector<Expression> comparisons;
  for (size_t i = 0; i < left.columns(); ++i) {
    const auto& type = left.type(i).duckdb_type();
    comparisons.emplace_back(std::make_shared<const duckdb::BoundComparisonExpression>(
        duckdb::ExpressionType::COMPARE_NOT_DISTINCT_FROM, duckdb::make_uniq<duckdb::BoundReferenceExpression>(type, i),
        duckdb::make_uniq<duckdb::BoundReferenceExpression>(type, left.columns() + i)));
  }
  ExpressionRunner runner(session, std::move(comparisons));
  std::vector<RowError> errors;
  Batch result = runner.project(Batch::beside(left, right), errors);
  EXPECT_TRUE(errors.empty());
  std::vector<bool> equal(left.rows(), true);
  for (size_t i = 0; i < result.columns(); ++i) {
    ColumnView view = result.column(i);
    for (size_t row = 0; row < result.rows(); ++row) equal[row] = equal[row] && view.at<bool>(row);
  }
  return equal;
}

void expect_round_trip(const Batch& batch, const RowCodec& codec, const RowBuffer& buffer, bool exactly,
                       Session& session) {
  Batch decoded(batch.types());
  std::vector<std::string_view> rows;
  for (size_t row = 0; row < batch.rows(); ++row) rows.push_back(buffer.row(row));
  const size_t half = rows.size() / 2;
  ASSERT_TRUE(codec.decode_rows(std::span(rows).first(half), decoded, 0).ok());
  for (size_t row = half; row < rows.size(); ++row) ASSERT_TRUE(codec.decode(rows[row], decoded, row).ok());
  decoded.set_rows(batch.rows());
  std::vector<bool> equal = duckdb_equal(session, batch, decoded);
  for (size_t row = 0; row < batch.rows(); ++row) {
    ASSERT_TRUE(equal[row]) << batch.row_text(row) << " came back as " << decoded.row_text(row);
    if (exactly) {
      ASSERT_EQ(batch.row_text(row), decoded.row_text(row));
    }
  }
  RowBuffer again;
  codec.encode(decoded, again);
  for (size_t row = 0; row < batch.rows(); ++row) ASSERT_EQ(buffer.row(row), again.row(row)) << batch.row_text(row);
}

TEST(RowCodec, RandomRowsComeBackAndEqualBytesMeanEqualRows) {
  BindingDatabase database("g BIGINT");
  size_t equal_pairs = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    Generator random(seed);
    std::vector<Type> types;
    for (size_t i = 1 + pick(random, seed % 10 == 0 ? 12 : 3); i > 0; --i) types.push_back(random_type(random, 2));
    Batch flat = random_batch(random, types, 120);
    Batch left = shuffled(random, flat);
    Batch right = shuffled(random, flat);
    RowCodec key(types);
    RowCodec exact = RowCodec::of_all(types, RowForm::kExact);
    RowBuffer left_key;
    RowBuffer right_key;
    RowBuffer left_exact;
    key.encode(left, left_key);
    key.encode(right, right_key);
    exact.encode(left, left_exact);
    ASSERT_EQ(left_key.rows(), left.rows());
    std::vector<bool> equal = duckdb_equal(database.session(), left, right);
    for (size_t row = 0; row < left.rows(); ++row) {
      ASSERT_EQ(left_key.row(row) == right_key.row(row), equal[row])
          << left.row_text(row) << " and " << right.row_text(row);
      ASSERT_EQ(left_key.hash(row), hash_bytes(left_key.row(row)));
      equal_pairs += equal[row];
    }
    expect_round_trip(left, key, left_key, false, database.session());
    expect_round_trip(left, exact, left_exact, true, database.session());
  }
  EXPECT_GT(equal_pairs, 500u);
}

TEST(RowCodec, BytesAreAsDocumented) {
  std::vector<Type> types{Type(TypeId::kVarchar), Type(TypeId::kInteger), *Type::parse("SMALLINT[]"),
                          Type(TypeId::kDouble)};
  Batch batch(types);
  batch.mutable_column(0).set_string(0, "hello");
  batch.mutable_column(1).set<int32_t>(0, 0x01020304);
  batch.mutable_column(2).add_list(0, 2);
  batch.mutable_column(2).child().set<int16_t>(0, 7);
  batch.mutable_column(2).child().set_null(1);
  batch.mutable_column(3).set<double>(0, -0.0);
  batch.mutable_column(0).set_null(1);
  batch.mutable_column(1).set_null(1);
  batch.mutable_column(2).set_null(1);
  batch.mutable_column(3).set<double>(1, 1.0);
  batch.set_rows(2);
  RowCodec codec(types);
  RowBuffer buffer;
  codec.encode(batch, buffer);
  using namespace std::string_literals;
  EXPECT_EQ(buffer.row(0), "\0\4\3\2\1\0\0\0\0\0\0\0\0\5hello\2\2\7\0"s);
  EXPECT_EQ(buffer.row(1), "\7\0\0\0\0\0\0\0\0\0\0\xf0\x3f"s);
}

TEST(RowCodec, ChosenColumnsInTheirOrder) {
  BindingDatabase database("g BIGINT, s VARCHAR, x INTEGER");
  Batch batch = std::move(database.rows("VALUES (1, 'one', 10), (2, NULL, 20)")[0]);
  RowCodec codec(batch.types(), {2, 1});
  RowBuffer buffer;
  codec.encode(batch, buffer);
  std::vector<Type> types{Type(TypeId::kBigint), Type(TypeId::kInteger), Type(TypeId::kVarchar)};
  Batch target(types);
  ASSERT_TRUE(codec.decode(buffer.row(1), target, 0, 1).ok());
  ASSERT_TRUE(codec.decode(buffer.row(0), target, 1, 1).ok());
  target.mutable_column(0).set<int64_t>(0, -1);
  target.mutable_column(0).set<int64_t>(1, -2);
  target.set_rows(2);
  EXPECT_EQ(target.row_text(0), "[+1] -1, 20, NULL");
  EXPECT_EQ(target.row_text(1), "[+1] -2, 10, one");
}

TEST(RowCodec, NoColumnsAreOneEmptyKey) {
  BindingDatabase database("g BIGINT");
  Batch batch = std::move(database.rows("VALUES (1), (2)")[0]);
  RowCodec codec(batch.types(), {});
  RowBuffer buffer;
  codec.encode(batch, buffer);
  ASSERT_EQ(buffer.rows(), 2u);
  EXPECT_TRUE(buffer.row(1).empty());
  EXPECT_EQ(buffer.hash(0), hash_bytes(""));
}

TEST(RowCodec, ABufferServesSmallerAndLargerBatches) {
  Generator random(5);
  std::vector<Type> types{Type(TypeId::kVarchar), Type(TypeId::kBigint)};
  RowCodec codec(types);
  RowBuffer reused;
  for (size_t rows : {2048u, 1u, 0u, 700u}) {
    Batch batch = random_batch(random, types, rows);
    RowBuffer fresh;
    codec.encode(batch, reused);
    codec.encode(batch, fresh);
    ASSERT_EQ(reused.rows(), rows);
    for (size_t row = 0; row < rows; ++row) ASSERT_EQ(reused.row(row), fresh.row(row));
  }
}

/// Cut and flipped rows are refused or decode to something: never a crash (the sanitizers watch).
TEST(RowCodec, CorruptRowsNeverCrash) {
  size_t refused = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Generator random(seed);
    std::vector<Type> types{random_type(random, 2), random_type(random, 2), Type(TypeId::kVarchar)};
    Batch batch = random_batch(random, types, 20);
    RowCodec codec(types);
    RowBuffer buffer;
    codec.encode(batch, buffer);
    for (size_t row = 0; row < buffer.rows(); ++row) {
      Batch target(types);
      std::string bytes(buffer.row(row));
      if (pick(random, 2) == 0) {
        bytes.resize(pick(random, bytes.size()));
      } else {
        bytes[pick(random, bytes.size())] ^= static_cast<char>(1 + pick(random, 255));
      }
      auto status = codec.decode(bytes, target, 0);
      refused += !status.ok();
      if (!status.ok()) {
        EXPECT_EQ(status.error().code, sqlstate::kDataCorrupted);
      }
    }
  }
  EXPECT_GT(refused, 300u);
}

}  // namespace
}  // namespace millrace::batch
