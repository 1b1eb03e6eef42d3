#include "connectors/postgres/options.h"

#include <utility>

namespace millrace::connectors::postgres {

sql::OptionGroup option_group() {
  using sql::OptionKind;
  using sql::OptionSpec;
  OptionSpec url{"url", OptionKind::kText, "",
                 "the server: postgresql://user@host:port/database?sslmode=…; a password that it holds is never shown"};
  url.required = true;
  OptionSpec table{"table", OptionKind::kText, "", "the table, with or without its schema: 'public.hours'"};
  table.required = true;
  OptionSpec create{"create_table", OptionKind::kBoolean, "false", "whether a missing table is created"};
  OptionSpec rows{"batch_rows", OptionKind::kInteger, "50000", "rows that are sent in one transaction at most"};
  rows.minimum = 1;
  rows.maximum = 10000000;
  OptionSpec bytes{"batch_bytes", OptionKind::kSize, "8 MiB", "bytes that are sent in one transaction, about"};
  bytes.minimum = 1 << 10;
  bytes.maximum = 1LL << 30;
  OptionSpec connect{"connect_timeout", OptionKind::kDuration, "5 seconds",
                     "how long a connection may take to come up"};
  connect.minimum = 1000;
  connect.maximum = 600LL * 1000000;
  OptionSpec statement{"statement_timeout", OptionKind::kDuration, "60 seconds",
                       "how long the server may take for one statement"};
  statement.minimum = 1000;
  statement.maximum = 24LL * 3600 * 1000000;

  sql::OptionGroup group{"postgres", "a table in PostgreSQL", false, true};
  group.sink_options = {std::move(url),   std::move(table),   std::move(create),   std::move(rows),
                        std::move(bytes), std::move(connect), std::move(statement)};
  return group;
}

}  // namespace millrace::connectors::postgres
