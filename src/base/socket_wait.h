// Waiting for a socket that a library owns and speaks on, such as libpq's: its own waits have no bound.
#pragma once

#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// Waits until the socket can be read, or written when `or_write`, or has failed; false when `timeout` passed before.
Result<bool> wait_for_socket(int descriptor, bool or_write, Duration timeout);

}  // namespace millrace
