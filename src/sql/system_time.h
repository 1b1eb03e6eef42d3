// FOR SYSTEM_TIME AS OF, which DuckDB does not parse. Private to sql/.
#pragma once

#include <string>

namespace millrace::sql {

/// `t FOR SYSTEM_TIME AS OF x AS r` → `t AS r AT (TIMESTAMP => x)`, of the same length, wherever it stands; sql/as_of.h
/// says what becomes of that.
void rewrite_system_time(std::string& text);

}  // namespace millrace::sql
