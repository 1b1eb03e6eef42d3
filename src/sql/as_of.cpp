#include "sql/as_of.h"

#include <algorithm>

#include "base/text.h"
#include "duckdb/parser/expression/case_expression.hpp"
#include "duckdb/parser/expression/columnref_expression.hpp"
#include "duckdb/parser/expression/comparison_expression.hpp"
#include "duckdb/parser/expression/conjunction_expression.hpp"
#include "duckdb/parser/expression/constant_expression.hpp"
#include "duckdb/parser/expression/function_expression.hpp"
#include "duckdb/parser/parsed_data/create_scalar_function_info.hpp"
#include "duckdb/parser/tableref/basetableref.hpp"
#include "duckdb/parser/tableref/joinref.hpp"
#include "duckdb/parser/tableref/table_function_ref.hpp"
#include "duckdb/planner/expression/bound_function_expression.hpp"
#include "duckdb/planner/operator/logical_filter.hpp"
#include "duckdb/planner/operator/logical_projection.hpp"
#include "sql/bind.h"
#include "sql/bind_failure.h"

namespace millrace::sql {
namespace {

using Parsed = duckdb::unique_ptr<duckdb::ParsedExpression>;

constexpr const char* kVersion = "millrace_version";
constexpr const char* kVersions = "versions";
constexpr const char* kNow = "now";

[[noreturn]] void refuse_at(const duckdb::TableRef& ref, const std::string& message, const std::string& hint) {
  Error error = user_error(sqlstate::kNotSupported, message).with_hint(hint);
  if (ref.query_location.IsValid()) error.position = SourceSpan{ref.query_location.GetIndex(), 1};
  throw BindFailure(std::move(error));
}

bool is_now(const duckdb::ParsedExpression& expression) {
  static constexpr std::string_view kNames[] = {"now", "proctime", "current_timestamp", "get_current_timestamp",
                                                "localtimestamp", "current_localtimestamp", "transaction_timestamp"};
  std::string name;
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::FUNCTION) {
    name = expression.Cast<duckdb::FunctionExpression>().function_name;
  } else if (expression.GetExpressionClass() == duckdb::ExpressionClass::COLUMN_REF) {
    const auto& column = expression.Cast<duckdb::ColumnRefExpression>();
    if (column.column_names.size() == 1) name = column.column_names[0];
  }
  return std::any_of(std::begin(kNames), std::end(kNames), [&](std::string_view one) { return iequals(name, one); });
}

/// The relation as a table function that says how it is read.
duckdb::unique_ptr<duckdb::TableFunctionRef> relation_as_of(const duckdb::BaseTableRef& base, const char* how) {
  auto ref = duckdb::make_uniq<duckdb::TableFunctionRef>();
  duckdb::vector<Parsed> arguments;
  arguments.push_back(duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(base.table_name)));
  arguments.push_back(duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(how)));
  arguments.back()->SetAlias(kAsOfParameter);
  ref->function = duckdb::make_uniq<duckdb::FunctionExpression>(kRelationFunction, std::move(arguments));
  ref->alias = base.alias.empty() ? base.table_name : base.alias;
  ref->column_name_alias = base.column_name_alias;
  ref->query_location = base.query_location;
  return ref;
}

/// The columns of one relation in the join's condition.
class Columns {
 public:
  Columns(const RelationInfo& relation, const duckdb::TableFunctionRef& ref) : relation_(relation), ref_(ref) {}

  Parsed field(size_t index) const {
    const bool renamed = index < ref_.column_name_alias.size();
    return named(renamed ? ref_.column_name_alias[index] : relation_.schema[index].name);
  }
  Parsed named(const std::string& name) const {
    return duckdb::make_uniq<duckdb::ColumnRefExpression>(name, ref_.alias);
  }

 private:
  const RelationInfo& relation_;
  const duckdb::TableFunctionRef& ref_;
};

/// millrace_version(time, deleted). A row that takes a key away has no column but the key: it counts from when it came.
Parsed version_of(const RelationInfo& relation, const duckdb::TableFunctionRef& ref) {
  const Columns columns(relation, ref);
  const std::string append_time = meta_schema()[0].name;
  Parsed time = relation.watermark_column >= 0 ? columns.field(static_cast<size_t>(relation.watermark_column))
                                               : columns.named(append_time);
  Parsed deleted = duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value::BOOLEAN(false));
  if (relation.has_deletes) {
    deleted = columns.named(kDeletedColumn);
    auto by_kind = duckdb::make_uniq<duckdb::CaseExpression>();
    by_kind->case_checks.push_back({columns.named(kDeletedColumn), columns.named(append_time)});
    by_kind->else_expr = std::move(time);
    time = std::move(by_kind);
  }
  duckdb::vector<Parsed> arguments;
  arguments.push_back(std::move(time));
  arguments.push_back(std::move(deleted));
  return duckdb::make_uniq<duckdb::FunctionExpression>(kVersion, std::move(arguments));
}

void check_versions(const duckdb::BaseTableRef& base, const RelationInfo& relation) {
  const std::string& name = base.table_name;
  if (relation.kind == RelationKind::kTable && relation.key.empty())
    refuse_at(base, "a table without PRIMARY KEY has no versions: " + name, "give it the key that the join is about");
  if (relation.kind == RelationKind::kTable) {
    refuse_at(base, "a query does not see the former rows of a table: " + name,
              "CREATE MATERIALIZED VIEW with the join, and query that");
  }
  if (relation.kind != RelationKind::kStream) {
    refuse_at(base, "FOR SYSTEM_TIME AS OF a column needs a stream or a table with PRIMARY KEY: " + name,
              "the former rows of a view are not kept; AS OF now() takes its rows as they are");
  }
  if (relation.watermark_column < 0) return;
  const batch::Field& time = relation.schema[static_cast<size_t>(relation.watermark_column)];
  if (time.type.id() == batch::TypeId::kTimestamp) return;
  refuse_at(base, "FOR SYSTEM_TIME AS OF needs a TIMESTAMP: " + time.name + " of " + name + " is " + time.type.name(),
            "declare it as TIMESTAMP");
}

}  // namespace

AsOf as_of_parameter(const std::string& value) {
  if (value == kNow) return AsOf::kNow;
  return value == kVersions ? AsOf::kVersions : AsOf::kPresent;
}

void rewrite_as_of_join(duckdb::ClientContext& context, duckdb::TableRef& ref) {
  if (ref.type != duckdb::TableReferenceType::JOIN) return;
  auto& join = ref.Cast<duckdb::JoinRef>();
  if (join.right->type != duckdb::TableReferenceType::BASE_TABLE) return;
  auto& base = join.right->Cast<duckdb::BaseTableRef>();
  if (!base.at_clause) return;
  const bool plain = join.ref_type == duckdb::JoinRefType::REGULAR && join.condition &&
                     (join.type == duckdb::JoinType::INNER || join.type == duckdb::JoinType::LEFT);
  if (!plain) {
    refuse_at(base, "FOR SYSTEM_TIME AS OF needs JOIN or LEFT JOIN with ON",
              "write left_side LEFT JOIN " + base.table_name + " FOR SYSTEM_TIME AS OF … ON left_side.key = …");
  }
  const Parsed time = base.at_clause->ExpressionMutable()->Copy();
  if (is_now(*time)) {
    if (find_relation(context, base.table_name).kind == RelationKind::kView)
      refuse_at(base, "FOR SYSTEM_TIME AS OF now() does not take a plain view: " + base.table_name,
                "make it a materialized view");
    join.right = relation_as_of(base, kNow);
    return;
  }
  const RelationInfo relation = find_versions(context, base.table_name);
  check_versions(base, relation);
  auto right = relation_as_of(base, kVersions);
  join.condition = duckdb::make_uniq<duckdb::ConjunctionExpression>(
      duckdb::ExpressionType::CONJUNCTION_AND, std::move(join.condition),
      duckdb::make_uniq<duckdb::ComparisonExpression>(duckdb::ExpressionType::COMPARE_GREATERTHANOREQUALTO,
                                                      time->Copy(), version_of(relation, *right)));
  join.ref_type = duckdb::JoinRefType::ASOF;
  join.right = std::move(right);
}

void refuse_as_of(const duckdb::TableRef& ref) {
  if (ref.type != duckdb::TableReferenceType::BASE_TABLE || !ref.Cast<duckdb::BaseTableRef>().at_clause) return;
  refuse_at(ref, "FOR SYSTEM_TIME AS OF stands behind the right side of a join",
            "write left_side JOIN " + ref.Cast<duckdb::BaseTableRef>().table_name +
                " FOR SYSTEM_TIME AS OF left_side.time ON left_side.key = …");
}

VersionCall version_call(const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_FUNCTION) return {};
  const auto& call = expression.Cast<duckdb::BoundFunctionExpression>();
  if (call.function.name != kVersion) return {};
  return {call.children[0].get(), call.children[1].get()};
}

const RelationBindData* as_of_relation(const duckdb::LogicalOperator& op) {
  using Kind = duckdb::LogicalOperatorType;
  if (op.type == Kind::LOGICAL_FILTER || op.type == Kind::LOGICAL_PROJECTION) return as_of_relation(*op.children[0]);
  if (op.type != Kind::LOGICAL_GET) return nullptr;
  const auto* data = dynamic_cast<const RelationBindData*>(op.Cast<duckdb::LogicalGet>().bind_data.get());
  return data && data->as_of != AsOf::kPresent ? data : nullptr;
}

void register_as_of(duckdb::ClientContext& context) {
  duckdb::ScalarFunction function(kVersion, {duckdb::LogicalType::TIMESTAMP, duckdb::LogicalType::BOOLEAN},
                                  duckdb::LogicalType::TIMESTAMP,
                                  [](duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
                                    result.Reference(arguments.data[0]);
                                  });
  duckdb::CreateScalarFunctionInfo info(std::move(function));
  context.RegisterFunction(info);
}

}  // namespace millrace::sql
