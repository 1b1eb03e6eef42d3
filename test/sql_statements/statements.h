// One statement from text, for tests that are about what comes after parsing.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "sql/statement.h"

namespace millrace::sql {

inline Statement statement_of(std::string_view text) {
  Result<std::vector<Statement>> statements = parse_statements(text);
  EXPECT_TRUE(statements.ok()) << render(statements.error(), text);
  EXPECT_EQ(statements.ok() ? statements->size() : 0, 1u) << text;
  return statements.ok() && !statements->empty() ? std::move(statements->front()) : Statement{};
}

}  // namespace millrace::sql
