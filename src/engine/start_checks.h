// What a start looks for before it changes or believes anything: parts of the directory that are gone, which would else
// be taken for new and empty. docs/formats/commit.md.
#pragma once

#include <span>

#include "base/result.h"
#include "engine/commit_record.h"

namespace millrace::engine {

struct NodeState;

/// An error of a damaged data directory, with the way to `millrace verify` in its hint.
Error lead_to_verify(Error error);

/// Before the log is opened: what the catalog names is there.
Status check_files_present(NodeState& node);
/// With the log open, before the catalog is read: commits without a catalog are a lost catalog.
Status check_catalog_present(NodeState& node, bool catalog_exists);
/// The commits follow the checkpoint without a hole, and no partition ends before what they have seen of it.
Status check_commits(NodeState& node, const CheckpointNote& note, std::span<const CommitRecord> commits);

}  // namespace millrace::engine
