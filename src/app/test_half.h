// The way "killed in the middle" of a case (test_runner.h): half of its input goes into the data directory by a process
// of its own, which is killed as soon as all of that was acked. That process is this program again, with the hidden
// command `test-half FOLDER`; it finds what to feed in the file FOLDER/half, which is removed with the folder.
#pragma once

#include <string>

#include "app/test_file.h"
#include "base/env.h"

namespace millrace::app {

inline constexpr const char* kTestHalfCommand = "test-half";

/// Starts `program` (a path), waits until it has fed `half`, whose queries do not matter, and kills it. Returns what
/// went wrong in it, as lines to print; empty: it was killed after the last ack.
Result<std::string> feed_half_and_kill(Env& env, const std::string& program, const TestCase& half,
                                       const std::string& folder);

/// What that process does: feeds, says so, and waits to be killed. Ends when its standard input does.
int run_test_half(Env& env, const std::string& folder);

/// The two ends of FOLDER/half.
std::string encode_half(const TestCase& half);
Result<TestCase> decode_half(std::string_view bytes);

}  // namespace millrace::app
