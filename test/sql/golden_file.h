// A golden file: SQL, inputs and the rows they must give, in sqllogictest form (README.md beside this file).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace::golden {

enum class StepKind : uint8_t {
  kStatement,       ///< SQL that must succeed
  kStatementError,  ///< SQL that must fail, with each line of `expected` in what the user reads
  kQuery,           ///< SQL whose rows must be `expected`
  kInput,           ///< records of the stream or table `name`
  kFile,            ///< a file `name` with the lines `records`
  kAdvance,         ///< the clock moves by `time`
  kRestart,         ///< the node is stopped and opened again
};

struct Step {
  StepKind kind = StepKind::kStatement;
  uint64_t line = 0;  ///< where it begins in its file, from 1
  std::string sql;
  std::string name;
  std::vector<std::string> records;
  std::string types;  ///< of a query, a letter for each column: T text, I integer, R floating point
  bool sorted = false;
  bool header = false;  ///< the first of `expected` are the names of the columns
  std::vector<std::string> expected;
  Duration time;
};

/// Errors say the line.
Result<std::vector<Step>> parse_golden(std::string_view text);

/// The examples of a page of documentation: its fenced blocks that begin with ```sql, ```ndjson or ```rows, as steps
/// (docs/sql/README.md). Other text gives none.
Result<std::vector<Step>> parse_documentation(std::string_view text);

/// The values of an expected row: cut at tabs, at " | ", or at spaces; not cut when there is one column.
std::vector<std::string> split_row(std::string_view row, size_t columns);

/// INSERT INTO … VALUES (…), (…) as one statement for each `rows_max` rows; any other statement as it is.
std::vector<std::string> split_insert(const std::string& sql, size_t rows_max);

}  // namespace millrace::golden
