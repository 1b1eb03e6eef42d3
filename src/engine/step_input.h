// StepInput: the log bytes that one step takes, and their decoding on the workers. The feed of the graph for that step.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataflow/graph.h"
#include "engine/commit_record.h"
#include "engine/side_rows.h"
#include "engine/stream_source.h"

namespace millrace::engine {

/// A source of the running pipeline with what its partitions have shown.
struct RunningSource {
  StreamSource source;
  bool engine_written = false;                           ///< a companion: only its committed part may be read
  std::vector<Offset> positions;                         ///< by partition: taken by steps so far
  std::vector<Offset> committed;                         ///< by partition: committed end, for engine-written ones
  std::vector<PartitionProgress> progress;               ///< by partition
  std::vector<Duration> last_taken;                      ///< by partition: when rows last came, monotonic
  std::vector<std::unique_ptr<StreamDecoder>> decoders;  ///< by worker
};

/// The taps of one view on one stream.
struct ViewTap {
  std::string view;
  StreamId stream;
  ledger::HopId hop = 0;
  OperatorId source;                  ///< the first Source of the view that reads it: a self-join reads it twice
  std::vector<Offset> start = {};     ///< by partition: rows before are not of the view; empty: all are
  ledger::HopId before = 0;           ///< where these are counted
  ledger::HopId again = 0;            ///< counts what a backfill reads anew (StepInput::count_again)
  std::optional<FilterHops> filter;   ///< when a filter alone stands on that Source
  std::vector<SideRows*> sides = {};  ///< of the view, by worker
};

class StepInput final : public dataflow::SourceFeed {
 public:
  StepInput(std::vector<RunningSource>& sources, const std::vector<ViewTap>& taps, uint32_t workers,
            Failpoints& failpoints);

  /// Reads what is there behind the positions, up to about `bytes_max` in all. True when there is something.
  Result<bool> take(size_t bytes_max, ThreadPool& pool);
  /// Reads exactly up to the recorded ends.
  Status take_recorded(const StepRecord& step, ThreadPool& pool);
  /// Reads all of one stream from its beginning up to `ends` of it, in pieces: call until false (for a backfill).
  Result<bool> take_history(std::map<StreamId, std::vector<Offset>>& from,
                            const std::map<StreamId, std::vector<Offset>>& ends, size_t bytes_max, ThreadPool& pool);

  /// Of a backfill, once decoded: how far the watermarks are when the step is done. Partitions of which all is read hold
  /// back nobody; no watermark is further than at the end of the history, which is what `at_end` says.
  std::map<std::string, Timestamp> history_watermarks(const std::map<StreamId, std::vector<Offset>>& from,
                                                      const std::map<StreamId, std::vector<Offset>>& ends,
                                                      const std::map<std::string, Timestamp>& at_end) const;

  /// Decodes everything that was taken, on all workers. Call once, before the graph's step.
  Status decode(ThreadPool& pool);
  /// What a partition's rows have shown, those of this step included.
  PartitionProgress progress(size_t source, int32_t partition) const;
  bool took(size_t source, int32_t partition) const;

  Status feed(uint32_t worker, const std::string& view, const plan::Node& source, dataflow::Output& out) override;

  /// After the step: where the positions are now, per partition that moved.
  std::vector<PartitionEnd> ends() const;
  /// Moves the sources' positions on and forgets the rows.
  void finish();

  struct DeadOf {
    size_t source;
    std::vector<DeadRecord> records;
  };
  /// Records that did not decode, in the order of (source, partition, offset).
  std::vector<DeadOf> take_dead();
  std::vector<ledger::Recorder>& recorders() { return recorders_; }
  uint64_t rows() const { return rows_; }
  /// Of the log, as stored.
  uint64_t bytes() const;
  /// What is entered into the books: a replay's rows are there already, a backfill's only in the new view's hop not
  /// yet.
  void set_counting(bool decoding, bool views) {
    count_decoding_ = decoding;
    count_views_ = views;
  }
  /// Counts the rows that are fed also in ViewTap::again, as they were decoded.
  void count_again() { count_again_ = true; }

 private:
  struct Slice {
    size_t source;
    PartitionId partition;
    Offset from;
    Offset to;
    log::ReadBatches read;
    std::vector<log::ReadBatches> more;  // when one read did not reach the recorded end
    PartitionProgress progress;          // as it will be after the step
  };
  struct WorkerRows {
    std::map<size_t, std::vector<DecodedBatch>> decoded;  // by source
    std::map<size_t, std::vector<DeadRecord>> dead;
    uint64_t rows = 0;
  };

  /// Notes that this is to be read, and then decoded, by the slice's owner.
  void want(size_t source, PartitionId partition, Offset from, Offset to);
  uint32_t owner_of(const Slice& slice) const { return static_cast<uint32_t>(slice.partition.value) % workers_; }
  Status on_owners(ThreadPool& pool, const std::function<Status(Slice&)>& work);
  Status read_slice(Slice& slice, size_t bytes_max) const;
  Status read_whole_slice(Slice& slice) const;
  Status decode_source(uint32_t worker, size_t source);
  const ViewTap* tap_of(const std::string& view, const RunningSource& source) const;
  void count(uint32_t worker, const ViewTap& tap, ledger::HopId hop, const DecodedBatch& batch);
  /// Feeds one batch to a Source that `tap` counts (null: nobody does).
  Status feed_batch(uint32_t worker, const ViewTap* tap, const DecodedBatch& batch,
                    const std::vector<uint32_t>& columns, dataflow::Output& out);
  size_t source_of(const std::string& relation) const;

  std::vector<RunningSource>& sources_;
  const std::vector<ViewTap>& taps_;
  FailPoint& view_faults_;
  uint32_t workers_;
  std::vector<Slice> slices_;
  std::vector<WorkerRows> rows_of_;
  std::vector<ledger::Recorder> recorders_;
  uint64_t rows_ = 0;
  bool count_decoding_ = true;
  bool count_views_ = true;
  bool count_again_ = false;
  bool history_ = false;  // take_history was called: positions stay
  std::map<std::pair<size_t, int32_t>, PartitionProgress> history_progress_;
};

/// These rows of the batch, in ascending order, offsets with them; repeats allowed.
DecodedBatch select_rows(const DecodedBatch& batch, std::span<const uint32_t> rows);
/// A copy of the batch with these faults applied, offsets with it: for failpoints that drop, repeat or swap rows.
DecodedBatch with_faults(const RowFaults& faults, const DecodedBatch& batch);

}  // namespace millrace::engine
