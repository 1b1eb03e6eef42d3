// What the two latency benchmarks share: quantiles of measured times, and what the disk alone takes.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace millrace::bench {

struct Latencies {
  std::vector<int64_t> micros;

  /// In milliseconds.
  double at(double quantile) {
    if (micros.empty()) return 0;
    auto place = micros.begin() + static_cast<std::ptrdiff_t>(quantile * static_cast<double>(micros.size() - 1));
    std::nth_element(micros.begin(), place, micros.end());
    return static_cast<double>(*place) / 1000;
  }
};

/// One write + fdatasync of so many bytes at the end of a file, again and again.
inline Latencies sync_alone(Env& env, const std::string& path, size_t bytes) {
  Latencies result;
  int file = ::open(path.c_str(), O_CREAT | O_WRONLY, 0600);
  const std::string text(bytes, 'x');
  for (int i = 0; i < 1000; ++i) {
    int64_t start = env.clock().monotonic().micros;
    MR_CHECK(::pwrite(file, text.data(), bytes, static_cast<off_t>(bytes) * i) > 0, "write failed");
    MR_CHECK(::fdatasync(file) == 0, "fdatasync failed");
    result.micros.push_back(env.clock().monotonic().micros - start);
  }
  ::close(file);
  return result;
}

}  // namespace millrace::bench
