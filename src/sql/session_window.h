// session(t [, ts], gap [, partition_by := [k, …]]) in FROM. Private to sql/.
#pragma once

#include "duckdb/main/client_context.hpp"
#include "duckdb/parser/parsed_expression.hpp"

namespace millrace::sql {

void register_session_window(duckdb::ClientContext& context);

/// An argument partition_by := k or [k, …] becomes a constant list of the SQL of its expressions; others are left.
bool rewrite_partition_by(duckdb::unique_ptr<duckdb::ParsedExpression>& argument);

}  // namespace millrace::sql
