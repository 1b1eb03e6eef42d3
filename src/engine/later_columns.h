// Columns that ALTER STREAM … ADD COLUMN put behind the others, as records are read. A record that was stored before the
// statement is read as if the column were not there, whatever it holds: so what was decoded once decodes again.
#pragma once

#include <memory>
#include <vector>

#include "batch/batch.h"
#include "batch/row_codec.h"
#include "engine/stream_source.h"
#include "formats/decoder.h"

namespace millrace::engine {

/// How many of the last columns the records of a partition lack, while offsets ascend.
class SchemaBorders {
 public:
  SchemaBorders(const StreamSource& source, PartitionId partition) : later_(source.later), partition_(partition) {}

  /// True when columns_behind() is another from this offset on; also the first time that it is asked.
  bool passed(Offset offset) {
    if (offset < next_) [[likely]]
      return false;
    pass(offset);
    return true;
  }
  size_t columns_behind() const { return behind_; }

 private:
  void pass(Offset offset);

  const std::vector<LaterColumn>& later_;
  PartitionId partition_;
  Offset next_{0};
  size_t behind_ = 0;
};

/// Fills in what records do not have.
class ColumnDefaults {
 public:
  explicit ColumnDefaults(const StreamSource& source);

  /// The last `without` columns of all rows, and the fields that are missing in some.
  Status fill(batch::Batch& rows, size_t without, const std::vector<formats::Decoder::Missing>& missing) const;

 private:
  struct Value {
    std::unique_ptr<batch::RowCodec> codec;  // null: NULL
    batch::RowBuffer bytes;
  };
  Status set(batch::Batch& rows, size_t column, size_t first, size_t count) const;

  size_t first_;               // column
  size_t columns_;             // of the schema
  std::vector<Value> values_;  // from first_ on
};

}  // namespace millrace::engine
