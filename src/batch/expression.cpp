#include "batch/expression.h"

#include <set>

#include <duckdb/common/serializer/binary_deserializer.hpp>
#include <duckdb/common/serializer/binary_serializer.hpp>
#include <duckdb/common/serializer/memory_stream.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/planner/expression.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>

#include "batch/duckdb_error.h"
#include "batch/serialization.h"

namespace millrace::batch {

namespace {

void collect_columns(const duckdb::Expression& expression, std::set<uint32_t>& columns) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF) {
    columns.insert(static_cast<uint32_t>(expression.Cast<duckdb::BoundReferenceExpression>().index));
  }
  duckdb::ExpressionIterator::EnumerateChildren(
      expression, [&](const duckdb::Expression& child) { collect_columns(child, columns); });
}

void move_columns(duckdb::Expression& expression, const std::vector<uint32_t>& places) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF) {
    auto& reference = expression.Cast<duckdb::BoundReferenceExpression>();
    reference.index = places.at(reference.index);
  }
  duckdb::ExpressionIterator::EnumerateChildren(expression,
                                                [&](duckdb::Expression& child) { move_columns(child, places); });
}

}  // namespace

Expression::Expression(std::shared_ptr<const duckdb::Expression> bound)
    : bound_(std::move(bound)), type_(bound_->return_type) {}

Expression Expression::column(uint32_t index, const Type& type, std::string name) {
  return Expression(std::make_shared<const duckdb::BoundReferenceExpression>(std::move(name), type.duckdb_type(),
                                                                             duckdb::idx_t(index)));
}

std::string Expression::text() const { return bound_->ToString(); }

int Expression::column_index() const {
  if (bound_->GetExpressionClass() != duckdb::ExpressionClass::BOUND_REF) return -1;
  return static_cast<int>(bound_->Cast<duckdb::BoundReferenceExpression>().index);
}

std::vector<uint32_t> Expression::columns_read() const {
  std::set<uint32_t> columns;
  collect_columns(*bound_, columns);
  return {columns.begin(), columns.end()};
}

Expression Expression::with_columns(const std::vector<uint32_t>& places) const {
  auto moved = bound_->Copy();
  move_columns(*moved, places);
  return Expression(std::shared_ptr<const duckdb::Expression>(moved.release()));
}

bool Expression::can_throw() const { return bound_->CanThrow(); }

Result<std::string> Expression::serialize() const { return serialize_bound(*bound_); }

Result<Expression> Expression::deserialize(std::string_view bytes, Session& session) {
  MR_ASSIGN(auto bound, deserialize_bound(bytes, session));
  return Expression(std::move(bound));
}

// ---- the one way to write bound expressions down, shared with fragments

Result<std::string> serialize_bound(const duckdb::Expression& expression) {
  return guarded([&]() -> Result<std::string> {
    duckdb::MemoryStream stream;
    duckdb::SerializationOptions options;
    options.serialization_compatibility = duckdb::SerializationCompatibility::Latest();
    duckdb::BinarySerializer::Serialize(expression, stream, options);
    return std::string(reinterpret_cast<const char*>(stream.GetData()), stream.GetPosition());
  });
}

Result<std::shared_ptr<const duckdb::Expression>> deserialize_bound(std::string_view bytes, Session& session) {
  std::string copy(bytes);
  return guarded([&]() -> Result<std::shared_ptr<const duckdb::Expression>> {
    duckdb::unique_ptr<duckdb::Expression> expression;
    session.context().RunFunctionInTransaction([&] {
      duckdb::MemoryStream stream(reinterpret_cast<duckdb::data_ptr_t>(copy.data()), copy.size());
      duckdb::bound_parameter_map_t parameters;
      expression = duckdb::BinaryDeserializer::Deserialize<duckdb::Expression>(stream, session.context(), parameters);
    });
    return std::shared_ptr<const duckdb::Expression>(expression.release());
  });
}

}  // namespace millrace::batch
