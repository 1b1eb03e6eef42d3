#include "base/socket_wait.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace millrace {

Result<bool> wait_for_socket(int descriptor, bool or_write, Duration timeout) {
  pollfd wait{descriptor, static_cast<short>(or_write ? POLLIN | POLLOUT : POLLIN), 0};
  int64_t millis = std::clamp<int64_t>((timeout.micros + 999) / 1000, 0, std::numeric_limits<int>::max());
  int ready = ::poll(&wait, 1, static_cast<int>(millis));
  if (ready < 0 && errno != EINTR) return errno_error("wait for a socket", errno);
  return ready > 0;
}

}  // namespace millrace
