#include "engine/changelog.h"

#include <algorithm>
#include <unordered_map>

#include "base/bytes.h"

namespace millrace::engine {
namespace {

constexpr size_t kBatchBytes = 1 << 20;

void append_copies(std::vector<LoggedChange>& out, ChangeOp op, std::string_view row, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out.push_back({op, row});
}

std::vector<LoggedChange> without_key(const std::vector<Change>& changes) {
  std::vector<LoggedChange> ordered;
  for (const Change& change : changes) {
    if (change.diff < 0) append_copies(ordered, ChangeOp::kDelete, change.row, -change.diff);
  }
  for (const Change& change : changes) {
    if (change.diff > 0) append_copies(ordered, ChangeOp::kInsert, change.row, change.diff);
  }
  return ordered;
}

/// The encoded key of every change, one after another.
Result<std::vector<std::string>> keys_of(const std::vector<Change>& changes, const batch::RowCodec& codec,
                                         const std::vector<uint32_t>& key) {
  std::vector<std::string> keys;
  keys.reserve(changes.size());
  batch::Batch rows(codec.types());
  batch::RowCodec key_codec(codec.types(), key);
  batch::RowBuffer buffer;
  for (size_t first = 0; first < changes.size(); first += batch::kBatchRows) {
    size_t count = std::min(batch::kBatchRows, changes.size() - first);
    rows.reset();
    for (size_t i = 0; i < count; ++i) MR_TRY(codec.decode(changes[first + i].row, rows, i));
    rows.set_rows(count);
    key_codec.encode(rows, buffer);
    for (size_t i = 0; i < count; ++i) keys.emplace_back(buffer.row(i));
  }
  return keys;
}

}  // namespace

std::string_view change_op_text(ChangeOp op) {
  static constexpr std::string_view kTexts[] = {"+I", "-U", "+U", "-D"};
  return kTexts[static_cast<size_t>(op)];
}

Result<std::vector<LoggedChange>> order_changes(const std::vector<Change>& changes, const batch::RowCodec& codec,
                                                const std::vector<uint32_t>& key) {
  if (key.empty()) return without_key(changes);
  MR_ASSIGN(std::vector<std::string> keys, keys_of(changes, codec, key));
  struct Pair {
    int64_t before = -1;
    int64_t after = -1;
  };
  std::unordered_map<std::string_view, size_t> places;
  std::vector<Pair> pairs;
  for (size_t i = 0; i < changes.size(); ++i) {
    auto [place, is_new] = places.try_emplace(keys[i], pairs.size());
    if (is_new) pairs.emplace_back();
    int64_t& side = changes[i].diff < 0 ? pairs[place->second].before : pairs[place->second].after;
    if (side >= 0 || (changes[i].diff != 1 && changes[i].diff != -1)) {
      return internal_error("a view with a key has two rows for one key in a commit");
    }
    side = static_cast<int64_t>(i);
  }
  std::vector<LoggedChange> ordered;
  for (const Pair& pair : pairs) {
    bool update = pair.before >= 0 && pair.after >= 0;
    if (pair.before >= 0)
      ordered.push_back({update ? ChangeOp::kUpdateBefore : ChangeOp::kDelete, changes[pair.before].row});
    if (pair.after >= 0)
      ordered.push_back({update ? ChangeOp::kUpdateAfter : ChangeOp::kInsert, changes[pair.after].row});
  }
  return ordered;
}

batch::Schema changes_schema(const batch::Schema& view) {
  batch::Schema schema = view;
  schema.fields.push_back({"_op", batch::Type(batch::TypeId::kVarchar)});
  schema.fields.push_back({"_commit", batch::Type(batch::TypeId::kUbigint)});
  return schema;
}

Result<std::vector<log::Ticket>> append_changes(log::Partition& partition, const std::vector<LoggedChange>& changes,
                                                Epoch epoch, Timestamp now) {
  std::vector<log::Ticket> tickets;
  log::RecordBatchBuilder builder;
  std::string key;
  for (size_t i = 0; i < changes.size(); ++i) {
    key.clear();
    key.push_back(static_cast<char>(changes[i].op));
    append_varint(key, epoch.value);
    builder.add(std::string_view(key), changes[i].row, now.millis());
    if (builder.size_bytes() < kBatchBytes && i + 1 < changes.size()) continue;
    MR_ASSIGN(std::string batch, builder.finish(log::Compression::kLz4));
    MR_ASSIGN(log::Ticket ticket, partition.append(std::move(batch)));
    tickets.push_back(std::move(ticket));
  }
  return tickets;
}

ChangelogReader::ChangelogReader(log::Partition& partition, const batch::Schema& view, Offset from)
    : partition_(partition), codec_(view.types()), view_columns_(view.size()), position_(from) {}

Status put_changes(const batch::RowCodec& codec, std::span<const LoggedChange> changes, Epoch epoch,
                   batch::Batch& out, size_t first_row) {
  std::vector<std::string_view> rows;
  rows.reserve(changes.size());
  for (const LoggedChange& change : changes) rows.push_back(change.row);
  MR_TRY(codec.decode_rows(rows, out, first_row));
  const size_t columns = codec.types().size();
  batch::MutableColumn ops = out.mutable_column(columns);
  for (size_t i = 0; i < changes.size(); ++i)
    ops.set(first_row + i, batch::StringRef(change_op_text(changes[i].op)));
  auto* epochs = out.mutable_column(columns + 1).values<uint64_t>();
  std::fill_n(epochs + first_row, changes.size(), epoch.value);
  return {};
}

Status ChangelogReader::next(Offset end, batch::Batch& out) {
  size_t row = 0;
  if (position_ >= end) return {};
  MR_TRY(partition_.read(position_, kBatchBytes, read_));
  for (const log::StoredBatch& stored : read_.batches()) {
    if (row > 0 && stored.append_time != append_time_) break;
    append_time_ = stored.append_time;
    MR_ASSIGN(auto view, read_.view_of(stored));
    MR_ASSIGN(auto cursor, view.records(decompressor_));
    MR_TRY(read_changes(cursor, stored.base_offset, end, out, row));
    if (row == batch::kBatchRows || position_ >= end) break;
    MR_TRY(cursor.status());
  }
  out.set_rows(row);
  return {};
}

/// Those of one record batch, as many as fit.
Status ChangelogReader::read_changes(log::RecordCursor& cursor, Offset base, Offset end, batch::Batch& out,
                                     size_t& row) {
  changes_.clear();
  Epoch of_all;  // in changes_
  const auto put = [&]() -> Status {
    MR_TRY(put_changes(codec_, changes_, of_all, out, row));
    row += changes_.size();
    changes_.clear();
    return {};
  };
  log::RecordView record;
  while (row + changes_.size() < batch::kBatchRows && cursor.next(record)) {
    const Offset offset{base.value + record.offset_delta};
    if (offset < position_) continue;
    if (offset >= end) break;
    if (!record.key || !record.value || record.key->empty())
      return external_error(sqlstate::kDataCorrupted, "a changelog record has no key or no value");
    MR_ASSIGN(const uint64_t epoch, ByteReader(record.key->substr(1)).varint());
    if (!changes_.empty() && of_all != Epoch(epoch)) MR_TRY(put());
    of_all = Epoch(epoch);
    changes_.push_back({static_cast<ChangeOp>((*record.key)[0]), *record.value});
    position_ = offset.next();
  }
  return put();
}

}  // namespace millrace::engine
