// A clock for measuring how long code takes. Nothing may depend on what it says: for all else time comes from the Env.
#pragma once

#include <cstdint>

namespace millrace {

/// Nanoseconds since some moment; never decreasing. About 25 ns a call.
int64_t monotonic_nanos();

}  // namespace millrace
