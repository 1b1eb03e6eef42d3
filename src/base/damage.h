// What `millrace verify` finds: a part of a data directory that is not as it was written.
#pragma once

#include <cstdint>
#include <string>

namespace millrace {

enum class Repair : uint8_t {
  kNone,        ///< only a copy helps
  kRemoveFile,  ///< the file is a hint that is made again
  kCutTail,     ///< what lies from `first` on was never acked
  kReplay,      ///< the state lost its end; the next start runs the commits since then again
  kDropState,   ///< the state can be computed again from the log
};

struct Damage {
  std::string path;
  uint64_t first = 0;  ///< [first, end) in bytes; both 0: the whole file
  uint64_t end = 0;
  std::string what;
  Repair repair = Repair::kNone;
};

}  // namespace millrace
