// Kafka record batches, version 2: the bytes that a partition stores and that producers and consumers exchange.
//
// Layout: docs/formats/log.md, "The record batch" (source: the Kafka protocol's message format, KIP-98). Everything
// here works on plain memory: no file, no clock. A RecordBatchView and what it hands out point into the batch bytes (or
// into the Decompressor's buffer when the batch is compressed), which must live and stay unchanged as long as they do.
// Each object is for one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"

namespace millrace::log {

/// Bits 0 to 2 of a batch's attributes. This program packs with lz4 and zstd only, and unpacks all.
enum class Compression : uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };

/// Bytes of a batch before its first record.
inline constexpr size_t kBatchHeaderBytes = 61;
/// What one batch may unpack to, unless the caller says otherwise.
inline constexpr size_t kUncompressedBytesMax = size_t{256} << 20;

struct RecordHeader {
  std::string_view key;
  std::optional<std::string_view> value;
};

/// The headers of one record, not yet decoded. `next` walks over them.
class RecordHeaders {
 public:
  RecordHeaders() = default;
  RecordHeaders(std::string_view bytes, uint32_t count) : bytes_(bytes), left_(count) {}

  uint32_t count() const { return left_; }
  /// False at the end. The bounds were checked when the record was read.
  bool next(RecordHeader& header);

 private:
  std::string_view bytes_;
  uint32_t left_ = 0;
};

struct RecordView {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  int32_t offset_delta = 0;     ///< from the batch's base offset
  int64_t timestamp_delta = 0;  ///< milliseconds from the batch's base timestamp
  RecordHeaders headers;
};

/// Walks over the records of a batch, with no allocation. Outside bytes: a record that does not fit ends the walk.
class RecordCursor {
 public:
  RecordCursor() = default;
  RecordCursor(std::string_view records, int32_t count)
      : at_(records.data()), end_(at_ + records.size()), left_(count) {}

  /// False at the end and at the first record that does not decode; then look at `status`.
  bool next(RecordView& record) {
    if (left_ <= 0 || !decode(record)) [[unlikely]]
      return false;
    --left_;
    return true;
  }
  /// Where the next record begins: the bytes of a record lie between this before and after its `next`.
  const char* position() const { return at_; }
  /// An error when a record did not decode, when records are missing, or when bytes are left over.
  Status status() const;

 private:
  bool decode(RecordView& record);

  const char* at_ = nullptr;
  const char* end_ = nullptr;
  int32_t left_ = 0;
  bool bad_ = false;
};

/// Unpacks batches into one buffer that is used again. Keep one per reading thread; a batch that is read with it must
/// be done before the next one is.
class Decompressor {
 public:
  Decompressor();
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;

  /// The view lives until the next call. Fails when the result would pass `bytes_max`.
  Result<std::string_view> unpack(Compression compression, std::string_view packed,
                                  size_t bytes_max = kUncompressedBytesMax);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A parsed batch header over bytes that it does not own.
class RecordBatchView {
 public:
  /// Checks the lengths, the version and the CRC. `bytes` must be exactly one batch (cut with `batch_length_at`).
  static Result<RecordBatchView> parse(std::string_view bytes);
  /// Like parse, without the CRC: for bytes that this process has checked before.
  static Result<RecordBatchView> parse_unchecked(std::string_view bytes);
  /// The whole length of the batch that starts at `bytes` (12 bytes are enough to tell), for cutting a series of them.
  static Result<size_t> batch_length_at(std::string_view bytes);

  Offset base_offset() const;
  int32_t partition_leader_epoch() const;
  int16_t attributes() const;
  Compression compression() const { return static_cast<Compression>(attributes() & 0x07); }
  bool log_append_time() const { return (attributes() & 0x08) != 0; }
  bool transactional() const { return (attributes() & 0x10) != 0; }
  bool control() const { return (attributes() & 0x20) != 0; }
  int32_t last_offset_delta() const;
  int64_t base_timestamp_ms() const;
  int64_t max_timestamp_ms() const;
  int64_t producer_id() const;
  int16_t producer_epoch() const;
  int32_t base_sequence() const;
  int32_t record_count() const;
  uint32_t crc() const;
  std::string_view bytes() const { return bytes_; }

  /// A cursor over the records; unpacks with `decompressor` when the batch is compressed.
  Result<RecordCursor> records(Decompressor& decompressor, size_t bytes_max = kUncompressedBytesMax) const;

  /// Calls `fn(const RecordView&)` for every record.
  template <typename Fn>
  Status for_each(Decompressor& decompressor, Fn&& fn) const {
    MR_ASSIGN(RecordCursor cursor, records(decompressor));
    RecordView record;
    while (cursor.next(record)) fn(static_cast<const RecordView&>(record));
    return cursor.status();
  }

 private:
  explicit RecordBatchView(std::string_view bytes) : bytes_(bytes) {}

  std::string_view bytes_;
};

/// Whether the batch is the one that a frame of the log describes, in what its CRC does not cover too. In a compacted
/// segment it may hold fewer records than offsets.
bool matches(const RecordBatchView& batch, Offset base_offset, int32_t offset_count, bool compacted);

/// Sets the fields that lie outside the CRC: the base offset and the leader's epoch.
void patch_batch(char* batch, Offset base_offset, int32_t partition_leader_epoch);

/// The batch with these of its records only (their bytes as they were), none perhaps: its offsets and base timestamp
/// stay, and so does the codec where this program packs with it (else lz4).
Result<std::string> batch_with_records(const RecordBatchView& batch, std::string_view records, int32_t record_count,
                                       int64_t max_timestamp_ms);

/// The same batch without compression.
Result<std::string> unpacked_batch(const RecordBatchView& batch, Decompressor& decompressor);

/// Builds one batch. `add` any number of records, then `finish`; after that the builder is empty and can be used again.
class RecordBatchBuilder {
 public:
  RecordBatchBuilder() = default;

  /// Appends a record; a missing key or value is Kafka's null. Copies all it is given.
  void add(std::optional<std::string_view> key, std::optional<std::string_view> value,
           std::span<const RecordHeader> headers, int64_t timestamp_ms);
  void add(std::optional<std::string_view> key, std::string_view value, int64_t timestamp_ms) {
    add(key, std::optional<std::string_view>(value), {}, timestamp_ms);
  }

  int32_t record_count() const { return count_; }
  bool empty() const { return count_ == 0; }
  /// Size of the batch so far, uncompressed. A batch may not pass 2 GiB; cut long before.
  size_t size_bytes() const { return used_; }

  /// The batch with base offset 0, leader epoch 0, no producer id, and its CRC. At least one record must be there.
  Result<std::string> finish(Compression compression = Compression::kNone);

 private:
  char* reserve(size_t bytes);

  std::string buffer_;            ///< 61 bytes of room, then the records
  size_t buffer_bytes_hint_ = 0;  ///< the next buffer starts this large
  size_t used_ = kBatchHeaderBytes;
  int32_t count_ = 0;
  int64_t base_timestamp_ms_ = 0;
  int64_t max_timestamp_ms_ = 0;
};

}  // namespace millrace::log
