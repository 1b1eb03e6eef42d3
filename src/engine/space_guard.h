// SpaceGuard: stops ingest while the data directory's file system is nearly full, so that the engine, which must write
// to go on, keeps the rest. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/env.h"
#include "base/result.h"

namespace millrace::engine {

class SpaceGuard {
 public:
  /// `low_space_bytes` 0: never stops.
  SpaceGuard(Env& env, std::string directory, uint64_t low_space_bytes)
      : env_(env), directory_(std::move(directory)), low_space_bytes_(low_space_bytes) {}

  /// kDiskFull while less than the mark is free. Asks the file system at most every 100 ms, so ingest resumes by
  /// itself.
  Status check();

 private:
  Env& env_;
  const std::string directory_;
  const uint64_t low_space_bytes_;
  std::atomic<int64_t> asked_at_us_{INT64_MIN};
  std::atomic<uint64_t> free_bytes_{UINT64_MAX};
};

}  // namespace millrace::engine
