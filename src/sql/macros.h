// CREATE MACRO: the user's macros are DuckDB's own, in the instance that binds the user's queries. A plan holds what a
// macro stood for when it was made.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "batch/instance.h"
#include "sql/statement.h"

namespace millrace::sql {

/// Refuses what is no macro, has the name of a function, or names a table function that may not be used. Errors point
/// into the user's text. Changes nothing.
Status check_macro(batch::Session& session, const CreateMacro& create);
/// From now on, for all sessions of the instance; `query` is the catalog's CREATE OR REPLACE MACRO.
Status define_macro(batch::Session& session, std::string_view query);
/// Nothing happens when it is not there.
Status drop_macro(batch::Session& session, std::string_view name);
/// The text calls a function of this name.
bool calls_macro(std::string_view text, std::string_view name);

}  // namespace millrace::sql
