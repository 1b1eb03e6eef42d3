// RocksDB's door to files, threads and time: all of them are those of our Env, so that simulated crashes, failpoints
// and fault tests reach the operator state too.
//
// Under a single-threaded Env RocksDB's background jobs (flush, compaction) wait in a queue until `run_jobs` runs them
// on the calling thread, and its clock is the Env's.
#pragma once

#include <rocksdb/env.h>

#include <memory>
#include <mutex>
#include <optional>

#include "base/env.h"

namespace millrace::state {

/// What the files said first, kept because RocksDB's statuses do not carry an Error. Any thread.
class FirstError {
 public:
  void note(const Error& error);
  std::optional<Error> get() const;

 private:
  mutable std::mutex mutex_;
  std::optional<Error> error_;  // guarded by mutex_
};

class RocksEnv : public rocksdb::EnvWrapper {
 public:
  using rocksdb::EnvWrapper::EnvWrapper;
  /// Runs what is queued, and what that queues, to the end. Without a queue: nothing. Not within a call of RocksDB.
  virtual void run_jobs() = 0;
  /// The first file operation that failed but for a missing file.
  virtual std::optional<Error> first_error() const = 0;
};

/// `env` must outlive it, and it the database.
std::unique_ptr<RocksEnv> make_rocks_env(Env& env);

}  // namespace millrace::state
