// A *.test file: inputs, SQL and the rows it must give, as text that is read from top to bottom.
//
//     --- pipeline shop.sql          statements from a file, beside the test
//     --- set partitions=1           a variable of it; {tmp} stands for a fresh folder
//     --- sql                        statements, up to the next `---`
//     --- input orders               records of a stream or table, one a line
//     --- input orders from o.ndjson or from a file beside the test
//     --- query                      one SELECT
//     --- expect                     its rows as CSV with a header; in any order, unless the query has an ORDER BY
//     --- expect json                the same, one object a line
//     --- expect error               text that the error holds: of the query, or of the statements when there is no
//     query
//     --- case late orders           what follows is a case of its own; what stands before the first is part of each
//
// Lines that begin with # are comments, but for those of a query's SQL and of an input.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"

namespace millrace::app {

struct TestScript {
  std::string text;
  std::string base_directory;
};

struct TestInput {
  std::string stream;
  std::vector<std::string> records;
};

enum class Expect : uint8_t { kCsv, kJson, kError };

struct TestQuery {
  std::string sql;
  uint64_t line = 0;  ///< where it stands in the file, from 1
  Expect expect = Expect::kCsv;
  std::vector<std::string> expected;
};

struct TestCase {
  std::string name;  ///< empty: the only one of its file
  std::vector<TestScript> scripts;
  std::map<std::string, std::string> settings;
  std::vector<TestInput> inputs;
  std::vector<TestQuery> queries;
  std::optional<std::string> script_error;  ///< the statements must fail, with this in the message
};

/// Errors name the file and the line.
Result<std::vector<TestCase>> read_test_file(Env& env, const std::string& path);
/// Files that the text names are read from `directory`.
Result<std::vector<TestCase>> parse_test_file(std::string_view text, const std::string& directory, Env& env);

}  // namespace millrace::app
