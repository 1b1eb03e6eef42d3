#include "sql/relation_function.h"

#include <string>
#include <vector>

#include "base/text.h"
#include "duckdb/function/replacement_scan.hpp"
#include "duckdb/function/table_function.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/parser/expression/columnref_expression.hpp"
#include "duckdb/parser/expression/constant_expression.hpp"
#include "duckdb/parser/expression/function_expression.hpp"
#include "duckdb/parser/expression/subquery_expression.hpp"
#include "duckdb/parser/parsed_data/create_table_function_info.hpp"
#include "duckdb/parser/parsed_expression_iterator.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/query_node/select_node.hpp"
#include "duckdb/parser/tableref/subqueryref.hpp"
#include "duckdb/parser/tableref/table_function_ref.hpp"
#include "sql/as_of.h"
#include "sql/bind.h"
#include "sql/bind_failure.h"
#include "sql/session_window.h"
#include "sql/time_windows.h"

namespace millrace::sql {
namespace {

constexpr const char* kStateKey = "millrace_relations";

struct ResolverState : duckdb::ClientContextState {
  const RelationResolver* resolver = nullptr;
  bool of_view = false;
};

const RelationResolver* resolver_of(duckdb::ClientContext& context) {
  auto state = context.registered_state->Get<ResolverState>(kStateKey);
  return state ? state->resolver : nullptr;
}

}  // namespace

namespace {

RelationInfo found_or_throw(const RelationResolver* resolver, const std::string& name,
                            std::optional<RelationInfo> found) {
  if (found) return *std::move(found);
  Error error = user_error(sqlstate::kUndefinedTable, "there is no stream, table or view named " + name);
  if (resolver) error.hint = resolver->suggestion(name);
  throw BindFailure(std::move(error));
}

}  // namespace

RelationInfo find_relation(duckdb::ClientContext& context, const std::string& name) {
  const RelationResolver* resolver = resolver_of(context);
  return found_or_throw(resolver, name, resolver ? resolver->find(name) : std::nullopt);
}

RelationInfo find_versions(duckdb::ClientContext& context, const std::string& name) {
  const RelationResolver* resolver = resolver_of(context);
  return found_or_throw(resolver, name, resolver ? resolver->find_versions(name) : std::nullopt);
}

bool binds_a_view(duckdb::ClientContext& context) {
  auto state = context.registered_state->Get<ResolverState>(kStateKey);
  return state && state->of_view;
}

duckdb::unique_ptr<duckdb::SelectStatement> parse_select(const std::string& text) {
  duckdb::Parser parser;
  parser.ParseQuery(text);
  if (parser.statements.size() != 1 || parser.statements[0]->type != duckdb::StatementType::SELECT_STATEMENT) {
    throw BindFailure(user_error(sqlstate::kSyntaxError, "a query must be one SELECT"));
  }
  return duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(std::move(parser.statements[0]));
}

namespace {

// ---- the relation as a table function

duckdb::unique_ptr<duckdb::FunctionData> bind_relation(duckdb::ClientContext& context,
                                                       duckdb::TableFunctionBindInput& input,
                                                       duckdb::vector<duckdb::LogicalType>& types,
                                                       duckdb::vector<std::string>& names) {
  const auto given = input.named_parameters.find(kAsOfParameter);
  const AsOf as_of =
      given == input.named_parameters.end() ? AsOf::kPresent : as_of_parameter(given->second.GetValue<std::string>());
  const std::string name = input.inputs[0].GetValue<std::string>();
  RelationInfo relation =
      as_of == AsOf::kVersions ? find_versions(context, name) : find_relation(context, name);
  for (const batch::Field& field : relation.schema.fields) {
    types.push_back(field.type.duckdb_type());
    names.push_back(field.name);
  }
  return duckdb::make_uniq<RelationBindData>(std::move(relation), as_of);
}

duckdb::virtual_column_map_t virtual_columns(duckdb::ClientContext&, duckdb::optional_ptr<duckdb::FunctionData> data) {
  duckdb::virtual_column_map_t result;
  if (!data->Cast<RelationBindData>().relation.has_positions()) return result;
  for (size_t i = 0; i < kMetaColumns; ++i) {
    const batch::Field& field = meta_schema()[i];
    result.insert({meta_column_id(i), duckdb::TableColumn(field.name, field.type.duckdb_type())});
  }
  if (data->Cast<RelationBindData>().relation.has_deletes) {
    result.insert({meta_column_id(kMetaColumns), duckdb::TableColumn(kDeletedColumn, duckdb::LogicalType::BOOLEAN)});
  }
  return result;
}

struct ReadState : duckdb::GlobalTableFunctionState {
  std::unique_ptr<RelationReader> reader;
  std::unique_ptr<batch::Batch> batch;
  std::vector<size_t> columns;  // of the reader's rows
  size_t pending_copies = 0;
};

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> start_reading(duckdb::ClientContext& context,
                                                                   duckdb::TableFunctionInitInput& input) {
  const RelationInfo& relation = input.bind_data->Cast<RelationBindData>().relation;
  auto state = duckdb::make_uniq<ReadState>();
  auto reader = resolver_of(context)->read(relation.name);
  if (!reader.ok()) throw BindFailure(std::move(reader).error());
  state->reader = std::move(reader).value();
  std::vector<batch::Type> types = relation.schema.types();
  if (relation.has_positions()) {
    for (const batch::Field& field : meta_schema().fields) types.push_back(field.type);
  }
  state->batch = std::make_unique<batch::Batch>(types);
  for (duckdb::column_t id : input.column_ids) {
    bool meta = id >= meta_column_id(0) && id < meta_column_id(kMetaColumns);
    // An id that is neither a column nor ours is DuckDB's "any column will do", as count(*) asks.
    size_t column = meta ? relation.schema.size() + (id - meta_column_id(0)) : (id < relation.schema.size() ? id : 0);
    state->columns.push_back(column);
  }
  return state;
}

/// A row of diff n stands for n rows: writes each as often, as flat indices.
std::vector<uint32_t> multiplied_rows(const batch::Batch& batch) {
  std::vector<uint32_t> rows;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    for (int64_t copy = 0; copy < batch.diff(row); ++copy) rows.push_back(row);
  }
  return rows;
}

void read_relation(duckdb::ClientContext&, duckdb::TableFunctionInput& input, duckdb::DataChunk& output) {
  auto& state = input.global_state->Cast<ReadState>();
  state.batch->reset();
  Status status = state.reader->next(*state.batch);
  if (!status.ok()) throw BindFailure(std::move(status).error());
  batch::Batch* batch = state.batch.get();
  size_t rows = batch->rows();
  duckdb::DataChunk& chunk = batch->chunk();
  if (batch->all_inserts()) {
    for (size_t i = 0; i < state.columns.size(); ++i) output.data[i].Reference(chunk.data[state.columns[i]]);
    output.SetCardinality(rows);
    return;
  }
  std::vector<uint32_t> multiplied = multiplied_rows(*batch);
  if (multiplied.size() > STANDARD_VECTOR_SIZE) {
    throw BindFailure(internal_error("a reader gave more rows than fit one vector"));
  }
  duckdb::SelectionVector selection(STANDARD_VECTOR_SIZE);
  for (size_t i = 0; i < multiplied.size(); ++i) selection.set_index(i, multiplied[i]);
  for (size_t i = 0; i < state.columns.size(); ++i) {
    output.data[i].Slice(chunk.data[state.columns[i]], selection, multiplied.size());
  }
  output.SetCardinality(multiplied.size());
}

duckdb::unique_ptr<duckdb::NodeStatistics> constant_cardinality(duckdb::ClientContext&, const duckdb::FunctionData*) {
  return duckdb::make_uniq<duckdb::NodeStatistics>(1000000);
}

/// `(SELECT * FROM (view) AS v(a, b)) AS v`: names on the outermost subquery DuckDB replaces by those of the reference.
duckdb::unique_ptr<duckdb::SubqueryRef> with_column_names(duckdb::unique_ptr<duckdb::SubqueryRef> view,
                                                          const std::vector<std::string>& names) {
  const std::string alias = view->alias;
  view->column_name_alias.assign(names.begin(), names.end());
  auto all = duckdb::make_uniq<duckdb::SelectNode>();
  all->select_list.push_back(duckdb::make_uniq<duckdb::StarExpression>());
  all->from_table = std::move(view);
  auto select = duckdb::make_uniq<duckdb::SelectStatement>();
  select->node = std::move(all);
  return duckdb::make_uniq<duckdb::SubqueryRef>(std::move(select), alias);
}

duckdb::unique_ptr<duckdb::TableRef> replace_name(duckdb::ClientContext& context, duckdb::ReplacementScanInput& input,
                                                  duckdb::optional_ptr<duckdb::ReplacementScanData>) {
  if (!resolver_of(context)) return nullptr;
  RelationInfo relation = find_relation(context, input.table_name);
  if (relation.kind == RelationKind::kView) {
    auto select = parse_select(relation.view_query);
    rewrite_for_binder(context, *select->node);
    auto view = duckdb::make_uniq<duckdb::SubqueryRef>(std::move(select), relation.name);
    return relation.view_columns.empty() ? std::move(view) : with_column_names(std::move(view), relation.view_columns);
  }
  auto ref = duckdb::make_uniq<duckdb::TableFunctionRef>();
  duckdb::vector<duckdb::unique_ptr<duckdb::ParsedExpression>> arguments;
  arguments.push_back(duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(relation.name)));
  ref->function = duckdb::make_uniq<duckdb::FunctionExpression>(kRelationFunction, std::move(arguments));
  ref->alias = input.table_name;
  return ref;
}

void rewrite_expression(duckdb::ClientContext& context, duckdb::ParsedExpression& expression) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::SUBQUERY)
    rewrite_for_binder(context, *expression.Cast<duckdb::SubqueryExpression>().subquery->node);
  duckdb::ParsedExpressionIterator::EnumerateChildren(
      expression,
      [&](duckdb::unique_ptr<duckdb::ParsedExpression>& child) { rewrite_expression(context, *child); });
}

void rewrite_table(duckdb::TableRef& ref) {
  if (ref.type != duckdb::TableReferenceType::TABLE_FUNCTION) return;
  auto& function = ref.Cast<duckdb::TableFunctionRef>().function->Cast<duckdb::FunctionExpression>();
  if (!is_time_window(function.function_name)) return;
  for (auto& argument : function.children) {
    if (rewrite_partition_by(argument)) continue;
    if (argument->GetExpressionClass() != duckdb::ExpressionClass::COLUMN_REF) continue;
    std::string name = argument->Cast<duckdb::ColumnRefExpression>().GetColumnName();
    std::string alias = argument->GetAlias();
    argument = duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(name));
    argument->SetAlias(alias);
  }
  // DuckDB wants named arguments last.
  std::stable_partition(function.children.begin(), function.children.end(),
                        [](const auto& argument) { return argument->GetAlias().empty(); });
}

}  // namespace

const batch::Schema& meta_schema() {
  static const batch::Schema schema{{{"_append_time", batch::Type(batch::TypeId::kTimestamp)},
                                     {"_partition", batch::Type(batch::TypeId::kInteger)},
                                     {"_offset", batch::Type(batch::TypeId::kBigint)},
                                     {"_message_id", batch::Type(batch::TypeId::kVarchar)}}};
  return schema;
}

// DuckDB keeps ids from 2^63 for virtual columns and uses the first few and the last few itself.
duckdb::column_t meta_column_id(size_t index) { return (duckdb::column_t(1) << 63) + 1000 + index; }

bool may_be_read(const std::string& name) {
  static constexpr std::string_view kGenerators[] = {"range",      "generate_series", "unnest",   "repeat",
                                                     "repeat_row", "json_each",       "json_tree"};
  return std::find(std::begin(kGenerators), std::end(kGenerators), name) != std::end(kGenerators);
}

ResolverScope::ResolverScope(duckdb::ClientContext& context, const RelationResolver& resolver, bool of_view)
    : context_(context) {
  auto state = context.registered_state->GetOrCreate<ResolverState>(kStateKey);
  state->resolver = &resolver;
  state->of_view = of_view;
}

ResolverScope::~ResolverScope() {
  context_.registered_state->GetOrCreate<ResolverState>(kStateKey)->resolver = nullptr;
}

void rewrite_for_binder(duckdb::ClientContext& context, duckdb::QueryNode& node) {
  duckdb::ParsedExpressionIterator::EnumerateQueryNodeChildren(
      node, [&](duckdb::unique_ptr<duckdb::ParsedExpression>& child) { rewrite_expression(context, *child); },
      [&](duckdb::TableRef& ref) {
        rewrite_table(ref);
        rewrite_as_of_join(context, ref);
      });
  duckdb::ParsedExpressionIterator::EnumerateQueryNodeChildren(
      node, [](duckdb::unique_ptr<duckdb::ParsedExpression>&) {}, [](duckdb::TableRef& ref) { refuse_as_of(ref); });
}

void register_functions(duckdb::Connection& connection) {
  duckdb::ClientContext& context = *connection.context;
  duckdb::TableFunction relation(kRelationFunction, {duckdb::LogicalType::VARCHAR}, read_relation, bind_relation,
                                 start_reading);
  relation.get_virtual_columns = virtual_columns;
  relation.cardinality = constant_cardinality;
  relation.projection_pushdown = true;
  relation.filter_pushdown = false;
  relation.named_parameters[kAsOfParameter] = duckdb::LogicalType::VARCHAR;
  duckdb::CreateTableFunctionInfo info(relation);
  context.RegisterFunction(info);
  register_time_windows(context);
  register_as_of(context);
  duckdb::DBConfig::GetConfig(context).replacement_scans.emplace_back(replace_name);
}

}  // namespace millrace::sql
