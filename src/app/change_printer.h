// Printing committed changes as they stream in: one JSON object a line from the server, one line of output each.
#pragma once

#include <cstdint>
#include <string_view>

#include "app/answer.h"

namespace millrace::app {

class ChangePrinter {
 public:
  explicit ChangePrinter(Format format) : format_(format) {}

  /// Prints one change. An object without members keeps the connection alive and prints nothing; {"error":…} is an error.
  Status print(std::string_view json_object);

  /// Changes printed so far.
  uint64_t lines() const { return lines_; }
  /// Whether anything came, even if it was nothing to print.
  bool streamed() const { return streamed_; }

 private:
  Format format_;
  uint64_t lines_ = 0;
  bool streamed_ = false;
};

}  // namespace millrace::app
