// `millrace test PATH`: runs *.test files (test_file.h) and prints what differs. docs/testing_pipelines.md.
#pragma once

#include <cstdint>
#include <string>

#include "base/env.h"

namespace millrace::app {

struct TestFlags {
  std::string path;
  uint64_t seed = 1;
  bool verbose = false;
  std::string program = "/proc/self/exe";  ///< what the way "killed in the middle" starts: this program
};

/// Exit code 1 when a case fails or a file cannot be read; 2 when PATH holds no test.
int run_tests(Env& env, const TestFlags& flags);

}  // namespace millrace::app
