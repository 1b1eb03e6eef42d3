#include "log/record_batch.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/hash.h"

namespace millrace::log {

namespace {

// Places of the fields in a batch (docs/formats/log.md).
constexpr size_t kLengthAt = 8;
constexpr size_t kLeaderEpochAt = 12;
constexpr size_t kMagicAt = 16;
constexpr size_t kCrcAt = 17;
constexpr size_t kCrcCoversFrom = 21;
constexpr size_t kAttributesAt = 21;
constexpr size_t kLastOffsetDeltaAt = 23;
constexpr size_t kBaseTimestampAt = 27;
constexpr size_t kMaxTimestampAt = 35;
constexpr size_t kProducerIdAt = 43;
constexpr size_t kProducerEpochAt = 51;
constexpr size_t kBaseSequenceAt = 53;
constexpr size_t kRecordCountAt = 57;

/// What the length field does not count: base offset and the length itself.
constexpr size_t kLengthPrefixBytes = 12;

Error bad_batch(std::string message) { return user_error(sqlstate::kDataCorrupted, std::move(message)); }

/// Decodes one zigzag varint; null when it does not end before `end` or is longer than 10 bytes.
inline const char* read_zigzag(const char* at, const char* end, int64_t& value) {
  if (at < end && static_cast<uint8_t>(*at) < 0x80) [[likely]] {
    auto raw = static_cast<uint8_t>(*at);
    value = static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
    return at + 1;
  }
  uint64_t raw = 0;
  for (unsigned shift = 0; shift < 70 && at < end; shift += 7) {
    auto byte = static_cast<uint8_t>(*at++);
    raw |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
      return at;
    }
  }
  return nullptr;
}

/// A length that may be -1 (null), then so many bytes.
inline const char* read_nullable(const char* at, const char* end, std::optional<std::string_view>& value) {
  int64_t length = 0;
  at = read_zigzag(at, end, length);
  if (at == nullptr || length < -1 || length > end - at) [[unlikely]]
    return nullptr;
  if (length < 0) {
    value.reset();
    return at;
  }
  value.emplace(at, static_cast<size_t>(length));
  return at + length;
}

/// Header key and value; null when they do not fit.
const char* read_header(const char* at, const char* end, RecordHeader& header) {
  std::optional<std::string_view> key;
  at = read_nullable(at, end, key);
  if (at == nullptr || !key) return nullptr;
  header.key = *key;
  return read_nullable(at, end, header.value);
}

/// Checks that `count` headers fill the bytes exactly.
bool headers_fit(const char* at, const char* end, int64_t count) {
  RecordHeader header;
  for (int64_t i = 0; i < count; ++i) {
    at = read_header(at, end, header);
    if (at == nullptr) return false;
  }
  return at == end;
}

}  // namespace

bool RecordHeaders::next(RecordHeader& header) {
  if (left_ == 0) return false;
  const char* end = bytes_.data() + bytes_.size();
  const char* after = read_header(bytes_.data(), end, header);
  MR_CHECK(after != nullptr, "record headers were checked when the record was read");
  bytes_ = std::string_view(after, static_cast<size_t>(end - after));
  --left_;
  return true;
}

bool RecordCursor::decode(RecordView& record) {
  bad_ = true;
  int64_t length = 0;
  const char* at = read_zigzag(at_, end_, length);
  if (at == nullptr || length < 1 || length > end_ - at) return false;
  const char* end = at + length;
  ++at;  // attributes: no bit has a meaning
  int64_t offset_delta = 0;
  int64_t headers = 0;
  if ((at = read_zigzag(at, end, record.timestamp_delta)) == nullptr) return false;
  if ((at = read_zigzag(at, end, offset_delta)) == nullptr) return false;
  if ((at = read_nullable(at, end, record.key)) == nullptr) return false;
  if ((at = read_nullable(at, end, record.value)) == nullptr) return false;
  if ((at = read_zigzag(at, end, headers)) == nullptr) return false;
  if (offset_delta < 0 || offset_delta > INT32_MAX || headers < 0 || headers > end - at) return false;
  if (!headers_fit(at, end, headers)) return false;
  record.offset_delta = static_cast<int32_t>(offset_delta);
  record.headers = RecordHeaders(std::string_view(at, static_cast<size_t>(end - at)), static_cast<uint32_t>(headers));
  at_ = end;
  bad_ = false;
  return true;
}

Status RecordCursor::status() const {
  if (bad_) return bad_batch(fmt::format("a record of the batch does not decode; {} records before the end", left_));
  if (left_ > 0) return bad_batch(fmt::format("the batch was not read to its end: records left {}", left_));
  if (at_ != end_) return bad_batch(fmt::format("bytes left over behind the last record: {}", end_ - at_));
  return {};
}

Result<size_t> RecordBatchView::batch_length_at(std::string_view bytes) {
  if (bytes.size() < kLengthPrefixBytes)
    return bad_batch(fmt::format("record batch is cut off: bytes {}", bytes.size()));
  auto length = load_big<int32_t>(bytes.data() + kLengthAt);
  if (length < static_cast<int32_t>(kBatchHeaderBytes - kLengthPrefixBytes)) {
    return bad_batch(fmt::format("record batch has a length below its header's: {}", length));
  }
  return static_cast<size_t>(length) + kLengthPrefixBytes;
}

Result<RecordBatchView> RecordBatchView::parse_unchecked(std::string_view bytes) {
  MR_ASSIGN(size_t length, batch_length_at(bytes));
  if (length != bytes.size()) {
    return bad_batch(fmt::format("record batch says it has {} bytes, there are {}", length, bytes.size()));
  }
  if (bytes[kMagicAt] != 2) {
    return bad_batch(fmt::format("record batch has a version other than 2: {}", static_cast<int>(bytes[kMagicAt])));
  }
  RecordBatchView view(bytes);
  if (view.record_count() < 0 || view.last_offset_delta() < 0) {
    return bad_batch(fmt::format("record batch has a negative count: {}", view.record_count()));
  }
  return view;
}

Result<RecordBatchView> RecordBatchView::parse(std::string_view bytes) {
  MR_ASSIGN(RecordBatchView view, parse_unchecked(bytes));
  uint32_t computed = crc32c(bytes.substr(kCrcCoversFrom));
  if (computed != view.crc()) {
    return bad_batch(fmt::format("record batch has a wrong CRC: {:08x} instead of {:08x}", view.crc(), computed));
  }
  return view;
}

Offset RecordBatchView::base_offset() const { return Offset{load_big<int64_t>(bytes_.data())}; }
int32_t RecordBatchView::partition_leader_epoch() const { return load_big<int32_t>(bytes_.data() + kLeaderEpochAt); }
int16_t RecordBatchView::attributes() const { return load_big<int16_t>(bytes_.data() + kAttributesAt); }
int32_t RecordBatchView::last_offset_delta() const { return load_big<int32_t>(bytes_.data() + kLastOffsetDeltaAt); }
int64_t RecordBatchView::base_timestamp_ms() const { return load_big<int64_t>(bytes_.data() + kBaseTimestampAt); }
int64_t RecordBatchView::max_timestamp_ms() const { return load_big<int64_t>(bytes_.data() + kMaxTimestampAt); }
int64_t RecordBatchView::producer_id() const { return load_big<int64_t>(bytes_.data() + kProducerIdAt); }
int16_t RecordBatchView::producer_epoch() const { return load_big<int16_t>(bytes_.data() + kProducerEpochAt); }
int32_t RecordBatchView::base_sequence() const { return load_big<int32_t>(bytes_.data() + kBaseSequenceAt); }
int32_t RecordBatchView::record_count() const { return load_big<int32_t>(bytes_.data() + kRecordCountAt); }
uint32_t RecordBatchView::crc() const { return load_big<uint32_t>(bytes_.data() + kCrcAt); }

Result<RecordCursor> RecordBatchView::records(Decompressor& decompressor, size_t bytes_max) const {
  std::string_view stored = bytes_.substr(kBatchHeaderBytes);
  if (compression() == Compression::kNone) return RecordCursor(stored, record_count());
  MR_ASSIGN(std::string_view unpacked, decompressor.unpack(compression(), stored, bytes_max));
  return RecordCursor(unpacked, record_count());
}

bool matches(const RecordBatchView& batch, Offset base_offset, int32_t offset_count, bool compacted) {
  const bool counts = compacted ? batch.last_offset_delta() == offset_count - 1 && batch.record_count() <= offset_count
                                : batch.record_count() == offset_count;
  return batch.base_offset() == base_offset && counts && batch.partition_leader_epoch() == 0;
}

void patch_batch(char* batch, Offset base_offset, int32_t partition_leader_epoch) {
  store_big<int64_t>(batch, base_offset.value);
  store_big<int32_t>(batch + kLeaderEpochAt, partition_leader_epoch);
}

}  // namespace millrace::log
