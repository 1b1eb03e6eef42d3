// KeyValues: a sorted map of byte strings on disk with an atomic, durable write. The store keeps its blocks in one. It
// is RocksDB over the files of our Env (env_file_system.h).
//
// One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace millrace::state {

/// What one write does, in this order: erase, then put.
struct WriteSet {
  std::vector<std::string> erased;
  std::vector<std::string> erased_prefixes;
  /// New keys, ascending, and after those staged before, that nothing refers to before the rest of the write is there.
  /// After a failed write, or a crash within one, some of them may be there alone.
  std::vector<std::pair<std::string, std::string>> blocks;
  std::vector<std::pair<std::string, std::string>> put;
};

class KeyValues {
 public:
  virtual ~KeyValues() = default;
  /// The value, which must be there: kDataCorrupted otherwise.
  virtual Result<std::string> get(const std::string& key) = 0;
  /// True when a write did not come to its end, so that blocks without meaning may be there. The next write forgets it.
  virtual Result<bool> write_was_cut() = 0;
  /// The first key that is `from` or after it and starts with `prefix`; empty when there is none.
  virtual Result<std::string> first_key(const std::string& from, std::string_view prefix) = 0;
  /// Visits all pairs whose key starts with `prefix`, in order. Views live during the call.
  virtual Status scan(const std::string& prefix,
                      const std::function<Status(std::string_view key, std::string_view value)>& visit) = 0;
  /// Writes out, ahead of the next write(), the first of its blocks, so that memory need not hold them all.
  virtual Status stage(const std::vector<std::pair<std::string, std::string>>& blocks) = 0;
  /// Forgets what was staged for a write that will not come.
  virtual void discard_staged() = 0;
  /// All or nothing (but for blocks), and durable when it returns. After an error it is unknown which; open again to
  /// see.
  virtual Status write(const WriteSet& changes) = 0;
  /// Of indexes, and of what is not in files yet; caches do not count.
  virtual uint64_t memory_bytes() = 0;
  /// Reads all files and checks their checksums.
  virtual Status check_files() = 0;
  /// Makes `directory`, which must not exist, a durable copy as of now; files that never change are hard links.
  virtual Status copy_to(const std::string& directory) = 0;
};

/// Creates the directory when it is missing. `cache_bytes` bounds the cache of blocks that scans read.
Result<std::unique_ptr<KeyValues>> open_rocksdb(Env& env, const std::string& directory, uint64_t cache_bytes);

/// Read-only, changes no file. Damage that `open_rocksdb` would take for a write that a crash cut is an error here.
Result<std::unique_ptr<KeyValues>> open_rocksdb_to_verify(Env& env, const std::string& directory);

/// The smallest key after all keys with this prefix, whose bytes must not all be 0xff.
inline std::string prefix_end(std::string prefix) {
  while (prefix.back() == '\xff') prefix.pop_back();
  prefix.back() = static_cast<char>(static_cast<uint8_t>(prefix.back()) + 1);
  return prefix;
}

}  // namespace millrace::state
