// Looks at every byte of a store's directory without changing one. docs/formats/state.md says what must hold.
#pragma once

#include <string>
#include <vector>

#include "base/damage.h"
#include "base/env.h"
#include "base/result.h"
#include "state/store.h"

namespace millrace::state {

struct VerifiedState {
  std::vector<Damage> damages;  ///< their paths are below the directory; `repair` is left to the caller
  std::string note;             ///< of the last checkpoint; empty when there is none or it cannot be read
  std::vector<TableId> tables;
  uint64_t blocks = 0;
};

/// The caller holds the lock of the data directory. A missing directory is an empty store.
Result<VerifiedState> verify_state(Env& env, const std::string& directory);

}  // namespace millrace::state
