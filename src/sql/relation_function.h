// DuckDB-side of relations: the table function that stands for a stream, table or view, the replacement scan that finds
// it by name, and the window functions of time. Private to sql/.
#pragma once

#include <string>

#include "duckdb.hpp"
#include "duckdb/main/client_context_state.hpp"
#include "duckdb/planner/operator/logical_get.hpp"
#include "sql/relation.h"

namespace millrace::sql {

/// The resolver in use on a connection, while a statement is bound or run.
class ResolverScope {
 public:
  /// `of_view`: what is bound becomes a view and is not run.
  ResolverScope(duckdb::ClientContext& context, const RelationResolver& resolver, bool of_view);
  ~ResolverScope();
  ResolverScope(const ResolverScope&) = delete;
  ResolverScope& operator=(const ResolverScope&) = delete;

 private:
  duckdb::ClientContext& context_;
};

/// How a join reads its right side (sql/as_of.h).
enum class AsOf : uint8_t { kPresent, kNow, kVersions };

struct RelationBindData : duckdb::TableFunctionData {
  explicit RelationBindData(RelationInfo relation, AsOf as_of = AsOf::kPresent)
      : relation(std::move(relation)), as_of(as_of) {}
  RelationInfo relation;
  AsOf as_of;

  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
    return duckdb::make_uniq<RelationBindData>(relation, as_of);
  }
  bool Equals(const duckdb::FunctionData& other) const override {
    const auto& that = other.Cast<RelationBindData>();
    return relation.name == that.relation.name && as_of == that.as_of;
  }
};

inline constexpr const char* kRelationFunction = "millrace_relation";
/// First of the column ids by which a LogicalGet names meta column i: kMetaColumnBase + i.
duckdb::column_t meta_column_id(size_t index);

/// What the resolver in scope knows of a name; throws BindFailure when it is nothing.
RelationInfo find_relation(duckdb::ClientContext& context, const std::string& name);
/// The same of the rows that made it.
RelationInfo find_versions(duckdb::ClientContext& context, const std::string& name);
/// What the scope says.
bool binds_a_view(duckdb::ClientContext& context);
/// Throws BindFailure when the text is not one SELECT.
duckdb::unique_ptr<duckdb::SelectStatement> parse_select(const std::string& text);

/// Table functions that a query may read besides relations and windows of time: pure generators.
bool may_be_read(const std::string& table_function);

/// Turns what DuckDB parses and does not know into what it binds: the column arguments of tumble(t, ts, size) and its
/// like become constants, as a table function takes them; joins AS OF (sql/as_of.h) become joins.
void rewrite_for_binder(duckdb::ClientContext& context, duckdb::QueryNode& node);

}  // namespace millrace::sql
