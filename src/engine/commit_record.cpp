#include "engine/commit_record.h"

#include "base/bytes.h"

namespace millrace::engine {
namespace {

constexpr uint8_t kCommitVersion = 1;
constexpr uint8_t kNoteVersion = 1;

void append_end(std::string& out, const PartitionEnd& end) {
  append_varint(out, end.stream.value);
  append_varint(out, static_cast<uint64_t>(end.partition.value));
  append_zigzag(out, end.end.value);
}

void append_ends(std::string& out, const std::vector<PartitionEnd>& ends) {
  append_varint(out, ends.size());
  for (const PartitionEnd& end : ends) append_end(out, end);
}

void append_watermarks(std::string& out, const std::map<std::string, Timestamp>& watermarks) {
  append_varint(out, watermarks.size());
  for (const auto& [name, time] : watermarks) {
    append_string(out, name);
    append_zigzag(out, time.micros);
  }
}

Result<PartitionEnd> read_end(ByteReader& reader) {
  MR_ASSIGN(uint64_t stream, reader.varint());
  MR_ASSIGN(uint64_t partition, reader.varint());
  MR_ASSIGN(int64_t end, reader.zigzag());
  return PartitionEnd{StreamId(static_cast<uint32_t>(stream)), PartitionId(static_cast<int32_t>(partition)),
                      Offset(end)};
}

Result<std::vector<PartitionEnd>> read_ends(ByteReader& reader) {
  MR_ASSIGN(uint64_t count, reader.varint());
  std::vector<PartitionEnd> ends;
  for (uint64_t i = 0; i < count; ++i) {
    MR_ASSIGN(PartitionEnd end, read_end(reader));
    ends.push_back(end);
  }
  return ends;
}

Result<std::map<std::string, Timestamp>> read_watermarks(ByteReader& reader) {
  MR_ASSIGN(uint64_t count, reader.varint());
  std::map<std::string, Timestamp> watermarks;
  for (uint64_t i = 0; i < count; ++i) {
    MR_ASSIGN(std::string_view name, reader.string());
    MR_ASSIGN(int64_t micros, reader.zigzag());
    watermarks[std::string(name)] = Timestamp{micros};
  }
  return watermarks;
}

Status check_version(ByteReader& reader, uint8_t known, const char* what) {
  MR_ASSIGN(uint8_t version, reader.little<uint8_t>());
  if (version == known) return {};
  return user_error(sqlstate::kNotSupported, std::string(what) + " has format version " + std::to_string(version))
      .with_hint("this program reads version " + std::to_string(known) + "; use the release that wrote the directory");
}

}  // namespace

std::string encode(const CommitRecord& record) {
  std::string out;
  append_little(out, kCommitVersion);
  append_varint(out, record.epoch.value);
  append_zigzag(out, record.time.micros);
  append_little(out, static_cast<uint8_t>(record.bounded_end));
  append_varint(out, record.steps.size());
  for (const StepRecord& step : record.steps) {
    append_ends(out, step.ends);
    append_watermarks(out, step.watermarks);
  }
  append_ends(out, record.written);
  append_string(out, record.ledger);
  return out;
}

Result<CommitRecord> decode_commit(std::string_view bytes) {
  ByteReader reader(bytes);
  MR_TRY(check_version(reader, kCommitVersion, "a commit record"));
  CommitRecord record;
  MR_ASSIGN(record.epoch.value, reader.varint());
  MR_ASSIGN(record.time.micros, reader.zigzag());
  MR_ASSIGN(uint8_t bounded_end, reader.little<uint8_t>());
  record.bounded_end = bounded_end != 0;
  MR_ASSIGN(uint64_t steps, reader.varint());
  for (uint64_t i = 0; i < steps; ++i) {
    StepRecord step;
    MR_ASSIGN(step.ends, read_ends(reader));
    MR_ASSIGN(step.watermarks, read_watermarks(reader));
    record.steps.push_back(std::move(step));
  }
  MR_ASSIGN(record.written, read_ends(reader));
  MR_ASSIGN(std::string_view ledger, reader.string());
  record.ledger = ledger;
  return record;
}

std::string encode(const CheckpointNote& note) {
  std::string out;
  append_little(out, kNoteVersion);
  append_varint(out, note.epoch.value);
  append_little(out, static_cast<uint8_t>(note.bounded_end));
  append_ends(out, note.positions);
  append_watermarks(out, note.watermarks);
  append_varint(out, note.partition_watermarks.size());
  for (const auto& [partition, time] : note.partition_watermarks) {
    append_end(out, partition);
    append_zigzag(out, time.micros);
  }
  append_ends(out, note.written);
  append_varint(out, note.views.size());
  for (const std::string& view : note.views) append_string(out, view);
  append_varint(out, note.kept.size());
  for (const std::string& view : note.kept) append_string(out, view);
  append_string(out, note.ledger);
  append_varint(out, note.view_rows.size());
  for (const uint64_t rows : note.view_rows) append_varint(out, rows);
  append_varint(out, note.streams.size());
  for (const std::string& stream : note.streams) append_string(out, stream);
  return out;
}

Result<CheckpointNote> decode_note(std::string_view bytes) {
  ByteReader reader(bytes);
  MR_TRY(check_version(reader, kNoteVersion, "a state checkpoint"));
  CheckpointNote note;
  MR_ASSIGN(note.epoch.value, reader.varint());
  MR_ASSIGN(uint8_t bounded_end, reader.little<uint8_t>());
  note.bounded_end = bounded_end != 0;
  MR_ASSIGN(note.positions, read_ends(reader));
  MR_ASSIGN(note.watermarks, read_watermarks(reader));
  MR_ASSIGN(uint64_t partitions, reader.varint());
  for (uint64_t i = 0; i < partitions; ++i) {
    MR_ASSIGN(PartitionEnd partition, read_end(reader));
    MR_ASSIGN(int64_t micros, reader.zigzag());
    note.partition_watermarks.emplace_back(partition, Timestamp{micros});
  }
  MR_ASSIGN(note.written, read_ends(reader));
  MR_ASSIGN(uint64_t views, reader.varint());
  for (uint64_t i = 0; i < views; ++i) {
    MR_ASSIGN(std::string_view view, reader.string());
    note.views.emplace_back(view);
  }
  MR_ASSIGN(uint64_t kept, reader.varint());
  for (uint64_t i = 0; i < kept; ++i) {
    MR_ASSIGN(std::string_view view, reader.string());
    note.kept.emplace_back(view);
  }
  MR_ASSIGN(std::string_view ledger, reader.string());
  note.ledger = ledger;
  if (reader.done()) return note;
  MR_ASSIGN(uint64_t counted, reader.varint());
  for (uint64_t i = 0; i < counted; ++i) {
    MR_ASSIGN(uint64_t rows, reader.varint());
    note.view_rows.push_back(rows);
  }
  if (reader.done()) return note;
  MR_ASSIGN(uint64_t streams, reader.varint());
  for (uint64_t i = 0; i < streams; ++i) {
    MR_ASSIGN(std::string_view stream, reader.string());
    note.streams.emplace_back(stream);
  }
  return note;
}

}  // namespace millrace::engine
