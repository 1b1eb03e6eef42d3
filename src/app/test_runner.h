// Running one case of a *.test file in one way, and what differs from what it expects.
#pragma once

#include <cstdint>
#include <functional>
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
  bool killed = false;         ///< half of the records go in by another process, which is killed (test_half.h)
};

/// Every way in which each case runs.
const std::vector<TestWay>& test_ways();

struct TestDifference {
  uint64_t line = 0;  ///< of the query; 0: before any query
  std::string text;   ///< lines to print
};

/// Runs the case in a fresh folder below the one for temporary files, which is removed afterwards. An error is for what
/// has to do with the case's surroundings; a failing statement or query is a difference. `program`: the path of this
/// program, for a way that kills one.
Result<std::vector<TestDifference>> run_case(Env& env, const TestCase& test, const TestWay& way, uint64_t seed,
                                             const std::string& program);

/// Only feeds the case, with SYNC after half of it, into the data directory of a case's folder, calls `fed` once all is
/// acked, and stops the node.
Result<std::vector<TestDifference>> feed_case(Env& env, const TestCase& test, const std::string& folder,
                                              const std::function<Status()>& fed);

/// What is missing and what is too much, as lines; empty: equal. `ordered`: their order counts.
std::string difference_of(std::vector<std::string> expected, std::vector<std::string> actual, bool ordered);
/// Whether the outermost SELECT has an ORDER BY.
bool is_ordered(std::string_view sql);

}  // namespace millrace::app
