#include "engine/stream_source.h"

#include "base/text.h"
#include "engine/record_forms.h"
#include "engine/step_input.h"
#include "log/record_batch.h"

namespace millrace::engine {

std::vector<batch::Type> stream_row_types(const batch::Schema& schema) {
  std::vector<batch::Type> types = schema.types();
  using batch::TypeId;
  for (TypeId id : {TypeId::kTimestamp, TypeId::kInteger, TypeId::kBigint, TypeId::kVarchar, TypeId::kHugeint,
                    TypeId::kTimestamp, TypeId::kBoolean}) {
    types.emplace_back(id);
  }
  return types;
}

uint32_t stream_column(const batch::Schema& schema, const plan::SourceColumn& column) {
  auto first = static_cast<uint32_t>(schema.size());
  auto meta = [&](MetaColumn kind) { return first + static_cast<uint32_t>(kind); };
  switch (column.kind) {
    case plan::SourceColumnKind::kField: return column.field;
    case plan::SourceColumnKind::kAppendTime: return meta(MetaColumn::kAppendTime);
    case plan::SourceColumnKind::kPartition: return meta(MetaColumn::kPartition);
    case plan::SourceColumnKind::kOffset: return meta(MetaColumn::kOffset);
    case plan::SourceColumnKind::kMessageId: return meta(MetaColumn::kMessageId);
    case plan::SourceColumnKind::kOrder: return meta(MetaColumn::kOrder);
    case plan::SourceColumnKind::kWatermark: return meta(MetaColumn::kWatermark);
    case plan::SourceColumnKind::kDeleted: return meta(MetaColumn::kDeleted);
  }
  MR_CHECK(false, "an unknown source column");
}

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
      : source(source), faults(failpoints.point("ledger.decoded")) {
    auto made = RecordForms::make(source);
    MR_CHECK(made.ok(), "the catalog holds a stream that cannot be decoded: " + source.name);
    forms = std::move(made).value();
    if (source.watermark) watermark = std::make_unique<batch::ExpressionRunner>(session, std::vector{source.watermark});
  }

  /// Records that wait to be decoded together.
  struct Pending {
    RecordForm form = RecordForm::kOwn;  // of all of them
    std::vector<std::string_view> records;
    std::vector<int64_t> offsets;
    std::vector<AppendRun> runs;  // over the records
    void clear() { records.clear(), offsets.clear(), runs.clear(); }
  };

  Status flush(PartitionId partition, PartitionProgress& progress, std::vector<DecodedBatch>& out,
               std::vector<DeadRecord>& dead, ledger::Recorder* recorder);
  void fill_meta(DecodedBatch& batch);
  Status fill_watermark(DecodedBatch& batch, PartitionProgress& progress);
  void keep_dead(PartitionId partition, std::vector<DeadRecord>& dead, ledger::Recorder* recorder);
  Timestamp append_time_of(size_t record) const;

  const StreamSource& source;
  FailPoint& faults;
  std::unique_ptr<RecordForms> forms;
  std::unique_ptr<batch::ExpressionRunner> watermark;
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

void StreamDecoder::State::fill_meta(DecodedBatch& batch) {
  size_t first = source.schema.size();
  auto* times = batch.rows.mutable_column(first).values<int64_t>();
  auto* partitions = batch.rows.mutable_column(first + 1).values<int32_t>();
  auto* offsets = batch.rows.mutable_column(first + 2).values<int64_t>();
  auto* orders = batch.rows.mutable_column(first + 4).values<batch::int128>();
  for (const AppendRun& run : batch.runs) {
    for (size_t row = run.first_row; row < run.first_row + run.count; ++row) {
      times[row] = run.append_time.micros;
      partitions[row] = batch.partition.value;
      offsets[row] = batch.offsets[row];
      orders[row] = order_key(run.append_time, batch.partition, Offset(batch.offsets[row]));
    }
  }
  if (source.deletes == Deletes::kByKey) {
    auto* deleted = batch.rows.mutable_column(first + static_cast<size_t>(MetaColumn::kDeleted)).values<bool>();
    std::fill_n(deleted, batch.rows.rows(), batch.deleted);
  } else if (batch.deleted) {
    batch.rows.set_diffs(std::vector<int64_t>(batch.rows.rows(), -1));
  }
  batch::MutableColumn ids = batch.rows.mutable_column(first + 3);
  if (source.message_id_column < 0) {
    for (size_t row = 0; row < batch.rows.rows(); ++row) {
      ids.set_string(row, std::to_string(batch.partition.value) + "/" + std::to_string(batch.offsets[row]));
    }
    return;
  }
  auto column = static_cast<size_t>(source.message_id_column);
  batch::ColumnView values = batch.rows.column(column);
  bool text = source.schema[column].type.layout() == batch::Layout::kString;
  for (size_t row = 0; row < batch.rows.rows(); ++row) {
    if (values.is_null(row)) {
      ids.set_null(row);
    } else if (text) {
      // The same vector memory: it lives as long as the batch.
      ids.set<batch::StringRef>(row, values.at<batch::StringRef>(row));
    } else {
      ids.set_string(row, batch.rows.value_text(column, row));
    }
  }
}

Status StreamDecoder::State::fill_watermark(DecodedBatch& batch, PartitionProgress& progress) {
  batch::MutableColumn column = batch.rows.mutable_column(source.schema.size() + 5);
  std::vector<batch::RowError> failed;
  batch::Batch values(std::vector<batch::Type>{});
  batch::ColumnView times;
  if (watermark) {
    values = watermark->project(batch.rows, failed);
    times = values.column(0);
  }
  size_t value_row = 0;
  size_t next_failed = 0;
  const AppendRun* run = batch.runs.data();
  for (size_t row = 0; row < batch.rows.rows(); ++row) {
    while (row >= run->first_row + run->count) ++run;
    if (progress.watermark) {
      column.set<int64_t>(row, progress.watermark->micros);
    } else {
      column.set_null(row);
    }
    std::optional<Timestamp> own;
    if (!watermark) {
      own = run->append_time;
    } else if (next_failed < failed.size() && failed[next_failed].row == row) {
      ++next_failed;  // a row whose watermark expression throws does not move it
    } else {
      if (!times.is_null(value_row)) own = Timestamp{times.at<int64_t>(value_row)};
      ++value_row;
    }
    if (own && (!progress.watermark || *own > *progress.watermark)) progress.watermark = own;
  }
  return {};
}

Status StreamDecoder::State::flush(PartitionId partition, PartitionProgress& progress, std::vector<DecodedBatch>& out,
                                   std::vector<DeadRecord>& dead, ledger::Recorder* recorder) {
  if (pending.records.empty()) return {};
  DecodedBatch batch{partition, batch::Batch(stream_row_types(source.schema)), {}, {}, takes_away(pending.form)};
  decoded.clear();
  errors.clear();
  MR_TRY(forms->decode(pending.form, pending.records, batch.rows, decoded, errors));
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
  fill_meta(batch);
  MR_TRY(fill_watermark(batch, progress));
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
      const RecordForm form = state.forms->form_of(record);
      if (form != pending.form) [[unlikely]] {
        MR_TRY(state.flush(partition, progress, out, dead, recorder));
        pending.form = form;
      }
      if (pending.runs.empty() || pending.runs.back().append_time != stored.append_time) {
        pending.runs.push_back({stored.append_time, static_cast<uint32_t>(pending.records.size()), 0});
      }
      ++pending.runs.back().count;
      pending.records.push_back(RecordForms::bytes_of(record, form));
      pending.offsets.push_back(offset.value);
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
