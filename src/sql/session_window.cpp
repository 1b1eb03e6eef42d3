#include "sql/session_window.h"

#include "base/text.h"
#include "duckdb/parser/expression/constant_expression.hpp"
#include "duckdb/parser/expression/function_expression.hpp"
#include "duckdb/parser/parsed_data/create_aggregate_function_info.hpp"
#include "duckdb/parser/parsed_data/create_table_function_info.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "duckdb/parser/tableref/subqueryref.hpp"
#include "sql/bind.h"
#include "sql/relation_function.h"
#include "sql/session_groups.h"
#include "sql/window_call.h"

namespace millrace::sql {
namespace {

using duckdb::LogicalType;

constexpr const char* kPartitionBy = "partition_by";

/// For a view: calls that Translator turns into an operator. What DuckDB may do with them is what it may do with OVER.
std::string query_of_view(const WindowCall& call, const std::string& keys) {
  const std::string over = keys.empty() ? " OVER ()" : " OVER (PARTITION BY " + keys + ")";
  const std::string arguments = "(" + call.time + ", " + interval_text(call.lengths[0]) + ")";
  return "SELECT *, " + std::string(kSessionStart) + arguments + over + " AS window_start, " + kSessionEnd + arguments +
         over + " AS window_end FROM " + quote_identifier(call.table);
}

/// For a query, which DuckDB runs: the same in plain SQL.
std::string query_to_run(const WindowCall& call, const std::vector<std::string>& keys) {
  const std::string gap = std::to_string(fixed_micros(call.lengths[0]));
  std::string with_keys = "SELECT *, " + call.time + " AS millrace_time";
  std::string names = "isfinite(millrace_time)";
  std::string hidden = "millrace_time, millrace_new, millrace_session";
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string name = "millrace_key_" + std::to_string(i);
    with_keys += ", (" + keys[i] + ") AS " + name;
    names += ", " + name;
    hidden += ", " + name;
  }
  with_keys += " FROM " + quote_identifier(call.table);
  const std::string over = " OVER (PARTITION BY " + names + " ORDER BY millrace_time)";
  const std::string with_new =
      "SELECT *, CASE WHEN isfinite(millrace_time) THEN coalesce(epoch_us(millrace_time) - "
      "epoch_us(lag(millrace_time)" +
      over + ") >= " + gap + ", true)::INTEGER ELSE 0 END AS millrace_new FROM (" + with_keys + ")";
  const std::string with_session =
      "SELECT *, sum(millrace_new)" + over + " AS millrace_session FROM (" + with_new + ")";
  const auto bound = [](const std::string& of_session) {
    return "CASE WHEN isfinite(millrace_time) THEN " + of_session + " ELSE millrace_time END";
  };
  const std::string session = " OVER (PARTITION BY " + names + ", millrace_session)";
  return "SELECT * EXCLUDE (" + hidden + "), " + bound("min(millrace_time)" + session) + " AS window_start, " +
         bound("max(millrace_time)" + session + " + " + interval_text(call.lengths[0])) + " AS window_end FROM (" +
         with_session + ")";
}

duckdb::unique_ptr<duckdb::TableRef> replace_session(duckdb::ClientContext& context,
                                                     duckdb::TableFunctionBindInput& input) {
  const WindowCall call = read_window_call(context, input, "session", {"gap"});
  std::vector<std::string> keys;
  std::string all_keys;
  if (auto given = input.named_parameters.find(kPartitionBy); given != input.named_parameters.end()) {
    for (const duckdb::Value& key : duckdb::ListValue::GetChildren(given->second)) {
      keys.push_back(key.GetValue<std::string>());
      all_keys += (all_keys.empty() ? "" : ", ") + keys.back();
    }
  }
  auto select = parse_select(binds_a_view(context) ? query_of_view(call, all_keys) : query_to_run(call, keys));
  return duckdb::make_uniq<duckdb::SubqueryRef>(std::move(select), call.table);
}

void register_marker(duckdb::ClientContext& context, const char* name) {
  duckdb::AggregateFunction marker(name, {LogicalType::TIMESTAMP, LogicalType::INTERVAL}, LogicalType::TIMESTAMP,
                                   nullptr, nullptr, nullptr, nullptr, nullptr,
                                   duckdb::FunctionNullHandling::DEFAULT_NULL_HANDLING);
  duckdb::CreateAggregateFunctionInfo info(marker);
  context.RegisterFunction(info);
}

}  // namespace

bool rewrite_partition_by(duckdb::unique_ptr<duckdb::ParsedExpression>& argument) {
  if (!iequals(argument->GetAlias(), kPartitionBy)) return false;
  duckdb::vector<duckdb::Value> keys;
  const auto add = [&](const duckdb::ParsedExpression& key) {
    auto plain = key.Copy();
    plain->ClearAlias();
    keys.push_back(duckdb::Value(plain->ToString()));
  };
  const bool is_list = argument->GetExpressionClass() == duckdb::ExpressionClass::FUNCTION &&
                       argument->Cast<duckdb::FunctionExpression>().function_name == "list_value";
  if (is_list) {
    for (const auto& key : argument->Cast<duckdb::FunctionExpression>().children) add(*key);
  } else {
    add(*argument);
  }
  const std::string alias = argument->GetAlias();
  argument = duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value::LIST(LogicalType::VARCHAR, std::move(keys)));
  argument->SetAlias(alias);
  return true;
}

void register_session_window(duckdb::ClientContext& context) {
  register_marker(context, kSessionStart);
  register_marker(context, kSessionEnd);
  duckdb::TableFunctionSet set("session");
  for (bool with_column : {true, false}) {
    duckdb::vector<LogicalType> arguments{LogicalType::VARCHAR};
    if (with_column) arguments.push_back(LogicalType::VARCHAR);
    arguments.push_back(LogicalType::INTERVAL);
    duckdb::TableFunction function(arguments, nullptr, nullptr);
    function.bind_replace = replace_session;
    function.named_parameters[kPartitionBy] = LogicalType::LIST(LogicalType::VARCHAR);
    set.AddFunction(function);
  }
  duckdb::CreateTableFunctionInfo info(set);
  context.RegisterFunction(info);
}

}  // namespace millrace::sql
