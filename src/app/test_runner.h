// Running one case of a *.test file in one way, and what differs from what it expects.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/test_file.h"
#include "base/env.h"

namespace millrace::app {

/// A way to bring the same input in. The answers must not depend on it.
struct TestWay {
  const char* name;
  uint32_t workers = 1;
  bool small_batches = false;  ///< a few records at a time, of random number, with SYNC between
  bool restart = false;        ///< the node is stopped and opened again after half of the records
};

/// Every way in which each case runs.
const std::vector<TestWay>& test_ways();

struct TestDifference {
  uint64_t line = 0;  ///< of the query; 0: before any query
  std::string text;   ///< lines to print
};

/// Runs the case in a fresh folder below the one for temporary files, which is removed afterwards. An error is for what
/// has to do with the case's surroundings; a failing statement or query is a difference.
Result<std::vector<TestDifference>> run_case(Env& env, const TestCase& test, const TestWay& way, uint64_t seed);

/// What is missing and what is too much, as lines; empty: equal. `ordered`: their order counts.
std::string difference_of(std::vector<std::string> expected, std::vector<std::string> actual, bool ordered);
/// Whether the outermost SELECT has an ORDER BY.
bool is_ordered(std::string_view sql);

}  // namespace millrace::app
