#include "log/segment_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "base/hash.h"
#include "log/producer_window.h"

namespace millrace::log {

namespace {

constexpr std::string_view kSegmentMagic = "MRLOGSG1";
constexpr std::string_view kCompactedMagic = "MRLOGSG2";
constexpr std::string_view kFooterMagic = "MRLOGEN2";
constexpr std::string_view kIndexMagic = "MRLOGIX1";
constexpr std::string_view kSegmentSuffix = ".seg";
constexpr std::string_view kIndexSuffix = ".idx";
constexpr std::string_view kUnfinishedSuffix = ".seg.new";
constexpr size_t kOffsetDigits = 20;
constexpr size_t kIndexHeaderBytes = 56;
constexpr size_t kIndexEntryBytes = 24;
constexpr size_t kIndexMarkBytes = 20;
constexpr size_t kIndexProducerBytes = 26;
constexpr size_t kCrcBytes = 4;

std::string offset_name(Offset offset, std::string_view suffix) {
  return fmt::format("{:020}{}", offset.value, suffix);
}

}  // namespace

void append_segment_header(std::string& out, const SegmentHeader& header) {
  size_t start = out.size();
  out.append(header.compacted ? kCompactedMagic : kSegmentMagic);
  append_little(out, header.stream.value);
  append_little(out, header.partition.value);
  append_little(out, header.base_offset.value);
  append_little(out, header.salt);
  append_little(out, crc32c(std::string_view(out).substr(start)));
}

std::optional<SegmentHeader> decode_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return std::nullopt;
  const bool compacted = bytes.starts_with(kCompactedMagic);
  if (!compacted && !bytes.starts_with(kSegmentMagic)) return std::nullopt;
  if (crc32c(bytes.substr(0, 28)) != load_little<uint32_t>(bytes.data() + 28)) return std::nullopt;
  const char* at = bytes.data();
  return SegmentHeader{.stream = StreamId{load_little<uint32_t>(at + 8)},
                       .partition = PartitionId{load_little<int32_t>(at + 12)},
                       .base_offset = Offset{load_little<int64_t>(at + 16)},
                       .salt = load_little<uint32_t>(at + 24),
                       .compacted = compacted};
}

void append_segment_footer(std::string& out, const SegmentFooter& footer, uint32_t salt) {
  size_t start = out.size();
  out.append(kFooterMagic);
  append_little(out, footer.end_offset.value);
  append_little(out, footer.clean_end.value);
  append_little(out, footer.covered_bytes);
  append_little(out, uint32_t{0});
  append_little(out, crc32c(std::string_view(out).substr(start), salt));
}

std::optional<SegmentFooter> decode_segment_footer(std::string_view bytes, uint32_t salt) {
  if (bytes.size() != kSegmentFooterBytes || !bytes.starts_with(kFooterMagic)) return std::nullopt;
  const char* at = bytes.data();
  if (crc32c(bytes.substr(0, 36), salt) != load_little<uint32_t>(at + 36)) return std::nullopt;
  return SegmentFooter{.end_offset = Offset{load_little<int64_t>(at + 8)},
                       .clean_end = Offset{load_little<int64_t>(at + 16)},
                       .covered_bytes = load_little<uint64_t>(at + 24)};
}

void append_frame_header(std::string& out, const FrameHeader& header, uint32_t salt) {
  char bytes[kFrameHeaderBytes] = {};
  std::copy(kFrameMagic.begin(), kFrameMagic.end(), bytes);
  store_little(bytes + 8, header.base_offset.value);
  store_little(bytes + 16, header.append_time.micros);
  store_little(bytes + 24, header.idempotency_hash);
  store_little(bytes + 32, header.synced_bytes);
  store_little(bytes + 40, header.batch_bytes);
  store_little(bytes + 44, header.offset_count);
  store_little(bytes + 48, header.follows.value);
  store_little(bytes + 4, crc32c(std::string_view(bytes + 8, kFrameHeaderBytes - 8), salt));
  out.append(bytes, sizeof bytes);
}

std::optional<FrameHeader> decode_frame_header(std::string_view bytes, uint32_t salt) {
  if (bytes.size() < kFrameHeaderBytes || !bytes.starts_with(kFrameMagic)) return std::nullopt;
  const char* at = bytes.data();
  if (crc32c(bytes.substr(8, kFrameHeaderBytes - 8), salt) != load_little<uint32_t>(at + 4)) return std::nullopt;
  FrameHeader header{.base_offset = Offset{load_little<int64_t>(at + 8)},
                     .append_time = Timestamp{load_little<int64_t>(at + 16)},
                     .idempotency_hash = load_little<uint64_t>(at + 24),
                     .synced_bytes = load_little<uint64_t>(at + 32),
                     .batch_bytes = load_little<uint32_t>(at + 40),
                     .offset_count = load_little<int32_t>(at + 44),
                     .follows = Offset{load_little<int64_t>(at + 48)}};
  if (header.base_offset.value < 0 || header.offset_count <= 0) return std::nullopt;
  return header;
}

void SegmentIndex::add(const FrameHeader& frame) {
  if (!has_frames()) first_append_time = frame.append_time;
  if (entries.empty() || covered_bytes - entries.back().position >= kIndexIntervalBytes) {
    entries.push_back({frame.base_offset, covered_bytes, frame.append_time});
  }
  if (frame.idempotency_hash != 0) marks.push_back({frame.idempotency_hash, frame.base_offset, frame.offset_count});
  if (frame.producer.id >= 0) producers.push_back({frame.producer, frame.base_offset, frame.offset_count});
  if (producers.size() > producers_max) {
    keep_last_of_each(producers);
    producers_max = std::max(producers_max, 2 * producers.size());
  }
  last_append_time = frame.append_time;
  end_offset = frame.end_offset();
  covered_bytes += frame.frame_bytes();
}

std::string encode_segment_index(const SegmentIndex& index, uint32_t salt) {
  std::string out;
  out.reserve(kIndexHeaderBytes + index.entries.size() * kIndexEntryBytes + index.marks.size() * kIndexMarkBytes +
              index.producers.size() * kIndexProducerBytes + kCrcBytes);
  out.append(kIndexMagic);
  append_little(out, salt);
  append_little(out, static_cast<uint32_t>(index.entries.size()));
  append_little(out, static_cast<uint32_t>(index.marks.size()));
  append_little(out, static_cast<uint32_t>(index.producers.size()));
  append_little(out, index.covered_bytes);
  append_little(out, index.end_offset.value);
  append_little(out, index.first_append_time.micros);
  append_little(out, index.last_append_time.micros);
  for (const IndexEntry& entry : index.entries) {
    append_little(out, entry.offset.value);
    append_little(out, entry.position);
    append_little(out, entry.append_time.micros);
  }
  for (const IdempotencyMark& mark : index.marks) {
    append_little(out, mark.hash);
    append_little(out, mark.first.value);
    append_little(out, mark.record_count);
  }
  for (const ProducerMark& mark : index.producers) {
    append_little(out, mark.producer.id);
    append_little(out, mark.producer.epoch);
    append_little(out, mark.producer.sequence);
    append_little(out, mark.first.value);
    append_little(out, mark.record_count);
  }
  append_little(out, crc32c(out));
  return out;
}

std::optional<SegmentIndex> decode_segment_index(std::string_view bytes, uint32_t salt) {
  if (bytes.size() < kIndexHeaderBytes + kCrcBytes || !bytes.starts_with(kIndexMagic)) return std::nullopt;
  const char* at = bytes.data();
  size_t entries = load_little<uint32_t>(at + 12);
  size_t marks = load_little<uint32_t>(at + 16);
  size_t producers = load_little<uint32_t>(at + 20);
  if (bytes.size() != kIndexHeaderBytes + entries * kIndexEntryBytes + marks * kIndexMarkBytes +
                          producers * kIndexProducerBytes + kCrcBytes)
    return std::nullopt;
  std::string_view body = bytes.substr(0, bytes.size() - kCrcBytes);
  if (crc32c(body) != load_little<uint32_t>(at + body.size())) return std::nullopt;
  if (load_little<uint32_t>(at + 8) != salt) return std::nullopt;
  SegmentIndex index;
  index.covered_bytes = load_little<uint64_t>(at + 24);
  index.end_offset = Offset{load_little<int64_t>(at + 32)};
  index.first_append_time = Timestamp{load_little<int64_t>(at + 40)};
  index.last_append_time = Timestamp{load_little<int64_t>(at + 48)};
  at += kIndexHeaderBytes;
  index.entries.reserve(entries);
  for (size_t i = 0; i < entries; ++i, at += kIndexEntryBytes) {
    index.entries.push_back(
        {Offset{load_little<int64_t>(at)}, load_little<uint64_t>(at + 8), Timestamp{load_little<int64_t>(at + 16)}});
  }
  index.marks.reserve(marks);
  for (size_t i = 0; i < marks; ++i, at += kIndexMarkBytes) {
    index.marks.push_back(
        {load_little<uint64_t>(at), Offset{load_little<int64_t>(at + 8)}, load_little<int32_t>(at + 16)});
  }
  index.producers.reserve(producers);
  for (size_t i = 0; i < producers; ++i, at += kIndexProducerBytes) {
    index.producers.push_back({{load_little<int64_t>(at), load_little<int16_t>(at + 8), load_little<int32_t>(at + 10)},
                               Offset{load_little<int64_t>(at + 14)},
                               load_little<int32_t>(at + 22)});
  }
  return index;
}

std::string segment_file_name(Offset base_offset) { return offset_name(base_offset, kSegmentSuffix); }
std::string index_file_name(Offset base_offset) { return offset_name(base_offset, kIndexSuffix); }

std::string unfinished_file_name(Offset base_offset) { return offset_name(base_offset, kUnfinishedSuffix); }
bool is_unfinished_file_name(std::string_view name) {
  return name.size() == kOffsetDigits + kUnfinishedSuffix.size() && name.ends_with(kUnfinishedSuffix);
}

std::optional<Offset> parse_segment_file_name(std::string_view name) {
  if (name.size() != kOffsetDigits + kSegmentSuffix.size() || !name.ends_with(kSegmentSuffix)) return std::nullopt;
  std::string_view digits = name.substr(0, kOffsetDigits);
  int64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size() || value < 0) return std::nullopt;
  return Offset{value};
}

}  // namespace millrace::log
