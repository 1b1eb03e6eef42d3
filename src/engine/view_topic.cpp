#include "engine/view_topic.h"

#include "formats/encoder.h"
#include "log/record_batch.h"

namespace millrace::engine {
namespace {

constexpr size_t kBatchBytes = 1 << 20;
/// Kafka's own default.
constexpr Duration kRetention = Duration::from_seconds(7 * 24 * 3600);

/// Takes a line off the front; JSON on one line has no line end within.
std::string_view next_line(std::string_view& lines) {
  const size_t end = lines.find('\n');
  std::string_view line = lines.substr(0, end);
  lines.remove_prefix(end + 1);
  return line;
}

}  // namespace

log::StreamOptions topic_options(const sql::CatalogObject& view) {
  log::StreamOptions options;
  options.idempotency_window = 0;
  if (!view.primary_key.empty()) {
    options.compaction.emplace();
    return options;
  }
  const std::optional<Duration> asked =
      view.options.has("retention") ? view.options.duration("retention") : std::optional<Duration>();
  options.retention = asked.value_or(kRetention);
  return options;
}

TopicWriter::TopicWriter(const batch::Schema& view, const std::vector<uint32_t>& key, log::Partition& partition,
                         Timestamp now)
    : schema_(view), codec_(view.types()), key_(key), partition_(partition), now_ms_(now.millis()) {
  for (uint32_t column : key_) key_schema_.fields.push_back(schema_[column]);
}

Status TopicWriter::add_rows(const ViewStore::Snapshot& snapshot) {
  batch::Batch rows(schema_);
  for (ViewStore::Snapshot::Position at; !snapshot.at_end(at);) {
    MR_TRY(snapshot.read(at, rows));
    std::vector<uint32_t> all;  // each as often as it counts
    for (uint32_t row = 0; row < rows.rows(); ++row) all.insert(all.end(), static_cast<size_t>(rows.diff(row)), row);
    batch::Batch each = rows.select(all);
    each.set_diffs({});
    MR_TRY(add(each, std::vector<ChangeOp>(all.size(), ChangeOp::kInsert)));
  }
  return {};
}

Status TopicWriter::add_changes(std::span<const LoggedChange> changes) {
  batch::Batch rows(schema_);
  std::vector<std::string_view> encoded;
  std::vector<ChangeOp> ops;
  for (size_t next = 0; next < changes.size();) {
    encoded.clear();
    ops.clear();
    for (; next < changes.size() && ops.size() < batch::kBatchRows; ++next) {
      const LoggedChange& change = changes[next];
      // The row after it has its key, and takes its place.
      if (change.op == ChangeOp::kUpdateBefore && !key_.empty()) continue;
      encoded.push_back(change.row);
      ops.push_back(change.op);
    }
    rows.reset();
    MR_TRY(codec_.decode_rows(encoded, rows, 0));
    rows.set_rows(ops.size());
    MR_TRY(add(rows, ops));
  }
  return {};
}

Status TopicWriter::add(const batch::Batch& rows, std::span<const ChangeOp> ops) {
  values_.clear();
  keys_.clear();
  formats::encode_ndjson(schema_, rows, values_);
  if (!key_.empty()) formats::encode_ndjson(key_schema_, rows.project(key_), keys_);
  std::string_view values = values_;
  std::string_view keys = keys_;
  for (ChangeOp op : ops) {
    const std::string_view value = next_line(values);
    const bool gone = op == ChangeOp::kDelete || op == ChangeOp::kUpdateBefore;
    if (key_.empty()) {
      const log::RecordHeader header{kTopicOpHeader, change_op_text(op)};
      builder_.add(std::nullopt, value, {&header, 1}, now_ms_);
    } else {
      const std::optional<std::string_view> kept = gone ? std::nullopt : std::optional(value);
      builder_.add(next_line(keys), kept, {}, now_ms_);
    }
    if (builder_.size_bytes() >= kBatchBytes) MR_TRY(cut());
  }
  return {};
}

Status TopicWriter::cut() {
  MR_ASSIGN(std::string batch, builder_.finish(log::Compression::kLz4));
  MR_ASSIGN(log::Ticket ticket, partition_.append(std::move(batch)));
  end_ = ticket.last().next();
  return {};
}

Result<std::optional<Offset>> TopicWriter::finish() {
  if (!builder_.empty()) MR_TRY(cut());
  return end_;
}

}  // namespace millrace::engine
