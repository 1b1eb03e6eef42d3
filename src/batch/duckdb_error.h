// The door for DuckDB's exceptions: every call into DuckDB that can throw is made inside a try whose catch uses this.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "base/result.h"

namespace millrace::batch {

/// An exception that DuckDB threw as an Error: its message without decoration, a SQLSTATE after its kind, and the
/// position in the SQL when DuckDB knows it.
Error error_from(const std::exception& exception);

/// Only the message, without DuckDB's "Conversion Error: " in front: for a row's error.
std::string message_from(const std::exception& exception);

/// Runs `body`, which returns a Result or a Status, and turns whatever it throws into its Error.
template <typename Body>
auto guarded(Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (const std::exception& exception) {
    return error_from(exception);
  }
}

}  // namespace millrace::batch
