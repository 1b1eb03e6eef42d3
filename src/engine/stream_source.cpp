#include "engine/stream_source.h"

#include "engine/later_columns.h"
#include "engine/meta_columns.h"
#include "engine/record_forms.h"
#include "engine/step_input.h"
#include "log/record_batch.h"

namespace millrace::engine {

batch::int128 order_key(Timestamp append_time, PartitionId partition, Offset offset) {
  auto low = static_cast<uint64_t>(partition.value) << 48 | static_cast<uint64_t>(offset.value);
  return static_cast<batch::int128>(append_time.micros) << 64 | low;
}

OrderParts order_parts(batch::int128 key) {
  auto low = static_cast<uint64_t>(key);
  return {Timestamp{static_cast<int64_t>(key >> 64)}, PartitionId(static_cast<int32_t>(low >> 48)),
          Offset(static_cast<int64_t>(low & ((uint64_t{1} << 48) - 1)))};
}

struct StreamDecoder::State {
  State(const StreamSource& source, batch::Session& session, Failpoints& failpoints)
      : source(source), faults(failpoints.point("ledger.decoded")), meta(source, session) {
    for (size_t without = 0; without <= source.later.size(); ++without) {
      auto made = RecordForms::make(source, without);
      MR_CHECK(made.ok(), "the catalog holds a stream that cannot be decoded: " + source.name);
      forms.push_back(std::move(made).value());
    }
    if (!source.later.empty()) defaults = std::make_unique<ColumnDefaults>(source);
  }

  /// Records that wait to be decoded together.
  struct Pending {
    RecordForm form = RecordForm::kOwn;  // of all of them
    size_t without = 0;                  // so many of the last columns were added behind them
    std::vector<std::string_view> records;
    std::vector<int64_t> offsets;
    std::vector<AppendRun> runs;  // over the records
    void clear() { records.clear(), offsets.clear(), runs.clear(); }
    void add(std::string_view record, Offset offset, Timestamp append_time) {
      if (runs.empty() || runs.back().append_time != append_time) {
        runs.push_back({append_time, static_cast<uint32_t>(records.size()), 0});
      }
      ++runs.back().count;
      records.push_back(record);
      offsets.push_back(offset.value);
    }
  };

  Status flush(PartitionId partition, PartitionProgress& progress, std::vector<DecodedBatch>& out,
               std::vector<DeadRecord>& dead, ledger::Recorder* recorder);
  void keep_dead(PartitionId partition, std::vector<DeadRecord>& dead, ledger::Recorder* recorder);
  Timestamp append_time_of(size_t record) const;

  const StreamSource& source;
  FailPoint& faults;
  std::vector<std::unique_ptr<RecordForms>> forms;  // by Pending::without
  std::unique_ptr<ColumnDefaults> defaults;         // null: no column was added
  MetaWriter meta;
  log::Decompressor decompressor;
  Pending pending;
  std::vector<uint32_t> decoded;
  std::vector<formats::DecodeError> errors;
};

Timestamp StreamDecoder::State::append_time_of(size_t record) const {
  for (const AppendRun& run : pending.runs) {
    if (record < run.first_row + run.count) return run.append_time;
  }
  return {};
}

void StreamDecoder::State::keep_dead(PartitionId partition, std::vector<DeadRecord>& dead, ledger::Recorder* recorder) {
  for (formats::DecodeError& error : errors) {
    Offset offset(pending.offsets[error.record]);
    Timestamp append_time = append_time_of(error.record);
    if (recorder) recorder->add(source.dead_hop, source.id, partition, append_time, offset, 1);
    dead.push_back(
        {partition, offset, append_time, std::move(error.reason), std::string(pending.records[error.record])});
  }
}

Status StreamDecoder::State::flush(PartitionId partition, PartitionProgress& progress, std::vector<DecodedBatch>& out,
                                   std::vector<DeadRecord>& dead, ledger::Recorder* recorder) {
  if (pending.records.empty()) return {};
  DecodedBatch batch{partition, batch::Batch(source.schema), {}, {}, takes_away(pending.form)};
  decoded.clear();
  errors.clear();
  RecordForms& reader = *forms[pending.without];
  MR_TRY(reader.decode(pending.form, pending.records, batch.rows, decoded, errors));
  if (defaults) MR_TRY(defaults->fill(batch.rows, pending.without, reader.missing(pending.form)));
  keep_dead(partition, dead, recorder);
  for (uint32_t record : decoded) batch.offsets.push_back(pending.offsets[record]);
  size_t next = 0;
  for (const AppendRun& run : pending.runs) {
    AppendRun kept{run.append_time, static_cast<uint32_t>(next), 0};
    for (; next < decoded.size() && decoded[next] < run.first_row + run.count; ++next) ++kept.count;
    if (kept.count > 0) batch.runs.push_back(kept);
  }
  pending.clear();
  if (decoded.empty()) return {};
  if (RowFaults harm = faults.rows(batch.rows.rows()); !harm.none()) batch = with_faults(harm, batch);
  meta.add_to(batch, progress);
  if (recorder) {
    for (const AppendRun& run : batch.runs) {
      recorder->add_rows(source.decoded_hop, source.id, partition, run.append_time,
                         std::span<const int64_t>(batch.offsets).subspan(run.first_row, run.count));
    }
  }
  out.push_back(std::move(batch));
  return {};
}

namespace {

/// Why a record must not be decoded; nothing: it may be.
std::optional<std::string> refusal_of(log::RecordHeaders headers) {
  log::RecordHeader header;
  while (headers.next(header)) {
    if (header.key == kRefusedHeader) return std::string(header.value.value_or("refused"));
  }
  return std::nullopt;
}

}  // namespace

StreamDecoder::StreamDecoder(const StreamSource& source, batch::Session& session, Failpoints& failpoints)
    : state_(std::make_unique<State>(source, session, failpoints)) {}
StreamDecoder::~StreamDecoder() = default;
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;

void StreamDecoder::count_stored(const log::StoredBatch& stored, PartitionId partition, int64_t first, uint32_t count,
                                 ledger::Recorder* recorder) const {
  if (!recorder || count == 0) return;
  recorder->add(state_->source.stored_hop, state_->source.id, partition, stored.append_time, Offset(first), count);
}

/// What a producer packed and cannot be unpacked, or whose records are no records, is dead letters without their bytes.
Status StreamDecoder::bury_rest(PartitionId partition, const log::StoredBatch& stored, Offset first, Offset end,
                                const Error& reason, std::vector<DeadRecord>& dead, ledger::Recorder* recorder) const {
  if (reason.fault != Fault::kUser) return reason;
  if (first >= end) return {};
  auto count = static_cast<uint32_t>(end.value - first.value);
  count_stored(stored, partition, first.value, count, recorder);
  if (recorder) recorder->add(state_->source.dead_hop, state_->source.id, partition, stored.append_time, first, count);
  for (Offset offset = first; offset < end; offset = offset.next()) {
    dead.push_back({partition, offset, stored.append_time, reason.message, {}});
  }
  return {};
}

Status StreamDecoder::decode(PartitionId partition, const log::ReadBatches& batches, Offset from, Offset to,
                             PartitionProgress& progress, std::vector<DecodedBatch>& out, std::vector<DeadRecord>& dead,
                             ledger::Recorder* recorder) {
  State& state = *state_;
  State::Pending& pending = state.pending;
  SchemaBorders borders(state.source, partition);
  for (const log::StoredBatch& stored : batches.batches()) {
    if (stored.end_offset() <= from) continue;
    if (stored.base_offset >= to) break;
    MR_ASSIGN(auto view, batches.view_of(stored));
    if (view.control()) continue;
    bool compressed = view.compression() != log::Compression::kNone;
    if (compressed) MR_TRY(state.flush(partition, progress, out, dead, recorder));  // its records share one buffer
    const Offset end = std::min(to, stored.end_offset());
    auto unpacked = view.records(state.decompressor);
    if (!unpacked.ok()) {
      MR_TRY(bury_rest(partition, stored, std::max(from, stored.base_offset), end, unpacked.error(), dead, recorder));
      continue;
    }
    log::RecordCursor& cursor = *unpacked;
    log::RecordView record;
    int64_t first_counted = -1;
    uint32_t counted = 0;
    int32_t next_delta = 0;
    Status read;
    while (cursor.next(record)) {
      if (record.offset_delta < next_delta || record.offset_delta >= stored.offset_count) {
        read = user_error(sqlstate::kDataCorrupted, "the offsets in the record batch are out of order");
        break;
      }
      next_delta = record.offset_delta + 1;
      Offset offset(stored.base_offset.value + record.offset_delta);
      if (offset < from || offset >= to) continue;
      if (borders.passed(offset)) [[unlikely]] {
        MR_TRY(state.flush(partition, progress, out, dead, recorder));
        pending.without = borders.columns_behind();
      }
      if (counted > 0 && offset.value != first_counted + counted) {  // behind records that a compaction removed
        count_stored(stored, partition, first_counted, counted, recorder);
        counted = 0;
      }
      if (counted == 0) first_counted = offset.value;
      ++counted;
      if (record.headers.count() > 0) [[unlikely]] {
        if (auto reason = refusal_of(record.headers)) {
          MR_TRY(state.flush(partition, progress, out, dead, recorder));  // dead letters come in the order of offsets
          if (recorder) recorder->add(state.source.dead_hop, state.source.id, partition, stored.append_time, offset, 1);
          dead.push_back({partition, offset, stored.append_time, *std::move(reason),
                          std::string(record.value.value_or(std::string_view()))});
          continue;
        }
      }
      const RecordForm form = state.forms[0]->form_of(record);
      if (form != pending.form) [[unlikely]] {
        MR_TRY(state.flush(partition, progress, out, dead, recorder));
        pending.form = form;
      }
      pending.add(RecordForms::bytes_of(record, form), offset, stored.append_time);
      if (pending.records.size() == batch::kBatchRows) MR_TRY(state.flush(partition, progress, out, dead, recorder));
    }
    if (read.ok()) read = cursor.status();
    count_stored(stored, partition, first_counted, counted, recorder);
    if (compressed || !read.ok()) MR_TRY(state.flush(partition, progress, out, dead, recorder));
    if (!read.ok()) {
      Offset bad{stored.base_offset.value + next_delta};
      MR_TRY(bury_rest(partition, stored, std::max(from, bad), end, read.error(), dead, recorder));
    }
  }
  return state.flush(partition, progress, out, dead, recorder);
}

}  // namespace millrace::engine
