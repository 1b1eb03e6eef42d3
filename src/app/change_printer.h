// Printing committed changes as they stream in: one JSON object a line from the server, one line of output each.
#pragma once

#include <cstdint>
#include <string_view>

#include "app/answer.h"

namespace millrace::app {

class ChangePrinter {
 public:
  explicit ChangePrinter(Format format) : format_(format) {}

  /// Prints one change. An empty line tells that the stream began; {"error":…} is returned as an error.
  Status print(std::string_view line);

  /// Whether the answer is a stream.
  bool streamed() const { return streamed_; }

 private:
  Format format_;
  uint64_t lines_ = 0;
  bool streamed_ = false;
};

}  // namespace millrace::app
