#include "sql/bind.h"

#include <functional>

#include "base/text.h"
#include "batch/duckdb_error.h"
#include "duckdb/execution/column_binding_resolver.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/optimizer/optimizer.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/query_node.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "duckdb/planner/expression/bound_function_expression.hpp"
#include "duckdb/planner/expression_iterator.hpp"
#include "duckdb/planner/logical_operator_visitor.hpp"
#include "duckdb/planner/operator/logical_get.hpp"
#include "duckdb/planner/planner.hpp"
#include "sql/bind_failure.h"
#include "sql/relation_function.h"
#include "sql/translate.h"

namespace millrace::sql {
namespace {

/// DuckDB makes several statements of a PIVOT: the first asks which values there are.
[[noreturn]] void refuse_statement(std::string_view text) {
  Error pivot = user_error(sqlstate::kNotSupported, "a PIVOT needs the names of its values: columns do not follow from rows")
                    .with_hint("write FROM t PIVOT (sum(x) FOR k IN ('a', 'b'))");
  place_at_word(pivot, text, {"PIVOT"});
  if (pivot.position) throw BindFailure(std::move(pivot));
  throw BindFailure(user_error(sqlstate::kSyntaxError, "a query must be one SELECT"));
}

duckdb::unique_ptr<duckdb::SelectStatement> parse_query(duckdb::ClientContext& context, std::string_view text) {
  duckdb::Parser parser;
  parser.ParseQuery(std::string(text));
  if (parser.statements.size() != 1 || parser.statements[0]->type != duckdb::StatementType::SELECT_STATEMENT) {
    refuse_statement(text);
  }
  auto select = duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(std::move(parser.statements[0]));
  rewrite_for_binder(context, *select->node);
  return select;
}

/// Refuses expressions whose value is not a function of the row: DuckDB would silently make them constants of the
/// moment at which the view was created. Only the plan before optimization still shows them.
class VolatileCheck : public duckdb::LogicalOperatorVisitor {
 public:
  void VisitExpression(duckdb::unique_ptr<duckdb::Expression>* expression) override { check(**expression); }

 private:
  static void check(const duckdb::Expression& expression) {
    if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_FUNCTION) {
      const auto& call = expression.Cast<duckdb::BoundFunctionExpression>();
      const std::string& name = call.function.name;
      if (call.function.stability != duckdb::FunctionStability::CONSISTENT && name != "error") {
        Error error = user_error(sqlstate::kNotSupported, "a materialized view cannot use " + name + "()");
        error.hint = "its value changes without any row changing; use a column, such as _append_time, or put " + name +
                     "() into the query that reads the view";
        if (auto location = expression.GetQueryLocation(); location.IsValid()) {
          error.position = SourceSpan{location.GetIndex(), name.size()};
        }
        throw BindFailure(std::move(error));
      }
    }
    duckdb::ExpressionIterator::EnumerateChildren(expression, [](const duckdb::Expression& child) { check(child); });
  }
};

/// User SQL reads our relations and pure generators; nothing that looks outside.
void check_table_functions(duckdb::LogicalOperator& op) {
  if (op.type == duckdb::LogicalOperatorType::LOGICAL_GET) {
    const std::string& name = op.Cast<duckdb::LogicalGet>().function.name;
    if (name != kRelationFunction && !may_be_read(name)) {
      throw BindFailure(
          user_error("42501", "the table function " + name + " is not allowed here")
              .with_hint("queries read streams, tables and views; CREATE STREAM or CREATE TABLE brings files in"),
          {name});
    }
  }
  for (auto& child : op.children) check_table_functions(*child);
}

struct Planned {
  duckdb::unique_ptr<duckdb::LogicalOperator> root;
  std::vector<std::string> names;
};

Planned plan_for_view(duckdb::ClientContext& context, std::string_view query) {
  duckdb::Planner planner(context);
  planner.CreatePlan(parse_query(context, query));
  VolatileCheck().VisitOperator(*planner.plan);
  check_table_functions(*planner.plan);
  Planned result;
  result.names.assign(planner.names.begin(), planner.names.end());
  duckdb::Optimizer optimizer(*planner.binder, context);
  result.root = optimizer.Optimize(std::move(planner.plan));
  result.root->ResolveOperatorTypes();
  duckdb::ColumnBindingResolver resolver;
  resolver.VisitOperator(*result.root);
  return result;
}

/// Runs `body` in a transaction of the session with the relations in reach; whatever it throws becomes an Error.
Status in_transaction(batch::Session& session, const RelationResolver& relations, std::string_view query,
                      uint64_t text_offset, const std::function<void(duckdb::ClientContext&)>& body) {
  duckdb::ClientContext& context = session.context();
  ResolverScope scope(context, relations, true);
  try {
    context.RunFunctionInTransaction([&] { body(context); });
    return {};
  } catch (const std::exception& exception) {
    return to_error(exception, query, text_offset);
  }
}

void set_names(plan::Plan& plan, const std::vector<std::string>& names, const std::vector<std::string>& chosen) {
  if (!chosen.empty() && chosen.size() != names.size()) {
    throw BindFailure(user_error(sqlstate::kSyntaxError, "the view names " + std::to_string(chosen.size()) +
                                                             " columns, but its query returns " +
                                                             std::to_string(names.size()))
                          .with_hint("name all columns of the query, or none"));
  }
  std::vector<std::string> used;
  for (size_t i = 0; i < names.size(); ++i) {
    std::string name = chosen.empty() ? names[i] : chosen[i];
    for (const std::string& other : used) {
      if (!iequals(other, name)) continue;
      throw BindFailure(user_error("42701", "two columns of the view are named " + name)
                            .with_hint("give one of them another name with AS"),
                        {name});
    }
    plan.nodes.back().output.fields[i].name = name;
    used.push_back(std::move(name));
  }
}

void check_types(const plan::Plan& plan) {
  for (size_t i = 0; i < plan.columns; ++i) {
    const batch::Field& field = plan.nodes.back().output[i];
    if (field.type.id() != batch::TypeId::kNull) continue;
    throw BindFailure(user_error("42P18", "column " + field.name + " has no type: it is always NULL")
                          .with_hint("write NULL::VARCHAR, or the type that you want"),
                      {field.name});
  }
}

}  // namespace

Result<plan::Plan> bind_view(batch::Session& session, const RelationResolver& relations, std::string_view query,
                             const ViewOptions& options) {
  plan::Plan plan;
  Status status = in_transaction(session, relations, query, options.text_offset, [&](duckdb::ClientContext& context) {
    Planned planned = plan_for_view(context, query);
    Translator translator(context, options);
    translator.finish(translator.with_named_fields(translator.translate(*planned.root, Needs{})));
    if (options.emit_on_window_close && !translator.has_window_bound()) {
      throw BindFailure(
          user_error(sqlstate::kNotSupported,
                     "EMIT ON WINDOW CLOSE needs a GROUP BY window_start or window_end, or a join bounded by time")
              .with_hint("read from tumble(stream, time column, size) and group by window_start"));
    }
    plan.nodes = translator.take();
    plan.columns = static_cast<uint32_t>(planned.names.size());
    plan.emit_on_window_close = options.emit_on_window_close;
    set_names(plan, planned.names, options.column_names);
    check_types(plan);
  });
  if (!status.ok()) return std::move(status).error();
  return plan;
}

size_t QueryResult::rows() const {
  size_t total = 0;
  for (const auto& batch : batches) total += batch.rows();
  return total;
}

Result<QueryResult> run_query(batch::Session& session, const RelationResolver& relations, std::string_view query,
                              uint64_t text_offset, uint64_t rows_max) {
  QueryResult result;
  ResolverScope scope(session.context(), relations, false);
  try {
    auto statement = parse_query(session.context(), query);
    session.context().RunFunctionInTransaction([&] {
      duckdb::Planner planner(session.context());
      planner.CreatePlan(statement->Copy());
      check_table_functions(*planner.plan);
    });
    auto answer = session.context().Query(duckdb::unique_ptr<duckdb::SQLStatement>(std::move(statement)),
                                          /*allow_stream_result=*/true);
    if (answer->HasError()) answer->ThrowError();
    for (size_t i = 0; i < answer->names.size(); ++i) {
      result.schema.fields.push_back({answer->names[i], batch::Type(answer->types[i])});
    }
    uint64_t rows = 0;
    while (auto chunk = answer->Fetch()) {
      if (chunk->size() == 0) break;
      rows += chunk->size();
      if (rows > rows_max) {
        return user_error(sqlstate::kTooLarge, "the result has more than " + std::to_string(rows_max) + " rows")
            .with_hint("add a WHERE or a LIMIT, or read a big view through a sink");
      }
      batch::Batch batch(result.schema);
      for (size_t i = 0; i < result.schema.size(); ++i) batch.chunk().data[i].Reference(chunk->data[i]);
      batch.set_rows(chunk->size());
      result.batches.push_back(batch.clone());
    }
    if (answer->HasError()) answer->ThrowError();
  } catch (const std::exception& exception) {
    return to_error(exception, query, text_offset);
  }
  return result;
}

namespace {

/// Knows one relation, `row`, with the given columns.
class RowResolver final : public RelationResolver {
 public:
  explicit RowResolver(const batch::Schema& schema) : schema_(schema) {}
  std::optional<RelationInfo> find(std::string_view name) const override {
    if (!iequals(name, "row")) return std::nullopt;
    RelationInfo info;
    info.name = "row";
    info.schema = schema_;
    return info;
  }
  std::string suggestion(std::string_view) const override { return {}; }
  Result<std::unique_ptr<RelationReader>> read(std::string_view) const override {
    return internal_error("a scalar expression has no rows to read");
  }

 private:
  const batch::Schema& schema_;
};

}  // namespace

Result<batch::Expression> bind_scalar(batch::Session& session, const batch::Schema& schema, std::string_view expression,
                                      const batch::Type& type) {
  constexpr std::string_view kBefore = "SELECT CAST((";
  std::string query = std::string(kBefore) + std::string(expression) + ") AS " + type.name() + ") FROM \"row\"";
  auto planned = bind_view(session, RowResolver(schema), query, {});
  if (!planned.ok()) {
    Error error = std::move(planned).error();
    if (error.position) error.position->offset -= std::min<uint64_t>(error.position->offset, kBefore.size());
    return error;
  }
  plan::Plan bound = std::move(planned).value();
  const auto* project = std::get_if<plan::Project>(&bound.root().operation);
  if (!project || bound.nodes.size() != 2) {
    // A bare column: the Source alone.
    const auto* source = std::get_if<plan::Source>(&bound.root().operation);
    if (!source)
      return user_error(sqlstate::kNotSupported,
                        "expected a scalar expression over the row's columns: " + std::string(expression));
    uint32_t field = source->columns[0].field;
    return batch::Expression::column(field, schema[field].type, schema[field].name);
  }
  // The Source gives only the columns that are used: point back to where they are in the row.
  const auto& source = std::get<plan::Source>(bound.nodes[0].operation);
  std::vector<uint32_t> places;
  for (const plan::SourceColumn& column : source.columns) places.push_back(column.field);
  return project->expressions[0].with_columns(places);
}

Result<batch::Schema> describe_query(batch::Session& session, const RelationResolver& relations, std::string_view query,
                                     uint64_t text_offset) {
  batch::Schema schema;
  Status status = in_transaction(session, relations, query, text_offset, [&](duckdb::ClientContext& context) {
    duckdb::Planner planner(context);
    planner.CreatePlan(parse_query(context, query));
    for (size_t i = 0; i < planner.names.size(); ++i) {
      schema.fields.push_back({planner.names[i], batch::Type(planner.types[i])});
    }
  });
  if (!status.ok()) return std::move(status).error();
  return schema;
}

}  // namespace millrace::sql
