#include "batch/fragment.h"

#include <algorithm>

#include <duckdb/common/types/column/column_data_collection.hpp>
#include <duckdb/main/client_config.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/main/materialized_query_result.hpp>
#include <duckdb/parser/statement/logical_plan_statement.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>
#include <duckdb/planner/expression/bound_window_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/logical_aggregate.hpp>
#include <duckdb/planner/operator/logical_column_data_get.hpp>
#include <duckdb/planner/operator/logical_window.hpp>

#include "base/bytes.h"
#include "batch/duckdb_error.h"
#include "batch/serialization.h"
#include "batch/stored_type.h"

namespace millrace::batch {

namespace {

/// Table indices within the little plan; any distinct numbers do.
constexpr duckdb::idx_t kInputIndex = 0;
constexpr duckdb::idx_t kGroupIndex = 1;
constexpr duckdb::idx_t kResultIndex = 2;

using LogicalPlan = duckdb::unique_ptr<duckdb::LogicalOperator>;

/// The result over no rows, with the group number 0 before it.
Batch with_group_zero(const Fragment& fragment, const Batch& results) {
  Batch number(fragment.input_types().subspan(0, 1));
  number.set_rows(results.rows());
  number.mutable_column(0).set<int64_t>(0, 0);
  return Batch::beside(number, results);
}

/// The optimizer would only cost time, and could reshape a plan that is already what it should be.
class WithoutOptimizer {
 public:
  explicit WithoutOptimizer(duckdb::ClientContext& context)
      : config_(duckdb::ClientConfig::GetConfig(context)), before_(config_.enable_optimizer) {
    config_.enable_optimizer = false;
  }
  ~WithoutOptimizer() { config_.enable_optimizer = before_; }
  WithoutOptimizer(const WithoutOptimizer&) = delete;
  WithoutOptimizer& operator=(const WithoutOptimizer&) = delete;

 private:
  duckdb::ClientConfig& config_;
  bool before_;
};

duckdb::unique_ptr<duckdb::Expression> input_column(duckdb::idx_t index, const duckdb::LogicalType& type) {
  return duckdb::make_uniq<duckdb::BoundColumnRefExpression>(type, duckdb::ColumnBinding(kInputIndex, index));
}

/// References by position become references by binding, which is what a logical plan holds.
void bind_to_input(duckdb::unique_ptr<duckdb::Expression>& expression) {
  if (expression->GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF) {
    const auto& reference = expression->Cast<duckdb::BoundReferenceExpression>();
    expression = input_column(reference.index, reference.return_type);
    return;
  }
  duckdb::ExpressionIterator::EnumerateChildren(
      *expression, [](duckdb::unique_ptr<duckdb::Expression>& child) { bind_to_input(child); });
}

duckdb::vector<duckdb::LogicalType> duckdb_types(std::span<const Type> types) {
  duckdb::vector<duckdb::LogicalType> result;
  for (const Type& type : types) result.push_back(type.duckdb_type());
  return result;
}

duckdb::unique_ptr<duckdb::ColumnDataCollection> collect(duckdb::ClientContext& context, std::span<const Type> types,
                                                         std::span<const Batch> input) {
  auto rows = duckdb::make_uniq<duckdb::ColumnDataCollection>(duckdb::Allocator::Get(context), duckdb_types(types));
  duckdb::ColumnDataAppendState state;
  rows->InitializeAppend(state);
  for (const Batch& batch : input) {
    MR_CHECK(batch.columns() == types.size(), "a fragment's input has other columns");
    // Append only reads, but wants the chunk not const.
    rows->Append(state, const_cast<duckdb::DataChunk&>(batch.chunk()));
  }
  return rows;
}

/// Over no rows at all there is no group to show: then the whole input is one.
LogicalPlan aggregate_plan(const Fragment& fragment, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> expressions,
                           LogicalPlan source, bool over_nothing) {
  auto aggregate = duckdb::make_uniq<duckdb::LogicalAggregate>(kGroupIndex, kResultIndex, std::move(expressions));
  if (!over_nothing) {
    aggregate->groups.push_back(input_column(0, fragment.input_types()[0].duckdb_type()));
    aggregate->group_stats.resize(1);
  }
  aggregate->children.push_back(std::move(source));
  return aggregate;
}

LogicalPlan window_plan(const Fragment& fragment, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> expressions,
                        LogicalPlan source) {
  auto window = duckdb::make_uniq<duckdb::LogicalWindow>(kResultIndex);
  for (auto& expression : expressions) {
    auto& over = expression->Cast<duckdb::BoundWindowExpression>();
    over.partitions.clear();
    over.partitions.push_back(input_column(0, fragment.input_types()[0].duckdb_type()));
    over.partitions_stats.clear();
    over.partitions_stats.resize(1);
  }
  window->expressions = std::move(expressions);
  window->children.push_back(std::move(source));
  return window;
}

LogicalPlan plan_of(const Fragment& fragment, duckdb::unique_ptr<duckdb::ColumnDataCollection> rows) {
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> expressions;
  for (const auto& expression : fragment.expressions()) {
    expressions.push_back(expression->Copy());
    bind_to_input(expressions.back());
  }
  const bool over_nothing = rows->Count() == 0;
  LogicalPlan source = duckdb::make_uniq<duckdb::LogicalColumnDataGet>(
      kInputIndex, duckdb_types(fragment.input_types()), std::move(rows));
  LogicalPlan plan = fragment.kind() == FragmentKind::kAggregate
                         ? aggregate_plan(fragment, std::move(expressions), std::move(source), over_nothing)
                         : window_plan(fragment, std::move(expressions), std::move(source));
  plan->ResolveOperatorTypes();
  return plan;
}

}  // namespace

Fragment::Fragment(FragmentKind kind, std::vector<Type> input_types,
                   std::vector<std::shared_ptr<const duckdb::Expression>> expressions)
    : kind_(kind), input_types_(std::move(input_types)), expressions_(std::move(expressions)) {
  output_types_.push_back(input_types_[0]);
  if (kind_ == FragmentKind::kWindow) output_types_ = input_types_;
  for (const auto& expression : expressions_) output_types_.emplace_back(expression->return_type);
}

std::string Fragment::text() const {
  std::string text = kind_ == FragmentKind::kAggregate ? "aggregate" : "window";
  for (const auto& expression : expressions_) {
    text += expression == expressions_.front() ? " " : ", ";
    text += expression->ToString();
  }
  return text;
}

Result<std::string> Fragment::serialize() const {
  std::string bytes;
  append_little(bytes, static_cast<uint8_t>(kind_));
  append_varint(bytes, input_types_.size());
  for (const Type& type : input_types_) append_string(bytes, stored_name(type));
  append_varint(bytes, expressions_.size());
  for (const auto& expression : expressions_) {
    MR_ASSIGN(std::string written, serialize_bound(*expression));
    append_string(bytes, written);
  }
  return bytes;
}

Result<Fragment> Fragment::deserialize(std::string_view bytes, Session& session) {
  ByteReader reader(bytes);
  MR_ASSIGN(uint8_t kind, reader.little<uint8_t>());
  if (kind > static_cast<uint8_t>(FragmentKind::kWindow)) {
    return external_error(sqlstate::kDataCorrupted, "unknown kind of fragment: " + std::to_string(kind));
  }
  MR_ASSIGN(uint64_t type_count, reader.varint());
  if (type_count == 0) return external_error(sqlstate::kDataCorrupted, "a fragment without input columns");
  std::vector<Type> types;
  for (uint64_t i = 0; i < type_count; ++i) {
    MR_ASSIGN(std::string_view name, reader.string());
    MR_ASSIGN(Type type, Type::parse(name));
    types.push_back(std::move(type));
  }
  MR_ASSIGN(uint64_t expression_count, reader.varint());
  std::vector<std::shared_ptr<const duckdb::Expression>> expressions;
  for (uint64_t i = 0; i < expression_count; ++i) {
    MR_ASSIGN(std::string_view written, reader.string());
    MR_ASSIGN(auto expression, deserialize_bound(written, session));
    expressions.push_back(std::move(expression));
  }
  return Fragment(static_cast<FragmentKind>(kind), std::move(types), std::move(expressions));
}

Result<std::vector<Batch>> run_fragment(Session& session, const Fragment& fragment, std::span<const Batch> input) {
  return guarded([&]() -> Result<std::vector<Batch>> {
    auto plan = plan_of(fragment, collect(session.context(), fragment.input_types(), input));
    WithoutOptimizer guard(session.context());
    auto result = session.connection().Query(duckdb::make_uniq<duckdb::LogicalPlanStatement>(std::move(plan)));
    if (result->HasError()) {
      // Kind and message lie in the error object; its exception goes through the one door.
      result->GetErrorObject().Throw();
    }
    const bool over_nothing = fragment.kind() == FragmentKind::kAggregate &&
                              std::all_of(input.begin(), input.end(), [](const Batch& batch) { return batch.empty(); });
    auto types = std::make_shared<const std::vector<Type>>(fragment.output_types().begin() + (over_nothing ? 1 : 0),
                                                           fragment.output_types().end());
    std::vector<Batch> batches;
    while (auto chunk = result->Fetch()) {
      if (chunk->size() == 0) break;
      if (over_nothing) {
        batches.push_back(
            with_group_zero(fragment, Batch::adopt(std::unique_ptr<duckdb::DataChunk>(chunk.release()), types)));
        break;
      }
      batches.push_back(Batch::adopt(std::unique_ptr<duckdb::DataChunk>(chunk.release()), types));
    }
    return batches;
  });
}

}  // namespace millrace::batch
