#include "sql/translate.h"

#include "duckdb/catalog/catalog_entry/scalar_function_catalog_entry.hpp"
#include "duckdb/function/function_binder.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/expression/bound_unnest_expression.hpp"
#include "duckdb/planner/expression_iterator.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "duckdb/planner/operator/logical_cteref.hpp"
#include "duckdb/planner/operator/logical_materialized_cte.hpp"
#include "sql/bind_failure.h"
#include "sql/relation_function.h"

namespace millrace::sql {
namespace {

std::vector<uint32_t> identity(size_t count) {
  std::vector<uint32_t> columns(count);
  for (uint32_t i = 0; i < count; ++i) columns[i] = i;
  return columns;
}

std::vector<uint32_t> to_columns(const duckdb::vector<duckdb::idx_t>& map, size_t count) {
  return map.empty() ? identity(count) : std::vector<uint32_t>(map.begin(), map.end());
}

bool any_can_throw(const std::vector<batch::Expression>& expressions) {
  for (const auto& expression : expressions) {
    if (expression.can_throw()) return true;
  }
  return false;
}

std::string name_of(const duckdb::Expression& expression) { return expression.GetName(); }

}  // namespace

void for_each_reference(duckdb::Expression& expression,
                        const std::function<void(duckdb::BoundReferenceExpression&)>& visit) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF) {
    visit(expression.Cast<duckdb::BoundReferenceExpression>());
    return;
  }
  duckdb::ExpressionIterator::EnumerateChildren(expression,
                                                [&](duckdb::Expression& child) { for_each_reference(child, visit); });
}

batch::Expression copy_expression(const duckdb::Expression& expression) {
  return batch::Expression(std::shared_ptr<const duckdb::Expression>(expression.Copy().release()));
}

duckdb::unique_ptr<duckdb::Expression> reference(uint32_t column, const duckdb::LogicalType& type) {
  return duckdb::make_uniq<duckdb::BoundReferenceExpression>(type, column);
}

uint32_t Translator::translate(duckdb::LogicalOperator& op, Needs needs) {
  using Kind = duckdb::LogicalOperatorType;
  switch (op.type) {
    case Kind::LOGICAL_GET: return source(op.Cast<duckdb::LogicalGet>(), needs);
    case Kind::LOGICAL_FILTER: return filter(op.Cast<duckdb::LogicalFilter>(), needs);
    case Kind::LOGICAL_PROJECTION: return projection(op.Cast<duckdb::LogicalProjection>(), needs);
    case Kind::LOGICAL_UNNEST: return unnest(op.Cast<duckdb::LogicalUnnest>(), needs);
    case Kind::LOGICAL_UNION:
    case Kind::LOGICAL_EXCEPT:
    case Kind::LOGICAL_INTERSECT: return set_operation(op.Cast<duckdb::LogicalSetOperation>(), needs);
    case Kind::LOGICAL_AGGREGATE_AND_GROUP_BY: {
      auto& grouped = op.Cast<duckdb::LogicalAggregate>();
      if (std::optional<uint32_t> test = exists(grouped)) return *test;
      return aggregate(grouped);
    }
    case Kind::LOGICAL_DISTINCT: return distinct(op.Cast<duckdb::LogicalDistinct>(), needs);
    case Kind::LOGICAL_WINDOW: return window(op.Cast<duckdb::LogicalWindow>());
    case Kind::LOGICAL_COMPARISON_JOIN:
    case Kind::LOGICAL_DELIM_JOIN:
      return join(op.Cast<duckdb::LogicalComparisonJoin>(), parts_of(op.Cast<duckdb::LogicalComparisonJoin>()), needs);
    case Kind::LOGICAL_ASOF_JOIN: return asof_join(op.Cast<duckdb::LogicalComparisonJoin>(), needs);
    case Kind::LOGICAL_ANY_JOIN:
      return join(op.Cast<duckdb::LogicalAnyJoin>(), parts_of(op.Cast<duckdb::LogicalAnyJoin>()), needs);
    case Kind::LOGICAL_CROSS_PRODUCT: return cross_product(op, needs);
    case Kind::LOGICAL_TOP_N: return top_n(op.Cast<duckdb::LogicalTopN>());
    case Kind::LOGICAL_ORDER_BY: {  // a view is a bag: its order means nothing
      auto& order = op.Cast<duckdb::LogicalOrder>();
      uint32_t input = translate(*op.children[0], needs);
      return order.HasProjectionMap() ? keep(input, to_columns(order.projection_map, visible(input))) : input;
    }
    case Kind::LOGICAL_MATERIALIZED_CTE: {
      auto& cte = op.Cast<duckdb::LogicalMaterializedCTE>();
      ctes_[cte.table_index] = translate(*op.children[0], Needs{true, true});
      return translate(*op.children[1], needs);
    }
    case Kind::LOGICAL_CTE_REF: {
      auto found = ctes_.find(op.Cast<duckdb::LogicalCTERef>().cte_index);
      if (found != ctes_.end()) return found->second;
      refuse_operator(op);
    }
    case Kind::LOGICAL_LIMIT: refuse_limit(op.Cast<duckdb::LogicalLimit>());
    case Kind::LOGICAL_DELIM_GET: return domains_.back();
    case Kind::LOGICAL_DUMMY_SCAN: {
      duckdb::BoundConstantExpression nothing{duckdb::Value(op.types[0])};
      return constant(1, {copy_expression(nothing)}, op.types);
    }
    case Kind::LOGICAL_EXPRESSION_GET: return values(op.Cast<duckdb::LogicalExpressionGet>());
    case Kind::LOGICAL_EMPTY_RESULT: return constant(0, {}, op.types);
    default:
      refuse_operator(op);
  }
}

void Translator::finish(uint32_t root) {
  if (root + 1 == nodes_.size()) return;
  std::vector<batch::Expression> expressions;
  std::vector<std::string> names;
  for (uint32_t i = 0; i < visible(root); ++i) {
    expressions.push_back(batch::Expression::column(i, nodes_[root].output[i].type, nodes_[root].output[i].name));
    names.push_back(nodes_[root].output[i].name);
  }
  project(root, std::move(expressions), std::move(names));
}

size_t Translator::visible(uint32_t index) const {
  const plan::Node& at = nodes_[index];
  return at.output.size() - (at.order_column >= 0) - (at.watermark_column >= 0);
}

uint32_t Translator::add(plan::Node node) {
  node.id = OperatorId(options_.first_operator.value + static_cast<uint32_t>(nodes_.size()));
  nodes_.push_back(std::move(node));
  return static_cast<uint32_t>(nodes_.size() - 1);
}

uint32_t Translator::project(uint32_t input, std::vector<batch::Expression> expressions,
                             std::vector<std::string> names) {
  const plan::Node& below = nodes_[input];
  plan::Node made;
  made.inputs = {input};
  made.append_only = below.append_only;
  for (size_t i = 0; i < expressions.size(); ++i) made.output.fields.push_back({names[i], expressions[i].type()});
  for (uint32_t column : below.key) {
    for (uint32_t i = 0; i < expressions.size(); ++i) {
      if (expressions[i].column_index() != static_cast<int>(column)) continue;
      made.key.push_back(i);
      break;
    }
  }
  if (made.key.size() != below.key.size()) made.key.clear();
  auto carry = [&](int32_t column) -> int32_t {
    if (column < 0) return -1;
    expressions.push_back(batch::Expression::column(column, below.output[column].type, below.output[column].name));
    made.output.fields.push_back(below.output[column]);
    return static_cast<int32_t>(expressions.size() - 1);
  };
  made.order_column = carry(below.order_column);
  made.watermark_column = carry(below.watermark_column);
  made.operation = plan::Project{std::move(expressions)};
  return add(std::move(made));
}

uint32_t Translator::move_hidden_last(uint32_t input, size_t first_hidden, bool has_order, bool has_watermark) {
  plan::Node moved;
  moved.inputs = {input};
  moved.append_only = nodes_[input].append_only;
  size_t hidden = size_t{has_order} + size_t{has_watermark};
  plan::Project order;
  auto take = [&](size_t column) {
    const batch::Field& field = nodes_[input].output[column];
    order.expressions.push_back(batch::Expression::column(static_cast<uint32_t>(column), field.type, field.name));
    moved.output.fields.push_back(field);
    return static_cast<int32_t>(moved.output.size() - 1);
  };
  for (size_t i = 0; i < nodes_[input].output.size(); ++i) {
    if (i < first_hidden || i >= first_hidden + hidden) take(i);
  }
  for (uint32_t column : nodes_[input].key) {
    moved.key.push_back(static_cast<uint32_t>(column < first_hidden ? column : column - hidden));
  }
  if (has_order) moved.order_column = take(first_hidden);
  if (has_watermark) moved.watermark_column = take(first_hidden + has_order);
  moved.operation = std::move(order);
  return add(std::move(moved));
}

uint32_t Translator::keep(uint32_t input, const std::vector<uint32_t>& columns) {
  if (columns == identity(visible(input))) return input;
  std::vector<batch::Expression> expressions;
  std::vector<std::string> names;
  for (uint32_t column : columns) {
    const batch::Field& field = nodes_[input].output[column];
    expressions.push_back(batch::Expression::column(column, field.type, field.name));
    names.push_back(field.name);
  }
  return project(input, std::move(expressions), std::move(names));
}

uint32_t Translator::without_hidden(uint32_t input) {
  const plan::Node& from = nodes_[input];
  size_t columns = visible(input);
  if (columns == from.output.size()) return input;
  plan::Node cut;
  cut.inputs = {input};
  cut.append_only = from.append_only;
  plan::Project project;
  for (uint32_t i = 0; i < columns; ++i) {
    project.expressions.push_back(batch::Expression::column(i, from.output[i].type, from.output[i].name));
    cut.output.fields.push_back(from.output[i]);
  }
  cut.operation = std::move(project);
  return add(std::move(cut));
}

uint32_t Translator::source(duckdb::LogicalGet& get, Needs needs) {
  auto* data = dynamic_cast<RelationBindData*>(get.bind_data.get());
  if (!data) {
    if (std::optional<uint32_t> list = list_function(get, needs)) return *list;
    refuse("the table function " + get.function.name,
           "read streams, tables and views; use unnest() in the SELECT list for lists", {get.function.name});
  }
  const RelationInfo& relation = data->relation;
  if (relation.kind == RelationKind::kSystem)
    refuse("the system relation " + relation.name, "query it with SELECT when you want to know", {relation.name});
  if (data->as_of != AsOf::kPresent && !in_as_of_)
    refuse("FOR SYSTEM_TIME AS OF in this place", "write it behind the right side of a JOIN with ON left.key = right.key",
           {"AT"});
  plan::Node made;
  plan::Source source{relation.name, {}};
  const auto& ids = get.GetColumnIds();
  std::vector<uint32_t> wanted = to_columns(get.projection_ids, ids.size());
  for (uint32_t at : wanted) {
    duckdb::column_t id = ids[at].GetPrimaryIndex();
    if (id == meta_column_id(kMetaColumns)) {
      source.columns.push_back({plan::SourceColumnKind::kDeleted, 0});
      made.output.fields.push_back({kDeletedColumn, batch::Type(batch::TypeId::kBoolean)});
    } else if (id >= meta_column_id(0) && id < meta_column_id(kMetaColumns)) {
      size_t meta = id - meta_column_id(0);
      static constexpr plan::SourceColumnKind kKinds[kMetaColumns] = {
          plan::SourceColumnKind::kAppendTime, plan::SourceColumnKind::kPartition, plan::SourceColumnKind::kOffset,
          plan::SourceColumnKind::kMessageId};
      source.columns.push_back({kKinds[meta], 0});
      made.output.fields.push_back(meta_schema()[meta]);
    } else {
      auto field = static_cast<uint32_t>(id < relation.schema.size() ? id : 0);
      source.columns.push_back({plan::SourceColumnKind::kField, field});
      made.output.fields.push_back(relation.schema[field]);
    }
  }
  for (uint32_t key : relation.key) {
    for (uint32_t i = 0; i < source.columns.size(); ++i) {
      if (source.columns[i].kind == plan::SourceColumnKind::kField && source.columns[i].field == key)
        made.key.push_back(i);
    }
  }
  if (made.key.size() != relation.key.size()) made.key.clear();
  if (needs.order && relation.has_positions()) {
    source.columns.push_back({plan::SourceColumnKind::kOrder, 0});
    made.order_column = static_cast<int32_t>(made.output.size());
    made.output.fields.push_back({"_order", batch::Type(batch::TypeId::kHugeint)});
  }
  if (needs.watermark && relation.has_positions()) {
    source.columns.push_back({plan::SourceColumnKind::kWatermark, 0});
    made.watermark_column = static_cast<int32_t>(made.output.size());
    made.output.fields.push_back({"_watermark", batch::Type(batch::TypeId::kTimestamp)});
  }
  made.append_only = relation.append_only;
  made.operation = std::move(source);
  return add(std::move(made));
}

uint32_t Translator::filter(duckdb::LogicalFilter& op, Needs needs) {
  std::vector<batch::Expression> predicates;
  for (auto& predicate : op.expressions) predicates.push_back(copy_expression(*predicate));
  needs.order |= any_can_throw(predicates);
  if (op.children[0]->type == duckdb::LogicalOperatorType::LOGICAL_WINDOW) {
    if (std::optional<uint32_t> top = top_n_of_ranks(op)) return *top;
  }
  uint32_t result = translate(*op.children[0], needs);
  if (!predicates.empty()) {
    plan::Node made = nodes_[result];
    made.inputs = {result};
    made.operation = plan::Filter{std::move(predicates)};
    result = add(std::move(made));
  }
  return keep(result, to_columns(op.projection_map, visible(result)));
}

uint32_t Translator::projection(duckdb::LogicalProjection& op, Needs needs) {
  std::vector<batch::Expression> expressions;
  std::vector<std::string> names;
  for (auto& expression : op.expressions) {
    expressions.push_back(copy_expression(*expression));
    names.push_back(name_of(*expression));
  }
  needs.order |= any_can_throw(expressions);
  uint32_t input = translate(*op.children[0], needs);
  return project(input, std::move(expressions), std::move(names));
}

uint32_t Translator::unnest(duckdb::LogicalUnnest& op, Needs needs) {
  uint32_t input = translate(*op.children[0], needs);
  size_t below = visible(input);
  PreProjection columns(*this, input);
  plan::Unnest made_unnest{identity(below), {}};
  std::vector<batch::Type> element_types;
  for (auto& expression : op.expressions) {
    auto& unnested = expression->Cast<duckdb::BoundUnnestExpression>();
    made_unnest.list_columns.push_back(columns.column(*unnested.child));
    element_types.push_back(batch::Type(unnested.return_type));
  }
  uint32_t ready = columns.finish();
  const plan::Node& from = nodes_[ready];
  plan::Node made;
  made.inputs = {ready};
  made.append_only = from.append_only;
  // Hidden columns are kept as ordinary ones, between the kept and the unnested; a Project then moves them to the end.
  for (int32_t column : {from.order_column, from.watermark_column}) {
    if (column >= 0) made_unnest.kept_columns.push_back(column);
  }
  for (uint32_t column : made_unnest.kept_columns) made.output.fields.push_back(from.output[column]);
  for (size_t i = 0; i < element_types.size(); ++i) made.output.fields.push_back({"unnest", element_types[i]});
  bool has_order = from.order_column >= 0;
  bool has_watermark = from.watermark_column >= 0;
  made.operation = std::move(made_unnest);
  uint32_t unnested = add(std::move(made));
  return has_order || has_watermark ? move_hidden_last(unnested, below, has_order, has_watermark) : unnested;
}

duckdb::unique_ptr<duckdb::Expression> Translator::sort_key(const duckdb::vector<duckdb::BoundOrderByNode>& orders) {
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> arguments;
  auto constant = [](std::string text) {
    return duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value(std::move(text)));
  };
  for (const auto& order : orders) {
    bool descending = order.type == duckdb::OrderType::DESCENDING;
    bool nulls_first = order.null_order == duckdb::OrderByNullType::NULLS_FIRST;
    arguments.push_back(order.expression->Copy());
    arguments.push_back(
        constant(std::string(descending ? "DESC" : "ASC") + (nulls_first ? " NULLS FIRST" : " NULLS LAST")));
  }
  // A text key at the end keeps DuckDB from packing short keys into a BIGINT.
  arguments.push_back(constant(""));
  arguments.push_back(constant("ASC NULLS LAST"));
  duckdb::FunctionBinder binder(context_);
  duckdb::ErrorData error;
  auto result = binder.BindScalarFunction(DEFAULT_SCHEMA, "create_sort_key", std::move(arguments), error, false);
  if (!result) error.Throw();
  return result;
}

PreProjection::PreProjection(Translator& translator, uint32_t input)
    : translator_(translator), input_(input), given_(translator.visible(input)) {
  for (uint32_t i = 0; i < given_; ++i) {
    const batch::Field& field = translator.node(input).output[i];
    expressions_.push_back(batch::Expression::column(i, field.type, field.name));
    names_.push_back(field.name);
  }
}

uint32_t PreProjection::column(const duckdb::Expression& expression) {
  for (uint32_t i = 0; i < expressions_.size(); ++i) {
    if (expressions_[i].bound().Equals(expression)) return i;
  }
  expressions_.push_back(copy_expression(expression));
  names_.push_back(name_of(expression));
  return static_cast<uint32_t>(expressions_.size() - 1);
}

uint32_t PreProjection::finish() {
  if (expressions_.size() == given_) return input_;
  return translator_.project(input_, std::move(expressions_), std::move(names_));
}

}  // namespace millrace::sql
