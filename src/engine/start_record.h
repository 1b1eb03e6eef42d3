// StartRecord: how the last starts on a data directory ended, in its file STARTS. It is raised when a start begins and
// removed once the node is ready; one that tells of failures only when the node has made a commit, or stopped by itself
// before that. A turn without work proves nothing: what is damaged may be read by the first rows that come. One thread
// at a time; the directory's lock is held.
#pragma once

#include <cstdint>
#include <string>

#include "base/env.h"
#include "base/result.h"

namespace millrace::engine {

/// After so many failed starts in a row the node starts in safe mode.
inline constexpr uint64_t kFailedStartsMax = 3;
/// The same for starts that ended without a word. Most of these are killed from outside, so more of them are borne.
inline constexpr uint64_t kBrokenStartsMax = 10;

class StartRecord {
 public:
  /// Reads the record. A file that cannot be understood counts as none.
  static Result<StartRecord> read(Env& env, const std::string& directory);

  /// Why the node must start in safe mode; empty: it need not.
  std::string safe_mode_reason() const;
  /// A start begins. It counts as broken until one of the others is called.
  Status begin();
  /// It failed, with this reason, sooner or later; of several the first counts.
  Status fail(const Error& error);
  /// The node is ready: it does not count as broken any more, nor do those before it. It may still fail.
  Status ready();
  /// It went well: a commit was made.
  Status clear();
  /// The node goes by itself: nothing to say against this start unless it failed.
  Status leave();

 private:
  StartRecord(Env& env, std::string path) : env_(&env), path_(std::move(path)) {}
  Status write();
  Status remove();

  Env* env_;
  std::string path_;
  bool begun_ = false;  ///< and not cleared
  bool ready_ = false;
  bool counted_ = false;  ///< as failed
  uint64_t failed_ = 0;
  uint64_t broken_ = 0;
  std::string reason_;  ///< of the last failure
};

}  // namespace millrace::engine
