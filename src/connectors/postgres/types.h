// Which types of PostgreSQL a column of a view fits into. docs/connectors.md has the table.
#pragma once

#include <string>

#include "batch/type.h"

namespace millrace::connectors::postgres {

/// A column of the destination's table.
struct TableColumn {
  std::string name;
  std::string type;     ///< the server's short name: "int8", "numeric", "_text" for an array of text
  std::string shown;    ///< with its parameters: "numeric(10,2)"
  std::string element;  ///< of an array: its elements' type
  int modifier = -1;    ///< atttypmod
  bool is_enum = false;
  bool not_null = false;
  bool filled = false;  ///< by a default, an identity or an expression
};

/// Empty when values of `type` go into the column without being changed; else why not.
std::string misfit(const batch::Type& type, const TableColumn& column);
/// What CREATE TABLE writes.
std::string column_type(const batch::Type& type);
/// Lists of these elements are arrays there; others are JSON.
bool has_array_form(const batch::Type& list);

}  // namespace millrace::connectors::postgres
