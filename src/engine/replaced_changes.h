// What readers of a view's changes get when its definition is replaced: the rows of the new one less those of the old
// one, as the changes of one commit. docs/adr/0015-replacing-views.md
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/changelog.h"
#include "engine/node_state.h"

namespace millrace::engine {

/// The changes that lead from one content of a view to another. Holds both contents in memory.
class ReplacedChanges {
 public:
  /// Of a view in the present pipeline and in the next one, which is filled. Between steps.
  static Result<std::unique_ptr<ReplacedChanges>> between(const PipelineView& before, const PipelineView& after);

  /// An error when some row goes and a sink that appends reads the view.
  Status check_sinks(const sql::Catalog& catalog) const;
  /// Appends them to the changelog, durably, as of the next commit. They count as committed once the catalog with
  /// their end (sql::CatalogObject::changelog_end) is the one in force.
  Status write(NodeState& node, sql::Catalog& catalog) const;

 private:
  std::string view_;
  bool append_only_ = false;
  std::shared_ptr<log::Stream> changelog_;  // shared with the log
  ViewStore::Snapshot before_, after_;
  std::vector<LoggedChange> changes_;  // into the snapshots

  ReplacedChanges(const PipelineView& before, const PipelineView& after);
};

/// At a start: the changelogs' parts that a replacement made and no commit has named yet are committed, for the catalog
/// names them. Before what is not committed is cut off.
Status commit_replaced_changes(NodeState& node);

}  // namespace millrace::engine
