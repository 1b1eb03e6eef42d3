// What a view cannot keep up to date, as DuckDB planned it, in words.
#include "duckdb/planner/operator/logical_limit.hpp"
#include "sql/bind_failure.h"
#include "sql/translate.h"

namespace millrace::sql {

void refuse(const std::string& what, const std::string& hint, std::vector<std::string> words) {
  throw BindFailure(
      user_error(sqlstate::kNotSupported, "a materialized view cannot keep " + what + " up to date").with_hint(hint),
      std::move(words));
}

void refuse_limit(const duckdb::LogicalLimit& op) {
  const auto is_constant = [](const duckdb::BoundLimitNode& node) {
    return node.Type() == duckdb::LimitNodeType::UNSET || node.Type() == duckdb::LimitNodeType::CONSTANT_VALUE;
  };
  if (!is_constant(op.limit_val) || !is_constant(op.offset_val)) {
    refuse("a LIMIT that is no number", "write the number of rows; for a share of them compare percent_rank() OVER (…)",
           {"LIMIT", "OFFSET", "FETCH"});
  }
  refuse("LIMIT without ORDER BY", "add an ORDER BY, so that it is clear which rows stay", {"LIMIT", "OFFSET", "FETCH"});
}

void refuse_operator(const duckdb::LogicalOperator& op) {
  using Kind = duckdb::LogicalOperatorType;
  switch (op.type) {
    case Kind::LOGICAL_SAMPLE:
      refuse("a sample", "which rows it takes is not determined; write a condition on a hash of a column",
             {"SAMPLE", "TABLESAMPLE"});
    case Kind::LOGICAL_POSITIONAL_JOIN:
      refuse("POSITIONAL JOIN", "which rows meet is not determined; join on a column", {"POSITIONAL"});
    case Kind::LOGICAL_RECURSIVE_CTE:
    case Kind::LOGICAL_CTE_REF:
      refuse("WITH RECURSIVE", "write the steps out as joins, as many as there can be", {"RECURSIVE"});
    default: break;
  }
  refuse(duckdb::StringUtil::Lower(duckdb::LogicalOperatorToString(op.type)),
         "use joins, GROUP BY, DISTINCT, UNION ALL or OVER instead", {});
}

}  // namespace millrace::sql
