// Binds SQL text with DuckDB for tests of batch/, which itself never sees SQL: sql/ does that in the program.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "batch/batch.h"
#include "batch/expression.h"
#include "batch/fragment.h"
#include "batch/instance.h"

namespace millrace::batch {

/// A locked instance with one empty table `t`, against whose columns text is bound.
class BindingDatabase {
 public:
  /// `columns` as in CREATE TABLE: "g BIGINT, x INTEGER".
  explicit BindingDatabase(const std::string& columns);

  Session& session() { return *session_; }
  const std::vector<Type>& types() const { return types_; }

  /// The select list of `SELECT <list> FROM t`; columns are referenced by their position in the table.
  std::vector<Expression> expressions(const std::string& list);
  /// `SELECT g, <list> FROM t GROUP BY g`. Column 0 of the table must be g.
  Fragment aggregate(const std::string& list);
  /// `SELECT <list> FROM t`, whose entries are window functions.
  Fragment window(const std::string& list);

  /// What DuckDB answers to a query, row by row as text.
  std::vector<std::string> query(const std::string& sql);
  /// Fills table `t` with the rows of the batches.
  void load(std::span<const Batch> batches);
  /// Rows from VALUES text: "(1, 2), (3, NULL)", of the table's types.
  std::vector<Batch> rows(const std::string& values);

 private:
  std::vector<std::shared_ptr<const duckdb::Expression>> bound(const std::string& sql, FragmentKind kind);

  std::unique_ptr<SqlInstance> instance_;
  std::unique_ptr<Session> session_;
  std::vector<Type> types_;
};

/// All rows as text, sorted: a bag that can be compared.
std::vector<std::string> sorted_rows(std::span<const Batch> batches);

}  // namespace millrace::batch
