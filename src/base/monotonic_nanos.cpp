#include "base/monotonic_nanos.h"

#include <chrono>

namespace millrace {

int64_t monotonic_nanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace millrace
