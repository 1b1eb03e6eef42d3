#include "log/compression.h"

#include <fmt/format.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "base/bytes.h"

namespace millrace::log {

namespace {

constexpr int kZstdLevel = 3;
constexpr std::string_view kSnappyFraming("\x82SNAPPY\0", 8);
constexpr size_t kSnappyHeadBytes = 16;  // the framing's magic and two versions
constexpr size_t kFirstBufferBytes = size_t{64} << 10;

struct FreeLz4 {
  void operator()(LZ4F_dctx* context) const { LZ4F_freeDecompressionContext(context); }
};
struct FreeZstd {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Error bad_data(std::string_view codec, std::string_view why) {
  return user_error(sqlstate::kDataCorrupted, fmt::format("compressed records do not unpack ({}): {}", codec, why));
}

Error too_large(size_t bytes_max) {
  return user_error(sqlstate::kTooLarge,
                    fmt::format("a record batch unpacks to more than the limit: {} bytes", bytes_max));
}

}  // namespace

struct Decompressor::State {
  std::unique_ptr<char[]> buffer;
  size_t capacity = 0;
  std::unique_ptr<LZ4F_dctx, FreeLz4> lz4;
  std::unique_ptr<ZSTD_DCtx, FreeZstd> zstd;

  /// Makes room for more than `used` bytes, which are kept. Never more than bytes_max + 1: the one byte too many shows
  /// that the limit was passed.
  Status grow(size_t used, size_t bytes_max);
  Result<std::string_view> unpack_lz4(std::string_view packed, size_t bytes_max);
  Result<std::string_view> unpack_zstd(std::string_view packed, size_t bytes_max);
  Result<std::string_view> unpack_gzip(std::string_view packed, size_t bytes_max);
  Result<std::string_view> unpack_snappy(std::string_view packed, size_t bytes_max);
  /// One block behind the `used` bytes; returns how many are used then.
  Result<size_t> unpack_snappy_block(std::string_view block, size_t used, size_t bytes_max);
};

Decompressor::Decompressor() : state_(std::make_unique<State>()) {}
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

Status Decompressor::State::grow(size_t used, size_t bytes_max) {
  if (used > bytes_max) return too_large(bytes_max);
  if (capacity > used) return {};
  size_t wanted = std::max(kFirstBufferBytes, capacity * 2);
  auto larger = std::make_unique_for_overwrite<char[]>(wanted);
  std::copy_n(buffer.get(), used, larger.get());
  buffer = std::move(larger);
  capacity = wanted;
  return {};
}

Result<std::string_view> Decompressor::State::unpack_lz4(std::string_view packed, size_t bytes_max) {
  if (!lz4) {
    LZ4F_dctx* made = nullptr;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION))) return internal_error("no memory for lz4");
    lz4.reset(made);
  }
  LZ4F_resetDecompressionContext(lz4.get());
  size_t used = 0;
  size_t hint = 1;
  while (hint != 0) {
    MR_TRY(grow(used, bytes_max));
    size_t room = std::min(capacity, bytes_max + 1) - used;
    size_t taken = packed.size();
    size_t written = room;
    hint = LZ4F_decompress(lz4.get(), buffer.get() + used, &written, packed.data(), &taken, nullptr);
    if (LZ4F_isError(hint)) return bad_data("lz4", LZ4F_getErrorName(hint));
    if (taken == 0 && written == 0 && hint != 0) return bad_data("lz4", "the frame is cut off");
    packed.remove_prefix(taken);
    used += written;
  }
  if (!packed.empty()) return bad_data("lz4", "bytes follow the frame");
  if (used > bytes_max) return too_large(bytes_max);
  return std::string_view(buffer.get(), used);
}

Result<std::string_view> Decompressor::State::unpack_zstd(std::string_view packed, size_t bytes_max) {
  if (!zstd) zstd.reset(ZSTD_createDCtx());
  if (!zstd) return internal_error("no memory for zstd");
  ZSTD_DCtx_reset(zstd.get(), ZSTD_reset_session_only);
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  size_t used = 0;
  size_t hint = 1;
  while (hint != 0) {
    MR_TRY(grow(used, bytes_max));
    size_t room = std::min(capacity, bytes_max + 1) - used;
    ZSTD_outBuffer out{buffer.get() + used, room, 0};
    size_t in_before = in.pos;
    hint = ZSTD_decompressStream(zstd.get(), &out, &in);
    if (ZSTD_isError(hint)) return bad_data("zstd", ZSTD_getErrorName(hint));
    used += out.pos;
    if (hint != 0 && out.pos == 0 && in.pos == in_before) return bad_data("zstd", "the frame is cut off");
    if (hint == 0 && in.pos < in.size) hint = 1;  // another frame follows: RFC 8878 lets frames be put together
  }
  if (used > bytes_max) return too_large(bytes_max);
  return std::string_view(buffer.get(), used);
}

Result<std::string_view> Decompressor::State::unpack_gzip(std::string_view packed, size_t bytes_max) {
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) return internal_error("no memory for gzip");
  std::unique_ptr<z_stream, int (*)(z_streamp)> guard(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  size_t used = 0;
  int code = Z_OK;
  while (code != Z_STREAM_END) {
    MR_TRY(grow(used, bytes_max));
    size_t room = std::min<size_t>(std::min(capacity, bytes_max + 1) - used, size_t{1} << 30);
    stream.next_out = reinterpret_cast<Bytef*>(buffer.get() + used);
    stream.avail_out = static_cast<uInt>(room);
    code = inflate(&stream, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END) return bad_data("gzip", code == Z_BUF_ERROR ? "cut off" : "damaged");
    used += room - stream.avail_out;
  }
  if (stream.avail_in != 0) return bad_data("gzip", "bytes follow the stream");
  if (used > bytes_max) return too_large(bytes_max);
  return std::string_view(buffer.get(), used);
}

Result<size_t> Decompressor::State::unpack_snappy_block(std::string_view block, size_t used, size_t bytes_max) {
  size_t length = 0;
  if (snappy_uncompressed_length(block.data(), block.size(), &length) != SNAPPY_OK) {
    return bad_data("snappy", "no length");
  }
  if (length > bytes_max - used) return too_large(bytes_max);
  // A block unpacks to at most 64 bytes for every 3: a length that lies allocates nothing.
  if (length > block.size() * 32) return bad_data("snappy", "a length that cannot be");
  while (capacity - used < length) MR_TRY(grow(capacity, bytes_max + capacity));
  if (length > 0 && snappy_uncompress(block.data(), block.size(), buffer.get() + used, &length) != SNAPPY_OK) {
    return bad_data("snappy", "damaged");
  }
  return used + length;
}

/// One block, as librdkafka writes it, or the framing of Java's clients: a head, then blocks with their lengths.
Result<std::string_view> Decompressor::State::unpack_snappy(std::string_view packed, size_t bytes_max) {
  MR_TRY(grow(0, bytes_max));
  size_t used = 0;
  if (!packed.starts_with(kSnappyFraming)) {
    MR_ASSIGN(used, unpack_snappy_block(packed, 0, bytes_max));
    return std::string_view(buffer.get(), used);
  }
  if (packed.size() < kSnappyHeadBytes) return bad_data("snappy", "cut off");
  packed.remove_prefix(kSnappyHeadBytes);
  while (!packed.empty()) {
    uint32_t length = packed.size() < 4 ? UINT32_MAX : load_big<uint32_t>(packed.data());
    if (length > packed.size() - std::min<size_t>(packed.size(), 4)) return bad_data("snappy", "cut off");
    MR_ASSIGN(used, unpack_snappy_block(packed.substr(4, length), used, bytes_max));
    packed.remove_prefix(4 + length);
  }
  return std::string_view(buffer.get(), used);
}

Result<std::string_view> Decompressor::unpack(Compression compression, std::string_view packed, size_t bytes_max) {
  switch (compression) {
    case Compression::kNone: return packed;
    case Compression::kGzip: return state_->unpack_gzip(packed, bytes_max);
    case Compression::kLz4: return state_->unpack_lz4(packed, bytes_max);
    case Compression::kZstd: return state_->unpack_zstd(packed, bytes_max);
    case Compression::kSnappy: return state_->unpack_snappy(packed, bytes_max);
  }
  return user_error(sqlstate::kNotSupported,
                    fmt::format("record batches of this compression are not taken: {}", static_cast<int>(compression)))
      .with_hint("Set the producer's compression to lz4, zstd, snappy, gzip or none.");
}

namespace {

Status append_lz4(std::string_view bytes, std::string& out) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  size_t before = out.size();
  out.resize(before + LZ4F_compressFrameBound(bytes.size(), &preferences));
  size_t written =
      LZ4F_compressFrame(out.data() + before, out.size() - before, bytes.data(), bytes.size(), &preferences);
  if (LZ4F_isError(written)) return internal_error(fmt::format("lz4 failed: {}", LZ4F_getErrorName(written)));
  out.resize(before + written);
  return {};
}

Status append_zstd(std::string_view bytes, std::string& out) {
  size_t before = out.size();
  out.resize(before + ZSTD_compressBound(bytes.size()));
  size_t written = ZSTD_compress(out.data() + before, out.size() - before, bytes.data(), bytes.size(), kZstdLevel);
  if (ZSTD_isError(written)) return internal_error(fmt::format("zstd failed: {}", ZSTD_getErrorName(written)));
  out.resize(before + written);
  return {};
}

}  // namespace

Status append_packed(Compression compression, std::string_view bytes, std::string& out) {
  if (compression == Compression::kLz4) return append_lz4(bytes, out);
  if (compression == Compression::kZstd) return append_zstd(bytes, out);
  return internal_error(fmt::format("records are not packed with this codec: {}", static_cast<int>(compression)));
}

}  // namespace millrace::log
