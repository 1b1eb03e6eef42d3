#include "watermark_streams.h"

#include <algorithm>

#include "base/text.h"

namespace millrace::test {
namespace {

using batch::Type;
using batch::TypeId;

batch::Schema stream_schema() {
  const Type bigint(TypeId::kBigint);
  return {{{"id", bigint}, {"k", bigint}, {"x", bigint}, {"ts", Type(TypeId::kTimestamp)}}};
}

batch::Schema late_schema() {
  return {{{"id", Type(TypeId::kBigint)}, {"window_end", Type(TypeId::kTimestamp)}}};
}

void put(batch::Batch& out, size_t column, size_t row, std::optional<int64_t> value) {
  batch::MutableColumn to = out.mutable_column(column);
  value ? to.set<int64_t>(row, *value) : to.set_null(row);
}

std::optional<int64_t> field(const StreamRow& row, uint32_t index) {
  const std::optional<int64_t> fields[] = {row.id, row.k, row.x, row.ts};
  return fields[index];
}

void put_source_column(batch::Batch& out, size_t column, size_t at, const StreamRow& row, size_t partition,
                       const plan::SourceColumn& wanted) {
  using Kind = plan::SourceColumnKind;
  switch (wanted.kind) {
    case Kind::kField: return put(out, column, at, field(row, wanted.field));
    case Kind::kWatermark: return put(out, column, at, row.watermark);
    case Kind::kOrder: return out.mutable_column(column).set<batch::int128>(at, row.id);
    case Kind::kPartition: return out.mutable_column(column).set<int32_t>(at, static_cast<int32_t>(partition));
    case Kind::kMessageId: return out.mutable_column(column).set_string(at, std::to_string(row.id));
    case Kind::kDeleted: return out.mutable_column(column).set<bool>(at, false);
    default: return put(out, column, at, row.id);
  }
}

/// What was taken so far, in the form that queries read: the columns, then the meta columns.
class StreamReader final : public sql::RelationReader {
 public:
  StreamReader(const TestStream& stream, const std::set<LateRow>& left_out) {
    for (size_t partition = 0; partition < stream.log.size(); ++partition) {
      for (size_t i = 0; i < stream.taken[partition]; ++i) {
        const StreamRow& row = stream.log[partition][i];
        if (!left_out.contains({stream.name, row.id, kNoTime})) rows_.emplace_back(partition, &row);
      }
    }
  }
  Status next(batch::Batch& out) override {
    size_t at = 0;
    for (; at < batch::kBatchRows && next_ < rows_.size(); ++at, ++next_) {
      const auto& [partition, row] = rows_[next_];
      for (uint32_t column = 0; column < 4; ++column) put(out, column, at, field(*row, column));
      put(out, 4, at, row->id);
      out.mutable_column(5).set<int32_t>(at, static_cast<int32_t>(partition));
      put(out, 6, at, row->id);
      out.mutable_column(7).set_string(at, std::to_string(row->id));
    }
    out.set_rows(at);
    return {};
  }

 private:
  std::vector<std::pair<size_t, const StreamRow*>> rows_;
  size_t next_ = 0;
};

class LateReader final : public sql::RelationReader {
 public:
  LateReader(const std::set<LateRow>& late, const std::string& stream) {
    for (const LateRow& row : late) {
      if (std::get<0>(row) == stream) rows_.push_back(row);
    }
  }
  Status next(batch::Batch& out) override {
    size_t at = 0;
    for (; at < batch::kBatchRows && next_ < rows_.size(); ++at, ++next_) {
      const auto& [stream, id, end] = rows_[next_];
      put(out, 0, at, id);
      put(out, 1, at, end == kNoTime ? std::nullopt : std::optional(end));
    }
    out.set_rows(at);
    return {};
  }

 private:
  std::vector<LateRow> rows_;
  size_t next_ = 0;
};

}  // namespace

int64_t TestStream::watermark() const {
  int64_t smallest = INT64_MAX;
  for (size_t partition = 0; partition < log.size(); ++partition) {
    int64_t largest = kNoTime;
    for (size_t i = 0; i < taken[partition]; ++i) {
      if (const auto& ts = log[partition][i].ts) largest = std::max(largest, *ts - delay);
    }
    smallest = std::min(smallest, largest);
  }
  return smallest;
}

WatermarkStreams::WatermarkStreams(std::mt19937_64& random, const StreamOptions& options) : random_(random) {
  int64_t now = 1000000 * kSecond, id = 0;
  for (const char* name : {"s", "r"}) {
    TestStream stream;
    stream.name = name;
    stream.delay = static_cast<int64_t>(random() % 8) * kSecond;
    stream.log.resize(1 + random() % 3);
    stream.before.assign(stream.log.size(), 0);
    stream.taken.assign(stream.log.size(), 0);
    streams_.push_back(std::move(stream));
  }
  std::map<std::pair<size_t, size_t>, std::optional<int64_t>> watermarks;
  while (id < static_cast<int64_t>(2 * options.rows)) {
    const size_t of = random() % 2;
    TestStream& stream = streams_[of];
    const size_t partition = random() % stream.log.size();
    now += static_cast<int64_t>(random() % 3) * kSecond;
    const auto back = static_cast<int64_t>(random() % (random() % 6 == 0 ? 90 : 12)) * kSecond;
    StreamRow row{++id, std::nullopt, static_cast<int64_t>(random() % 20), now - back, watermarks[{of, partition}]};
    if (options.unique_times && of == 1) row.ts = *row.ts + id;
    if (!options.with_nulls || random() % 10 != 0) row.k = static_cast<int64_t>(random() % 4);
    if (options.with_nulls && random() % 12 == 0) row.ts.reset();
    std::optional<int64_t>& watermark = watermarks[{of, partition}];
    if (row.ts) watermark = std::max(watermark.value_or(kNoTime), *row.ts - stream.delay);
    stream.log[partition].push_back(row);
  }
}

bool WatermarkStreams::take(bool all) {
  bool any = false;
  for (TestStream& stream : streams_) {
    for (size_t partition = 0; partition < stream.log.size(); ++partition) {
      const size_t left = stream.log[partition].size() - stream.taken[partition];
      const size_t count = all ? left : std::min<size_t>(left, random_() % 16);
      stream.taken[partition] += count;
      any |= left > 0;
    }
  }
  return any;
}

void WatermarkStreams::finish_step() {
  for (TestStream& stream : streams_) stream.before = stream.taken;
}

std::map<std::string, Timestamp> WatermarkStreams::watermarks() const {
  std::map<std::string, Timestamp> all;
  for (const TestStream& stream : streams_) all[stream.name] = Timestamp{stream.watermark()};
  return all;
}

int64_t WatermarkStreams::smallest_watermark() const {
  return std::min(streams_[0].watermark(), streams_[1].watermark());
}

std::optional<sql::RelationInfo> WatermarkStreams::find(std::string_view name) const {
  sql::RelationInfo info;
  info.name = to_lower_ascii(name);
  if (info.name == "s" || info.name == "r" || info.name.ends_with("_in_time")) {
    info.schema = stream_schema();
    info.watermark_column = 3;
    return info;
  }
  if (info.name != "late_s" && info.name != "late_r") return std::nullopt;
  info.kind = sql::RelationKind::kTable;
  info.append_only = false;
  info.schema = late_schema();
  return info;
}

Result<std::unique_ptr<sql::RelationReader>> WatermarkStreams::read(std::string_view name) const {
  const std::string lower = to_lower_ascii(name);
  if (lower.starts_with("late_"))
    return std::unique_ptr<sql::RelationReader>(std::make_unique<LateReader>(late, lower.substr(5)));
  const std::set<LateRow> none;
  return std::unique_ptr<sql::RelationReader>(
      std::make_unique<StreamReader>(streams_[lower[0] == 's' ? 0 : 1], lower.ends_with("_in_time") ? late : none));
}

Status WatermarkStreams::feed(uint32_t worker, const std::string&, const plan::Node& node, dataflow::Output& out) {
  const auto& source = std::get<plan::Source>(node.operation);
  const TestStream& stream = streams_[source.relation == "s" ? 0 : 1];
  for (size_t partition = worker; partition < stream.log.size(); partition += workers) {
    for (size_t next = stream.before[partition]; next < stream.taken[partition];) {
      const size_t count = std::min<size_t>(stream.taken[partition] - next, 1 + random_() % 12);
      batch::Batch rows(node.output);
      for (size_t at = 0; at < count; ++at, ++next) {
        for (size_t column = 0; column < source.columns.size(); ++column)
          put_source_column(rows, column, at, stream.log[partition][next], partition, source.columns[column]);
      }
      rows.set_rows(count);
      MR_TRY(out.push(rows));
    }
  }
  return {};
}

}  // namespace millrace::test
