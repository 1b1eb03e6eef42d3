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
  errors_.push_back(std::move(out));
}

void SideRows::row_late(OperatorId, const batch::Batch& batch, size_t row, batch::int128 order) {
  std::string out = start_object(view_, order);
  out += ",\"row_json\":" + json_string(batch.row_text(row)) + "}";
  late_.push_back(std::move(out));
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
