// Savepoints: a consistent copy of a data directory, taken at a commit while the node runs. docs/formats/savepoint.md.
//
// What never changes again (sealed segments of the log, RocksDB's sorted files) is a second name of the same file, so a
// savepoint lies in the data directory's file system and costs little space until the original's files go.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"

namespace millrace::engine {

struct NodeState;

struct SavepointReceipt {
  std::string path;
  Epoch epoch;                ///< the commit that it stands at; the log may hold newer records, which come next
  uint64_t bytes_linked = 0;  ///< of the log, shared with the data directory
  uint64_t bytes_copied = 0;  ///< of the log
};

/// Makes DATA/savepoints/NAME; an empty name becomes commit-EPOCH. Steps wait meanwhile, producers do not. The name is
/// there only once all of the copy is durable. Fails with kDuplicateTable when there is one of that name.
Result<SavepointReceipt> create_savepoint(NodeState& node, std::string_view name);

/// The commit that the savepoint at `path` says it stands at. Fails when there is none, or half of one.
Result<Epoch> read_savepoint_mark(FileSystem& files, const std::string& path);

/// Makes `directory`, which must be missing or empty, a data directory with the savepoint's content. Nothing is shared:
/// the savepoint may be restored again, or removed. Cut off, it leaves a directory that a node refuses to open.
Status restore_savepoint(Env& env, const std::string& savepoint, const std::string& directory);

}  // namespace millrace::engine
