#include "engine/meta_columns.h"

namespace millrace::engine {
namespace {

std::vector<batch::Type> meta_types() {
  using batch::TypeId;
  std::vector<batch::Type> types;
  for (TypeId id : {TypeId::kTimestamp, TypeId::kInteger, TypeId::kBigint, TypeId::kVarchar, TypeId::kHugeint,
                    TypeId::kTimestamp, TypeId::kBoolean}) {
    types.emplace_back(id);
  }
  return types;
}

/// Whatever is not written to its columns stays NULL.
batch::Batch batch_of_nulls() {
  batch::Batch nulls(meta_types());
  for (size_t column = 0; column < nulls.columns(); ++column) {
    batch::MutableColumn values = nulls.mutable_column(column);
    for (size_t row = 0; row < batch::kBatchRows; ++row) values.set_null(row);
  }
  return nulls;
}

}  // namespace

std::vector<batch::Type> stream_row_types(const batch::Schema& schema) {
  std::vector<batch::Type> types = schema.types();
  for (batch::Type& type : meta_types()) types.push_back(std::move(type));
  return types;
}

std::optional<MetaColumn> meta_column_of(plan::SourceColumnKind kind) {
  switch (kind) {
    case plan::SourceColumnKind::kField: return std::nullopt;
    case plan::SourceColumnKind::kAppendTime: return MetaColumn::kAppendTime;
    case plan::SourceColumnKind::kPartition: return MetaColumn::kPartition;
    case plan::SourceColumnKind::kOffset: return MetaColumn::kOffset;
    case plan::SourceColumnKind::kMessageId: return MetaColumn::kMessageId;
    case plan::SourceColumnKind::kOrder: return MetaColumn::kOrder;
    case plan::SourceColumnKind::kWatermark: return MetaColumn::kWatermark;
    case plan::SourceColumnKind::kDeleted: return MetaColumn::kDeleted;
  }
  MR_CHECK(false, "an unknown source column");
}

uint32_t stream_column(const batch::Schema& schema, const plan::SourceColumn& column) {
  const std::optional<MetaColumn> meta = meta_column_of(column.kind);
  return meta ? static_cast<uint32_t>(schema.size()) + static_cast<uint32_t>(*meta) : column.field;
}

MetaWriter::MetaWriter(const StreamSource& source, batch::Session& session)
    : source_(source), nulls_(batch_of_nulls()), read_(std::vector<batch::Type>{}) {
  if (source.watermark)
    watermark_ = std::make_unique<batch::ExpressionRunner>(session, std::vector{source.watermark});
  const std::vector<batch::Type> types = meta_types();
  for (size_t i = 0; i < kStreamMetaColumns; ++i) {
    const bool is_read = source.meta_columns[i];
    read_places_[i] = is_read ? static_cast<int>(read_types_.size()) : -1;
    if (is_read) read_types_.push_back(types[i]);
  }
  for (uint32_t i = 0; i < kStreamMetaColumns; ++i) {
    const auto null = static_cast<uint32_t>(read_types_.size()) + i;
    order_.push_back(read_places_[i] < 0 ? null : static_cast<uint32_t>(read_places_[i]));
  }
}

std::optional<batch::MutableColumn> MetaWriter::column(MetaColumn column) {
  const int place = read_places_[static_cast<size_t>(column)];
  if (place < 0) return std::nullopt;
  return read_.mutable_column(static_cast<size_t>(place));
}

template <typename T, typename ValueOf>
void MetaWriter::fill(const DecodedBatch& batch, MetaColumn column, ValueOf&& value_of) {
  std::optional<batch::MutableColumn> to = this->column(column);
  if (!to) return;
  T* values = to->values<T>();
  for (const AppendRun& run : batch.runs) {
    for (size_t row = run.first_row; row < run.first_row + run.count; ++row) values[row] = value_of(run, row);
  }
}

void MetaWriter::fill_message_ids(const DecodedBatch& batch) {
  std::optional<batch::MutableColumn> ids = column(MetaColumn::kMessageId);
  if (!ids) return;
  const size_t rows = batch.rows.rows();
  if (source_.message_id_column < 0) {
    for (size_t row = 0; row < rows; ++row) {
      ids->set_string(row, std::to_string(batch.partition.value) + "/" + std::to_string(batch.offsets[row]));
    }
    return;
  }
  const auto from = static_cast<size_t>(source_.message_id_column);
  const batch::ColumnView values = batch.rows.column(from);
  const bool text = source_.schema[from].type.layout() == batch::Layout::kString;
  for (size_t row = 0; row < rows; ++row) {
    if (values.is_null(row)) {
      ids->set_null(row);
    } else if (text) {
      // The same vector memory: it lives as long as the batch.
      ids->set<batch::StringRef>(row, values.at<batch::StringRef>(row));
    } else {
      ids->set_string(row, batch.rows.value_text(from, row));
    }
  }
}

void MetaWriter::fill_watermark(const DecodedBatch& batch, PartitionProgress& progress) {
  std::optional<batch::MutableColumn> column = this->column(MetaColumn::kWatermark);
  std::vector<batch::RowError> failed;
  batch::Batch values(std::vector<batch::Type>{});
  batch::ColumnView times;
  if (watermark_) {
    values = watermark_->project(batch.rows, failed);
    times = values.column(0);
  }
  size_t value_row = 0;
  size_t next_failed = 0;
  const AppendRun* run = batch.runs.data();
  for (size_t row = 0; row < batch.rows.rows(); ++row) {
    while (row >= run->first_row + run->count) ++run;
    if (column && progress.watermark) column->set<int64_t>(row, progress.watermark->micros);
    if (column && !progress.watermark) column->set_null(row);
    std::optional<Timestamp> own;
    if (!watermark_) {
      own = run->append_time;
    } else if (next_failed < failed.size() && failed[next_failed].row == row) {
      ++next_failed;  // a row whose watermark expression throws does not move it
    } else {
      if (!times.is_null(value_row)) own = Timestamp{times.at<int64_t>(value_row)};
      ++value_row;
    }
    if (own && (!progress.watermark || *own > *progress.watermark)) progress.watermark = own;
  }
}

void MetaWriter::add_to(DecodedBatch& batch, PartitionProgress& progress) {
  const size_t rows = batch.rows.rows();
  read_ = batch::Batch(read_types_);
  read_.set_rows(rows);
  nulls_.set_rows(rows);
  fill<int64_t>(batch, MetaColumn::kAppendTime, [](const AppendRun& run, size_t) { return run.append_time.micros; });
  fill<int32_t>(batch, MetaColumn::kPartition, [&](const AppendRun&, size_t) { return batch.partition.value; });
  fill<int64_t>(batch, MetaColumn::kOffset, [&](const AppendRun&, size_t row) { return batch.offsets[row]; });
  fill<batch::int128>(batch, MetaColumn::kOrder, [&](const AppendRun& run, size_t row) {
    return order_key(run.append_time, batch.partition, Offset(batch.offsets[row]));
  });
  fill<bool>(batch, MetaColumn::kDeleted, [&](const AppendRun&, size_t) { return batch.deleted; });
  fill_message_ids(batch);
  fill_watermark(batch, progress);
  if (batch.deleted && source_.deletes != Deletes::kByKey) batch.rows.set_diffs(std::vector<int64_t>(rows, -1));
  batch.rows = batch::Batch::beside(batch.rows, batch::Batch::beside(read_, nulls_).project(order_));
}

}  // namespace millrace::engine
