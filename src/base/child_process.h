// A program that this one starts, hears and kills. One thread at a time.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace {

class ChildProcess {
 public:
  /// Starts the file `program`. Its standard input is empty and ends when this object goes or this process does, so a
  /// child that reads it to the end never outlives us; its standard output is read here; its standard error is ours.
  static Result<std::unique_ptr<ChildProcess>> start(const std::string& program,
                                                     const std::vector<std::string>& arguments);
  /// Kills it when it still runs.
  ~ChildProcess();

  /// Its next line, without the line end; nothing when its output has ended. Fails when none came in `timeout`.
  Result<std::optional<std::string>> read_line(Duration timeout);
  /// SIGKILL, as by the kernel when memory is short: nothing in the child can run any more. Returns when it is gone,
  /// and with it its locks.
  Status kill();

 private:
  ChildProcess(pid_t pid, int input, int output) : pid_(pid), input_(input), output_(output) {}

  pid_t pid_;  ///< 0: gone
  int input_;
  int output_;
  std::string unread_;
};

}  // namespace millrace
