// Makes a failing run smaller: fewer operators in the query, fewer rows and steps, plainer values.
#pragma once

#include <functional>
#include <optional>

#include "history.h"
#include "query_generator.h"

namespace millrace::test {

struct Failing {
  std::string sql;
  History history;
  std::string failure;
};

/// What goes wrong with a query over a history, or nothing. A query that cannot be a view does not go wrong.
using Trial = std::function<std::optional<std::string>(const std::string& sql, const History& history)>;

/// `pieces`: the queries that `failing.sql` is made of, as they stand in its text. Tries at most `trials_max` times.
Failing shrink(Failing failing, const std::vector<Query>& pieces, const Trial& trial, int trials_max);

}  // namespace millrace::test
