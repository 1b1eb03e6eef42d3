#include "engine/sink_dead.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/text.h"
#include "engine/changelog.h"
#include "formats/encoder.h"
#include "log/record_batch.h"

namespace millrace::engine {
namespace {

constexpr size_t kReadBytes = 1 << 20;

/// What a program needs stands in the record's key, beside the JSON for people in its value.
std::string encode_key(const DeadLetter& letter) {
  std::string key;
  append_varint(key, static_cast<uint64_t>(letter.again + 1));
  append_varint(key, static_cast<uint64_t>(letter.source_offset.value));
  append_varint(key, static_cast<uint64_t>(letter.source_time.micros));
  append_varint(key, letter.epoch);
  key += letter.op;  // two bytes
  key += letter.row;
  return key;
}

Result<DeadLetter> decode_key(std::string_view key, Offset offset) {
  DeadLetter letter;
  letter.offset = offset;
  ByteReader reader(key);
  MR_ASSIGN(uint64_t again, reader.varint());
  letter.again = static_cast<int64_t>(again) - 1;
  MR_ASSIGN(uint64_t source, reader.varint());
  letter.source_offset = Offset(static_cast<int64_t>(source));
  MR_ASSIGN(uint64_t time, reader.varint());
  letter.source_time = Timestamp{static_cast<int64_t>(time)};
  MR_ASSIGN(letter.epoch, reader.varint());
  MR_ASSIGN(std::string_view op, reader.bytes(2));
  letter.op = op;
  MR_ASSIGN(std::string_view row, reader.bytes(reader.remaining()));
  letter.row = row;
  return letter;
}

template <typename Visit>
Status for_each(log::Partition& partition, Offset from, Visit visit) {
  log::ReadBatches read;
  log::Decompressor decompressor;
  Offset at = std::max(from, partition.begin_offset());
  while (at < partition.end_offset()) {
    MR_TRY(partition.read(at, kReadBytes, read));
    for (const log::StoredBatch& stored : read.batches()) {
      MR_ASSIGN(auto view, read.view_of(stored));
      MR_ASSIGN(auto cursor, view.records(decompressor));
      log::RecordView record;
      while (cursor.next(record)) {
        Offset offset{stored.base_offset.value + record.offset_delta};
        if (offset < at) continue;
        MR_ASSIGN(DeadLetter letter, decode_key(record.key.value_or(std::string_view()), offset));
        if (!visit(std::move(letter))) return {};
      }
      MR_TRY(cursor.status());
    }
    at = read.next_offset();
  }
  return {};
}

}  // namespace

SinkDead::SinkDead(std::shared_ptr<log::Stream> stream, const batch::Schema& view)
    : stream_(std::move(stream)), view_(view), codec_(batch::RowCodec::of_all(view.types(), batch::RowForm::kExact)) {}

Offset SinkDead::end() const { return stream_->partition(PartitionId(0)).end_offset(); }

Status SinkDead::keep(const DeadLetter& letter, std::string_view reason, uint32_t attempts, Timestamp now) {
  batch::Batch row(view_);
  MR_TRY(codec_.decode(letter.row, row, 0));
  row.set_rows(1);
  std::string payload;
  formats::encode_ndjson(view_, row, payload);
  std::string json = fmt::format(R"({{"source_offset":{},"source_time":"{}","op":"{}","commit":{},"reason":{},)",
                                 letter.source_offset.value, format_iso8601(letter.source_time), letter.op,
                                 letter.epoch, json_string(reason));
  json += fmt::format(R"("attempts":{},"payload":{}}})", attempts, json_string(trim(payload)));
  log::RecordBatchBuilder builder;
  builder.add(std::string_view(encode_key(letter)), json, now.millis());
  MR_ASSIGN(std::string batch, builder.finish(log::Compression::kLz4));
  MR_ASSIGN(log::AppendResult at, stream_->partition(PartitionId(0)).append_and_wait(std::move(batch)));
  (void)at;
  return {};
}

Result<std::vector<DeadLetter>> SinkDead::read(Offset from, size_t count_max) const {
  std::vector<DeadLetter> letters;
  MR_TRY(for_each(stream_->partition(PartitionId(0)), from, [&](DeadLetter letter) {
    letters.push_back(std::move(letter));
    return letters.size() < count_max;
  }));
  return letters;
}

Result<std::set<int64_t>> SinkDead::dead_from(Offset position) const {
  std::set<int64_t> offsets;
  MR_TRY(for_each(stream_->partition(PartitionId(0)), Offset(0), [&](DeadLetter letter) {
    if (letter.again < 0 && letter.source_offset >= position) offsets.insert(letter.source_offset.value);
    return true;
  }));
  return offsets;
}

Result<std::set<int64_t>> SinkDead::refused_again(Offset from) const {
  std::set<int64_t> letters;
  MR_TRY(for_each(stream_->partition(PartitionId(0)), from, [&](DeadLetter letter) {
    if (letter.again >= from.value) letters.insert(letter.again);
    return true;
  }));
  return letters;
}

DeadLetter SinkDead::letter_of(const batch::Batch& changes, size_t row, Offset source_offset,
                               Timestamp source_time) const {
  std::vector<uint32_t> columns(view_.size());
  for (uint32_t i = 0; i < columns.size(); ++i) columns[i] = i;
  uint32_t wanted = static_cast<uint32_t>(row);
  batch::RowBuffer encoded;
  codec_.encode(changes.select({&wanted, 1}).project(columns), encoded);
  DeadLetter letter;
  letter.source_offset = source_offset;
  letter.source_time = source_time;
  letter.op = changes.column(view_.size()).at<batch::StringRef>(row).view();
  letter.epoch = changes.column(view_.size() + 1).at<uint64_t>(row);
  letter.row = encoded.row(0);
  return letter;
}

Status SinkDead::put(const DeadLetter& letter, batch::Batch& changes, size_t row) const {
  MR_TRY(codec_.decode(letter.row, changes, row));
  changes.mutable_column(view_.size()).set_string(row, letter.op);
  changes.mutable_column(view_.size() + 1).set<uint64_t>(row, letter.epoch);
  return {};
}

}  // namespace millrace::engine
