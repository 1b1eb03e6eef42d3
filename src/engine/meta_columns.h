// MetaColumns: what a stream's rows have beside the declared columns, written for decoded batches.
#pragma once

#include <memory>

#include "batch/expression.h"
#include "engine/stream_source.h"

namespace millrace::engine {

/// Of one stream, for one worker. Columns that nobody reads are NULL and cost nothing a row.
class MetaWriter {
 public:
  /// `source` must live as long.
  MetaWriter(const StreamSource& source, batch::Session& session);

  /// `batch.rows` has the schema's columns; then also the meta columns. The progress's watermark moves past the rows.
  void add_to(DecodedBatch& batch, PartitionProgress& progress);

 private:
  /// Where the column is in the batch that is filled; nothing when nobody reads it.
  std::optional<batch::MutableColumn> column(MetaColumn column);
  template <typename T, typename ValueOf>
  void fill(const DecodedBatch& batch, MetaColumn column, ValueOf&& value_of);
  void fill_message_ids(const DecodedBatch& batch);
  void fill_watermark(const DecodedBatch& batch, PartitionProgress& progress);

  const StreamSource& source_;
  std::unique_ptr<batch::ExpressionRunner> watermark_;  // null: the append time is the watermark
  std::vector<batch::Type> read_types_;
  std::array<int, kStreamMetaColumns> read_places_;  // among those that are read; -1: not read
  std::vector<uint32_t> order_;                      // of all meta columns, among those that are read and the nulls
  batch::Batch nulls_;                               // one column of each type, of NULLs
  batch::Batch read_;                                // of the batch that is filled
};

}  // namespace millrace::engine
