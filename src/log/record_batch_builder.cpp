#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"
#include "log/compression.h"
#include "log/record_batch.h"

namespace millrace::log {

namespace {

constexpr size_t kVarintBytesMax = 10;
/// Room for the length, attributes, both deltas, the two lengths and the header count of a record.
constexpr size_t kRecordOverheadMax = 6 * kVarintBytesMax + 1;
constexpr size_t kFirstBufferBytes = size_t{16} << 10;

constexpr uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

constexpr size_t zigzag_bytes(int64_t value) {
  return (static_cast<size_t>(std::bit_width(zigzag(value) | 1)) + 6) / 7;
}

char* put_zigzag(char* at, int64_t value) {
  uint64_t raw = zigzag(value);
  while (raw >= 0x80) {
    *at++ = static_cast<char>(raw | 0x80);
    raw >>= 7;
  }
  *at++ = static_cast<char>(raw);
  return at;
}

int64_t length_of(const std::optional<std::string_view>& bytes) {
  return bytes ? static_cast<int64_t>(bytes->size()) : -1;
}

size_t nullable_bytes(const std::optional<std::string_view>& bytes) {
  return zigzag_bytes(length_of(bytes)) + (bytes ? bytes->size() : 0);
}

char* put_nullable(char* at, const std::optional<std::string_view>& bytes) {
  at = put_zigzag(at, length_of(bytes));
  if (!bytes) return at;
  return std::copy_n(bytes->data(), bytes->size(), at);
}

size_t headers_bytes(std::span<const RecordHeader> headers) {
  size_t total = 0;
  for (const RecordHeader& header : headers) total += nullable_bytes(header.key) + nullable_bytes(header.value);
  return total;
}

}  // namespace

char* RecordBatchBuilder::reserve(size_t bytes) {
  if (buffer_.size() < used_ + bytes) {
    buffer_.resize(std::max({used_ + bytes, buffer_.size() * 2, buffer_bytes_hint_, kFirstBufferBytes}));
  }
  return buffer_.data() + used_;
}

void RecordBatchBuilder::add(std::optional<std::string_view> key, std::optional<std::string_view> value,
                             std::span<const RecordHeader> headers, int64_t timestamp_ms) {
  if (count_ == 0) {
    base_timestamp_ms_ = timestamp_ms;
    max_timestamp_ms_ = timestamp_ms;
  }
  max_timestamp_ms_ = std::max(max_timestamp_ms_, timestamp_ms);
  // Unsigned, so that times of producers with wild clocks wrap instead of overflowing; readers add with wrapping too.
  auto timestamp_delta =
      static_cast<int64_t>(static_cast<uint64_t>(timestamp_ms) - static_cast<uint64_t>(base_timestamp_ms_));
  auto header_count = static_cast<int64_t>(headers.size());
  size_t body = 1 + zigzag_bytes(timestamp_delta) + zigzag_bytes(count_) + nullable_bytes(key) + nullable_bytes(value) +
                zigzag_bytes(header_count) + headers_bytes(headers);
  char* start = reserve(body + kRecordOverheadMax);
  char* at = put_zigzag(start, static_cast<int64_t>(body));
  *at++ = 0;  // attributes
  at = put_zigzag(at, timestamp_delta);
  at = put_zigzag(at, count_);
  at = put_nullable(at, key);
  at = put_nullable(at, value);
  at = put_zigzag(at, header_count);
  for (const RecordHeader& header : headers) {
    at = put_nullable(at, header.key);
    at = put_nullable(at, header.value);
  }
  used_ += static_cast<size_t>(at - start);
  ++count_;
}

Result<std::string> RecordBatchBuilder::finish(Compression compression) {
  if (count_ == 0) return internal_error("a record batch needs at least one record");
  if (used_ > INT32_MAX)
    return user_error(sqlstate::kTooLarge, fmt::format("record batch is larger than 2 GiB: {}", used_));
  std::string batch;
  if (compression == Compression::kNone) {
    buffer_bytes_hint_ = used_ + used_ / 8;
    batch = std::move(buffer_);
    buffer_.clear();
    batch.resize(used_);
  } else {
    batch.resize(kBatchHeaderBytes);
    MR_TRY(append_packed(compression, std::string_view(buffer_).substr(kBatchHeaderBytes, used_ - kBatchHeaderBytes),
                         batch));
    if (batch.size() > INT32_MAX)
      return user_error(sqlstate::kTooLarge, "record batch is larger than 2 GiB, compressed");
  }
  char* at = batch.data();
  patch_batch(at, Offset{0}, 0);
  store_big<int32_t>(at + 8, static_cast<int32_t>(batch.size() - 12));
  at[16] = 2;
  store_big<int16_t>(at + 21, static_cast<int16_t>(compression));
  store_big<int32_t>(at + 23, count_ - 1);
  store_big<int64_t>(at + 27, base_timestamp_ms_);
  store_big<int64_t>(at + 35, max_timestamp_ms_);
  store_big<int64_t>(at + 43, -1);
  store_big<int16_t>(at + 51, -1);
  store_big<int32_t>(at + 53, -1);
  store_big<int32_t>(at + 57, count_);
  store_big<uint32_t>(at + 17, crc32c(std::string_view(batch).substr(21)));
  used_ = kBatchHeaderBytes;
  count_ = 0;
  return batch;
}

namespace {

Result<std::string> repacked(const RecordBatchView& batch, Compression compression, std::string_view records,
                             int32_t record_count, int64_t max_timestamp_ms) {
  std::string out(batch.bytes().substr(0, kBatchHeaderBytes));
  if (compression == Compression::kNone) {
    out.append(records);
  } else {
    MR_TRY(append_packed(compression, records, out));
  }
  char* at = out.data();
  store_big<int32_t>(at + 8, static_cast<int32_t>(out.size() - 12));
  store_big<int16_t>(at + 21, static_cast<int16_t>((batch.attributes() & ~0x07) | static_cast<int>(compression)));
  store_big<int64_t>(at + 35, max_timestamp_ms);
  store_big<int32_t>(at + 57, record_count);
  store_big<uint32_t>(at + 17, crc32c(std::string_view(out).substr(21)));
  return out;
}

}  // namespace

Result<std::string> batch_with_records(const RecordBatchView& batch, std::string_view records, int32_t record_count,
                                       int64_t max_timestamp_ms) {
  Compression compression = record_count == 0 ? Compression::kNone : batch.compression();
  if (compression == Compression::kGzip) compression = Compression::kLz4;
  return repacked(batch, compression, records, record_count, max_timestamp_ms);
}

Result<std::string> unpacked_batch(const RecordBatchView& batch, Decompressor& decompressor) {
  if (batch.compression() == Compression::kNone) return std::string(batch.bytes());
  MR_ASSIGN(std::string_view records,
            decompressor.unpack(batch.compression(), batch.bytes().substr(kBatchHeaderBytes)));
  return repacked(batch, Compression::kNone, records, batch.record_count(), batch.max_timestamp_ms());
}

}  // namespace millrace::log
