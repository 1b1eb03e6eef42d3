// `millrace verify`: looks at every byte of a data directory, and at how its parts fit together.
//
// What must hold: docs/formats. Nothing is changed without `repair`; then only what can be made again from the rest, or
// was never acked.
#pragma once

#include <string>
#include <vector>

#include "base/damage.h"
#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"

namespace millrace::engine {

struct VerifyReport {
  std::vector<Damage> damages;   ///< after the repair, when there was one
  std::vector<Damage> repaired;  ///< what it dealt with
  uint64_t log_bytes = 0;
  uint64_t state_blocks = 0;
  Epoch last_commit;
  Epoch state_epoch;  ///< of the last commit whose steps the state holds
};

/// Holds the directory's lock meanwhile. An error is one of reading, or of the lock; damage is in the report.
Result<VerifyReport> verify_directory(Env& env, const std::string& directory, bool repair);

/// The same without lock and repair.
Result<VerifyReport> look_at_directory(Env& env, const std::string& directory);

}  // namespace millrace::engine
