// SinkDead: the stream `<sink>_dead`, of rows that a sink's destination refuses. Written by the sink's thread when a
// row is refused, durable before the sink goes past it; never cut by recovery. docs/formats/changelog.md.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "batch/batch.h"
#include "batch/row_codec.h"
#include "log/log.h"

namespace millrace::engine {

/// A refused row, as a sink gets it again.
struct DeadLetter {
  Offset offset;         ///< in the stream of dead letters; set by read
  Offset source_offset;  ///< in the changelog
  Timestamp source_time;
  uint64_t epoch = 0;
  std::string op;
  std::string row;     ///< encoded, the view's columns
  int64_t again = -1;  ///< refused when this dead letter was sent again; -1: when it first came
};

class SinkDead {
 public:
  SinkDead(std::shared_ptr<log::Stream> stream, const batch::Schema& view);

  /// Durable when it returns.
  Status keep(const DeadLetter& letter, std::string_view reason, uint32_t attempts, Timestamp now);
  /// Up to `count_max` letters from an offset on.
  Result<std::vector<DeadLetter>> read(Offset from, size_t count_max) const;
  /// Source offsets at or behind `position` of rows that are dead already: a crash came before the sink went past them.
  Result<std::set<int64_t>> dead_from(Offset position) const;
  /// Of those that were sent again, from `from` on: letters that were refused again.
  Result<std::set<int64_t>> refused_again(Offset from) const;
  Offset end() const;

  /// Row `row` of a batch of changes_schema(view).
  DeadLetter letter_of(const batch::Batch& changes, size_t row, Offset source_offset, Timestamp source_time) const;
  /// Fills row `row` of such a batch.
  Status put(const DeadLetter& letter, batch::Batch& changes, size_t row) const;
  /// The letter's key columns, for comparing.
  const batch::RowCodec& codec() const { return codec_; }

 private:
  std::shared_ptr<log::Stream> stream_;
  batch::Schema view_;
  batch::RowCodec codec_;
};

}  // namespace millrace::engine
