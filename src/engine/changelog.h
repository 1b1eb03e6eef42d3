// Changelog: the committed changes of one view, stored in a stream of the log because somebody reads them (a sink, a
// subscription from a position). docs/formats/changelog.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/batch.h"
#include "batch/row_codec.h"
#include "engine/view_store.h"
#include "log/log.h"

namespace millrace::engine {

/// What happened to a row: `_op` as SQL shows it.
enum class ChangeOp : uint8_t { kInsert = 0, kUpdateBefore = 1, kUpdateAfter = 2, kDelete = 3 };
std::string_view change_op_text(ChangeOp op);

/// One row of a changelog.
struct LoggedChange {
  ChangeOp op;
  std::string_view row;  ///< encoded
};

/// The changes of one commit in the order in which readers see them. With a key, what the commit did to one key comes
/// together: −U then +U where it had a row before and after, else −D or +I. A row that counts n times appears n times.
Result<std::vector<LoggedChange>> order_changes(const std::vector<Change>& changes, const batch::RowCodec& codec,
                                                const std::vector<uint32_t>& key);

/// A view's columns, then `_op` VARCHAR and `_commit` UBIGINT: what readers of changes get.
batch::Schema changes_schema(const batch::Schema& view);

/// Writes one commit's changes as Kafka batches without syncing; the tickets are in the order of the offsets.
Result<std::vector<log::Ticket>> append_changes(log::Partition& partition, const std::vector<LoggedChange>& changes,
                                                Epoch epoch, Timestamp now);

/// Reads a changelog from an offset on, up to the committed end.
class ChangelogReader {
 public:
  ChangelogReader(log::Partition& partition, const batch::Schema& view, Offset from);

  /// Fills `out` (empty, types of changes_schema) with up to kBatchRows changes before `end`, all appended at one time;
  /// leaves it empty when there are none.
  Status next(Offset end, batch::Batch& out);
  Offset position() const { return position_; }
  /// Of the rows that the last next() gave.
  Timestamp append_time() const { return append_time_; }

 private:
  Status read_changes(log::RecordCursor& cursor, Offset base, Offset end, batch::Batch& out, size_t& row);

  log::Partition& partition_;
  batch::RowCodec codec_;
  size_t view_columns_;
  Offset position_;
  Timestamp append_time_;
  log::ReadBatches read_;
  log::Decompressor decompressor_;
  std::vector<LoggedChange> changes_;
};

/// Fills rows of a batch of changes_schema, from `first_row` on, with the changes of one commit.
Status put_changes(const batch::RowCodec& codec, std::span<const LoggedChange> changes, Epoch epoch,
                   batch::Batch& out, size_t first_row);

}  // namespace millrace::engine
