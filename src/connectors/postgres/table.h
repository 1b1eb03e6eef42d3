// Table: the destination's table, as it was found or made, and the statements that write to it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "connectors/postgres/connection.h"
#include "connectors/sink.h"

namespace millrace::connectors::postgres {

struct TableName {
  std::string schema;  ///< empty: the first of the connection's search path
  std::string name;
  std::string quoted() const;
  /// Another table of the same schema.
  std::string beside(std::string_view other) const;
};

/// 'hours', 'public.hours', '"Public".hours': without quotes names are in lower case.
Result<TableName> parse_table_name(std::string_view text);

class Table {
 public:
  /// Finds the table and the columns that the rows of the sink go into; makes it first when it is missing and `create`.
  /// Fails, naming the column, when it does not fit.
  static Result<Table> find(Connection& connection, const TableName& name, const SinkSetup& setup, bool create);

  /// By column of the sink's rows: lists go into an array.
  const std::vector<bool>& as_array() const { return as_array_; }

  std::string copy_into_table() const;
  std::string delete_all() const { return "DELETE FROM " + name_; }

  // Upserts: rows come into a temporary table first, each with '+' or '-' in front, each key once.
  std::string create_stage() const;
  std::string copy_into_stage() const;
  std::string delete_staged() const;
  std::string delete_staged_nulls() const;  ///< the rows whose key holds NULL, which no index finds
  std::string upsert_staged() const;

 private:
  std::string key_condition(bool nulls) const;

  std::string name_;
  std::vector<std::string> columns_;  ///< quoted, of the rows without _op and _commit for upserts
  std::vector<std::string> key_;      ///< quoted
  std::vector<bool> as_array_;
};

}  // namespace millrace::connectors::postgres
