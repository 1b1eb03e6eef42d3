// The topic of a view: its committed changes as records for Kafka clients, in a log of its own, once a client has read
// it. docs/adr/0022-views-as-topics.md, docs/formats/view_topic.md.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "batch/batch.h"
#include "engine/changelog.h"
#include "engine/view_store.h"
#include "log/log.h"
#include "sql/catalog.h"

namespace millrace::engine {

struct NodeState;

/// Says what happened to the row of a record without key: `+I` or `-D`.
inline constexpr std::string_view kTopicOpHeader = "_op";

/// With a key the last record of each key stays; without, records stay as long as the view's retention says, or 7 days.
log::StreamOptions topic_options(const sql::CatalogObject& view);

/// Writes the rows of one commit, without syncing. One thread.
class TopicWriter {
 public:
  /// `key`: columns of the view; empty: it has none. The partition outlives it.
  TopicWriter(const batch::Schema& view, const std::vector<uint32_t>& key, log::Partition& partition, Timestamp now);

  /// All rows of a view, as if they came now.
  Status add_rows(const ViewStore::Snapshot& rows);
  /// In their order (order_changes).
  Status add_changes(std::span<const LoggedChange> changes);
  /// Behind the last record; nothing when there is none.
  Result<std::optional<Offset>> finish();

 private:
  Status add(const batch::Batch& rows, std::span<const ChangeOp> ops);
  Status cut();

  const batch::Schema schema_;
  const batch::RowCodec codec_;
  const std::vector<uint32_t> key_;
  batch::Schema key_schema_;
  log::Partition& partition_;
  const int64_t now_ms_;
  log::RecordBatchBuilder builder_;
  std::optional<Offset> end_;
  std::string values_;  // of one batch of rows, a line each
  std::string keys_;
};

/// From the next commit on the view has a topic, which begins with its rows; returns when that commit is made. Nothing
/// to do when it has one.
Status serve_topic(NodeState& node, const std::string& view);
/// The view has no topic any more, and its records are gone. False when it had none.
Result<bool> drop_topic(NodeState& node, const std::string& view);

}  // namespace millrace::engine
