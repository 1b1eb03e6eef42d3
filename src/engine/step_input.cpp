#include "engine/step_input.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace millrace::engine {
namespace {

/// A recorded step is read in pieces of this size: about what one step takes of a partition.
constexpr size_t kRecordedReadBytes = 2 << 20;
constexpr size_t kShareBytesMin = 64 << 10;  // of a partition in a step

}  // namespace

StepInput::StepInput(std::vector<RunningSource>& sources, const std::vector<ViewTap>& taps, uint32_t workers,
                     Failpoints& failpoints)
    : sources_(sources),
      taps_(taps),
      view_faults_(failpoints.point("ledger.view")),
      workers_(workers),
      rows_of_(workers),
      recorders_(workers) {}

void StepInput::want(size_t source, PartitionId partition, Offset from, Offset to) {
  slices_.push_back({source, partition, from, to, {}, {}, sources_[source].progress[partition.value]});
}

Status StepInput::read_slice(Slice& slice, size_t bytes_max) const {
  const log::Partition& partition = sources_[slice.source].source.stream->partition(slice.partition);
  MR_TRY(partition.read(slice.from, bytes_max, slice.read));
  slice.to = std::min(slice.to, slice.read.next_offset());
  return {};
}

Status StepInput::read_whole_slice(Slice& slice) const {
  const RunningSource& source = sources_[slice.source];
  const log::Partition& partition = source.source.stream->partition(slice.partition);
  MR_TRY(partition.read(slice.from, kRecordedReadBytes, slice.read));
  while (slice.read.next_offset() < slice.to) {
    slice.more.push_back(std::move(slice.read));
    slice.read = log::ReadBatches();
    MR_TRY(partition.read(slice.more.back().next_offset(), kRecordedReadBytes, slice.read));
    if (slice.read.empty())
      return external_error(sqlstate::kDataCorrupted,
                            "the log of " + source.source.name + " ends before its last commit");
  }
  return {};
}

Status StepInput::on_owners(ThreadPool& pool, const std::function<Status(Slice&)>& work) {
  if (slices_.size() == 1) return work(slices_[0]);  // waking the others would take longer
  return pool.run_on_all([&](size_t worker) -> Status {
    for (Slice& slice : slices_) {
      if (owner_of(slice) == worker) MR_TRY(work(slice));
    }
    return {};
  });
}

Result<bool> StepInput::take(size_t bytes_max, ThreadPool& pool) {
  // The partition that is furthest behind goes first, so that watermarks of a catch-up advance together.
  struct Candidate {
    size_t source;
    int32_t partition;
    Offset end;
    Timestamp watermark;
  };
  std::vector<Candidate> candidates;
  for (size_t s = 0; s < sources_.size(); ++s) {
    RunningSource& source = sources_[s];
    for (int32_t p = 0; p < source.source.stream->partition_count(); ++p) {
      Offset end =
          source.engine_written ? source.committed[p] : source.source.stream->partition(PartitionId(p)).end_offset();
      if (end <= source.positions[p]) continue;
      candidates.push_back({s, p, end, source.progress[p].watermark.value_or(Timestamp{INT64_MIN})});
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.watermark < b.watermark; });
  if (candidates.empty()) return false;
  size_t share = std::max<size_t>(bytes_max / candidates.size(), kShareBytesMin);
  for (const Candidate& candidate : candidates) {
    Offset from = sources_[candidate.source].positions[candidate.partition];
    want(candidate.source, PartitionId(candidate.partition), from, candidate.end);
  }
  MR_TRY(on_owners(pool, [&](Slice& slice) { return read_slice(slice, share); }));
  std::erase_if(slices_, [](const Slice& slice) { return slice.to <= slice.from; });
  return !slices_.empty();
}

Status StepInput::take_recorded(const StepRecord& step, ThreadPool& pool) {
  for (const PartitionEnd& end : step.ends) {
    auto found = std::find_if(sources_.begin(), sources_.end(),
                              [&](const RunningSource& source) { return source.source.id == end.stream; });
    if (found == sources_.end()) continue;  // a stream that nobody reads any more
    auto source = static_cast<size_t>(found - sources_.begin());
    Offset from = found->positions[end.partition.value];
    if (end.end <= from) continue;
    want(source, end.partition, from, end.end);
  }
  return on_owners(pool, [&](Slice& slice) { return read_whole_slice(slice); });
}

Result<bool> StepInput::take_history(std::map<StreamId, std::vector<Offset>>& from,
                                     const std::map<StreamId, std::vector<Offset>>& ends, size_t bytes_max,
                                     ThreadPool& pool) {
  history_ = true;
  for (auto& [stream, positions] : from) {
    auto found = std::find_if(sources_.begin(), sources_.end(),
                              [id = stream](const RunningSource& source) { return source.source.id == id; });
    if (found == sources_.end()) continue;
    auto source = static_cast<size_t>(found - sources_.begin());
    for (size_t p = 0; p < positions.size(); ++p) {
      Offset end = ends.at(stream)[p];
      if (positions[p] >= end) continue;
      want(source, PartitionId(static_cast<int32_t>(p)), positions[p], end);
      slices_.back().progress = history_progress_[{source, static_cast<int32_t>(p)}];
    }
  }
  MR_TRY(on_owners(pool, [&](Slice& slice) { return read_slice(slice, bytes_max); }));
  for (const Slice& slice : slices_)
    from[sources_[slice.source].source.id][static_cast<size_t>(slice.partition.value)] = slice.to;
  return !slices_.empty();
}

std::map<std::string, Timestamp> StepInput::history_watermarks(const std::map<StreamId, std::vector<Offset>>& from,
                                                               const std::map<StreamId, std::vector<Offset>>& ends,
                                                               const std::map<std::string, Timestamp>& at_end) const {
  std::map<std::string, Timestamp> result = at_end;
  std::map<std::pair<size_t, int32_t>, PartitionProgress> progress = history_progress_;
  for (const Slice& slice : slices_) progress[{slice.source, slice.partition.value}] = slice.progress;
  for (size_t s = 0; s < sources_.size(); ++s) {
    const auto positions = from.find(sources_[s].source.id);
    if (positions == from.end()) continue;
    for (size_t p = 0; p < positions->second.size(); ++p) {
      if (positions->second[p] >= ends.at(positions->first)[p]) continue;
      const auto seen = progress.find({s, static_cast<int32_t>(p)});
      const bool none = seen == progress.end() || !seen->second.watermark;
      const Timestamp own = none ? Timestamp{std::numeric_limits<int64_t>::min()} : *seen->second.watermark;
      Timestamp& smallest = result.try_emplace(sources_[s].source.name, own).first->second;
      smallest = std::min(smallest, own);
    }
  }
  return result;
}

size_t StepInput::source_of(const std::string& relation) const {
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].source.name == relation) return i;
  }
  MR_CHECK(false, "the plan reads a stream that the pipeline does not have: " + relation);
}

Status StepInput::decode(ThreadPool& pool) {
  return pool.run_on_all([&](size_t worker) -> Status {
    for (size_t i = 0; i < sources_.size(); ++i) MR_TRY(decode_source(static_cast<uint32_t>(worker), i));
    return {};
  });
}

PartitionProgress StepInput::progress(size_t source, int32_t partition) const {
  for (const Slice& slice : slices_) {
    if (slice.source == source && slice.partition.value == partition) return slice.progress;
  }
  return sources_[source].progress[partition];
}

bool StepInput::took(size_t source, int32_t partition) const {
  for (const Slice& slice : slices_) {
    if (slice.source == source && slice.partition.value == partition) return true;
  }
  return false;
}

Status StepInput::decode_source(uint32_t worker, size_t index) {
  WorkerRows& rows = rows_of_[worker];
  std::vector<DecodedBatch>& out = rows.decoded[index];
  RunningSource& source = sources_[index];
  ledger::Recorder* recorder = count_decoding_ ? &recorders_[worker] : nullptr;
  for (Slice& slice : slices_) {
    if (slice.source != index || owner_of(slice) != worker) continue;
    StreamDecoder& decoder = *source.decoders[worker];
    std::vector<DeadRecord>& dead = rows.dead[index];
    for (const log::ReadBatches& read : slice.more) {
      MR_TRY(decoder.decode(slice.partition, read, slice.from, slice.to, slice.progress, out, dead, recorder));
    }
    MR_TRY(decoder.decode(slice.partition, slice.read, slice.from, slice.to, slice.progress, out, dead, recorder));
  }
  for (const DecodedBatch& batch : out) rows.rows += batch.rows.rows();
  return {};
}

const ViewTap* StepInput::tap_of(const std::string& view, const RunningSource& source) const {
  auto tap = std::find_if(taps_.begin(), taps_.end(), [&](const ViewTap& candidate) {
    return candidate.stream == source.source.id && candidate.view == view;
  });
  return tap == taps_.end() ? nullptr : &*tap;
}

void StepInput::count(uint32_t worker, const ViewTap& tap, ledger::HopId hop, const DecodedBatch& batch) {
  for (const AppendRun& run : batch.runs) {
    recorders_[worker].add_rows(hop, tap.stream, batch.partition, run.append_time,
                                std::span<const int64_t>(batch.offsets).subspan(run.first_row, run.count));
  }
}

Status StepInput::feed_batch(uint32_t worker, const ViewTap* tap, const DecodedBatch& decoded,
                             const std::vector<uint32_t>& columns, dataflow::Output& out) {
  std::optional<DecodedBatch> harmed;
  if (RowFaults faults = view_faults_.rows(decoded.rows.rows()); !faults.none()) harmed = with_faults(faults, decoded);
  const DecodedBatch& batch = harmed ? *harmed : decoded;
  if (!tap) return out.push(batch.rows.project(columns));
  if (count_views_) count(worker, *tap, tap->hop, batch);
  const bool watched = count_views_ && tap->filter;
  if (watched) tap->sides[worker]->watch(&batch, tap->stream, *tap->filter);
  Status pushed = out.push(batch.rows.project(columns));
  if (watched) tap->sides[worker]->watch(nullptr, {}, {});
  return pushed;
}

namespace {

/// How many rows of the batch come before the start of the view.
size_t rows_before(const ViewTap& tap, const DecodedBatch& batch) {
  if (tap.start.empty()) return 0;
  const int64_t start = tap.start[static_cast<size_t>(batch.partition.value)].value;
  return static_cast<size_t>(std::lower_bound(batch.offsets.begin(), batch.offsets.end(), start) -
                             batch.offsets.begin());
}

DecodedBatch rows_between(const DecodedBatch& batch, size_t first, size_t end) {
  std::vector<uint32_t> rows(end - first);
  std::iota(rows.begin(), rows.end(), static_cast<uint32_t>(first));
  return select_rows(batch, rows);
}

}  // namespace

Status StepInput::feed(uint32_t worker, const std::string& view, const plan::Node& node, dataflow::Output& out) {
  const auto& plan_source = std::get<plan::Source>(node.operation);
  size_t index = source_of(plan_source.relation);
  RunningSource& source = sources_[index];
  const ViewTap* tap = tap_of(view, source);
  const ViewTap* counting = tap && tap->source == node.id ? tap : nullptr;
  std::vector<uint32_t> columns;
  for (const plan::SourceColumn& column : plan_source.columns)
    columns.push_back(stream_column(source.source.schema, column));
  for (const DecodedBatch& decoded : rows_of_[worker].decoded[index]) {
    if (counting && count_again_) count(worker, *counting, counting->again, decoded);
    const size_t before = tap ? rows_before(*tap, decoded) : 0;
    if (before == 0) {
      MR_TRY(feed_batch(worker, counting, decoded, columns, out));
      continue;
    }
    if (counting && count_views_) count(worker, *counting, counting->before, rows_between(decoded, 0, before));
    if (before == decoded.offsets.size()) continue;
    MR_TRY(feed_batch(worker, counting, rows_between(decoded, before, decoded.offsets.size()), columns, out));
  }
  return {};
}

std::vector<PartitionEnd> StepInput::ends() const {
  std::vector<PartitionEnd> ends;
  for (const Slice& slice : slices_) ends.push_back({sources_[slice.source].source.id, slice.partition, slice.to});
  return ends;
}

uint64_t StepInput::bytes() const {
  uint64_t bytes = 0;
  for (const Slice& slice : slices_) {
    for (const log::StoredBatch& stored : slice.read.batches()) bytes += stored.bytes.size();
  }
  return bytes;
}

void StepInput::finish() {
  for (Slice& slice : slices_) {
    if (history_) {
      history_progress_[{slice.source, slice.partition.value}] = slice.progress;
      continue;
    }
    RunningSource& source = sources_[slice.source];
    source.positions[slice.partition.value] = slice.to;
    source.progress[slice.partition.value] = slice.progress;
  }
  slices_.clear();
  for (WorkerRows& rows : rows_of_) {
    rows_ += rows.rows;
    rows.decoded.clear();
    rows.rows = 0;
  }
}

std::vector<StepInput::DeadOf> StepInput::take_dead() {
  std::map<size_t, std::vector<DeadRecord>> all;
  for (WorkerRows& rows : rows_of_) {
    for (auto& [source, records] : rows.dead) {
      for (DeadRecord& record : records) all[source].push_back(std::move(record));
    }
    rows.dead.clear();
  }
  std::vector<DeadOf> result;
  for (auto& [source, records] : all) {
    std::stable_sort(records.begin(), records.end(), [](const DeadRecord& a, const DeadRecord& b) {
      return std::pair(a.partition, a.offset) < std::pair(b.partition, b.offset);
    });
    result.push_back({source, std::move(records)});
  }
  return result;
}

DecodedBatch select_rows(const DecodedBatch& batch, std::span<const uint32_t> rows) {
  DecodedBatch selected{batch.partition, batch.rows.select(rows), {}, {}, batch.deleted};
  for (uint32_t row : rows) selected.offsets.push_back(batch.offsets[row]);
  for (const AppendRun& run : batch.runs) {
    const uint32_t first =
        selected.runs.empty() ? 0 : selected.runs.back().first_row + selected.runs.back().count;
    AppendRun kept{run.append_time, first, 0};
    for (size_t i = first; i < rows.size() && rows[i] < run.first_row + run.count; ++i) ++kept.count;
    selected.runs.push_back(kept);
  }
  return selected;
}

DecodedBatch with_faults(const RowFaults& faults, const DecodedBatch& batch) {
  DecodedBatch changed = select_rows(batch, faults.apply(static_cast<uint32_t>(batch.rows.rows()), batch::kBatchRows));
  changed.rows = changed.rows.clone();
  return changed;
}

}  // namespace millrace::engine
