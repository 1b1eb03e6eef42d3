// FOR SYSTEM_TIME AS OF behind the right side of a join (docs/adr/0018). The parser writes it as DuckDB's
// AT (TIMESTAMP => …), which DuckDB takes and means otherwise; what is here turns the parsed join into one that DuckDB
// binds and Translator knows again. Private to sql/.
//
// AS OF now(): the join as it stands, over a relation that carries AsOf::kNow. AS OF a column: an ASOF join whose
// inequality is column >= millrace_version(time, deleted), over the rows that make the relation: AsOf::kVersions.
#pragma once

#include <string>

#include "duckdb.hpp"
#include "duckdb/parser/tableref.hpp"
#include "duckdb/planner/expression.hpp"
#include "sql/relation_function.h"

namespace millrace::sql {

/// When `ref` is a join with such a right side. Throws BindFailure on what is no such join.
void rewrite_as_of_join(duckdb::ClientContext& context, duckdb::TableRef& ref);
/// The same for what is left when all joins are rewritten.
void refuse_as_of(const duckdb::TableRef& ref);

/// The named parameter of kRelationFunction that says how the relation is read, and its values.
inline constexpr const char* kAsOfParameter = "as_of";
AsOf as_of_parameter(const std::string& value);

/// The arguments of millrace_version(time, deleted), or null when it is not that.
struct VersionCall {
  const duckdb::Expression* time = nullptr;
  const duckdb::Expression* deleted = nullptr;
};
VersionCall version_call(const duckdb::Expression& expression);

/// What is read AS OF, when the operator is that relation, filtered perhaps; else null.
const RelationBindData* as_of_relation(const duckdb::LogicalOperator& op);

void register_as_of(duckdb::ClientContext& context);

}  // namespace millrace::sql
