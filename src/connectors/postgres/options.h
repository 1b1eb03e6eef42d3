// The options of the connector `postgres`. Private to connectors/postgres/; docs/connectors.md describes them.
#pragma once

#include "sql/options.h"

namespace millrace::connectors::postgres {

sql::OptionGroup option_group();

}  // namespace millrace::connectors::postgres
