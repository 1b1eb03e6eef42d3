#include "engine/side_rows.h"

#include <algorithm>

#include "base/text.h"
#include "engine/stream_source.h"

namespace millrace::engine {
namespace {

std::string base64(std::string_view bytes) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < count ? static_cast<uint8_t>(bytes[at + i]) : 0);
    for (size_t i = 0; i < 4; ++i) out.push_back(i <= count ? kAlphabet[bits >> (18 - 6 * i) & 63] : '=');
  }
  return out;
}

/// {"source":…,"source_partition":…,"source_offset":…,"source_time":…
std::string start_object(std::string_view source, batch::int128 order) {
  OrderParts parts = order_parts(order);
  std::string out = "{\"source\":" + json_string(source);
  out += ",\"source_partition\":" + std::to_string(parts.partition.value);
  out += ",\"source_offset\":" + std::to_string(parts.offset.value);
  out += ",\"source_time\":\"" + format_iso8601(parts.append_time) + "\"";
  return out;
}

}  // namespace

void SideRows::row_failed(OperatorId, std::string_view operator_text, const batch::Batch& batch, size_t row,
                          batch::int128 order, std::string_view message) {
  std::string out = start_object(view_, order);
  out += ",\"operator\":" + json_string(operator_text) + ",\"message\":" + json_string(message);
  out += ",\"row_json\":" + json_string(batch.row_text(row)) + "}";
  if (stops_) {
    auto [at, is_new] = failures_.try_emplace(out);
    if (is_new)
      at->second.first = {order, std::string(operator_text), std::string(message), std::string(batch.row_text(row))};
    at->second.second += batch.diff(row);
  }
  errors_.push_back(std::move(out));
}

std::optional<SideRows::Failure> SideRows::first_failure() const {
  const Failure* first = nullptr;
  for (const auto& [record, failed] : failures_) {
    if (failed.second > 0 && (!first || failed.first.order < first->order)) first = &failed.first;
  }
  return first ? std::optional<Failure>(*first) : std::nullopt;
}

void SideRows::row_late(OperatorId op, size_t port, const batch::Batch& batch, size_t row, batch::int128 order) {
  if (const auto hop = late_hops_.find({op, port}); hop != late_hops_.end() && order != 0) {
    OrderParts at = order_parts(order);
    recorder_.add(hop->second.second, hop->second.first, at.partition, at.append_time, at.offset, 1);
  }
  std::string out = start_object(view_, order);
  out += ",\"row_json\":" + json_string(batch.row_text(row)) + "}";
  late_.push_back(std::move(out));
}

std::vector<uint32_t> harm_rows(const RowFaults& faults, std::span<const uint32_t> rows) {
  std::vector<uint32_t> out;
  size_t next = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    bool harmed = next < faults.rows.size() && faults.rows[next] == i;
    next += harmed;
    if (harmed && faults.action == FailAction::kDrop) continue;
    out.push_back(harmed && faults.action == FailAction::kSwap ? rows[(i + 1) % rows.size()] : rows[i]);
    if (harmed && faults.action == FailAction::kRepeat && out.size() < batch::kBatchRows) out.push_back(rows[i]);
  }
  return out;
}

/// `rows` in any order; those that were appended together are counted together.
void SideRows::count(ledger::HopId hop, std::span<const uint32_t> rows) {
  const std::vector<AppendRun>& runs = fed_->runs;
  for (size_t at = 0, run = 0; at < rows.size(); run = run + 1 == runs.size() ? 0 : run + 1) {
    offsets_.clear();
    for (; at < rows.size() && rows[at] - runs[run].first_row < runs[run].count; ++at) {
      offsets_.push_back(fed_->offsets[rows[at]]);
    }
    recorder_.add_rows(hop, fed_stream_, fed_->partition, runs[run].append_time, offsets_);
  }
}

bool SideRows::rows_filtered(std::vector<uint32_t>& passing, const std::vector<batch::RowError>& failed) {
  if (!fed_) return false;
  std::vector<uint32_t> gone;
  gone.reserve(fed_->offsets.size() - passing.size());
  size_t next = 0;
  size_t next_failed = 0;
  for (uint32_t row = 0; row < fed_->offsets.size(); ++row) {
    bool passes = next < passing.size() && passing[next] == row;
    next += passes;
    bool throws = next_failed < failed.size() && failed[next_failed].row == row;
    next_failed += throws;
    if (throws) count(hops_.failed, {&row, 1});
    if (!passes && !throws) gone.push_back(row);
  }
  count(hops_.filtered, gone);
  RowFaults harm = faults_.rows(passing.size());
  if (!harm.none()) passing = harm_rows(harm, passing);
  count(hops_.kept, passing);
  return !harm.none();
}

std::string dead_record_json(int32_t partition, int64_t offset, Timestamp append_time, std::string_view reason,
                             std::string_view raw) {
  std::string out =
      "{\"source_partition\":" + std::to_string(partition) + ",\"source_offset\":" + std::to_string(offset);
  out += ",\"source_time\":\"" + format_iso8601(append_time) + "\",\"reason\":" + json_string(reason);
  out += ",\"raw\":\"" + base64(raw) + "\"}";
  return out;
}

}  // namespace millrace::engine
