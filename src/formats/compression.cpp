#include "formats/compression.h"

#include <zlib.h>
#include <zstd.h>

#include <utility>

namespace millrace::formats {
namespace {

constexpr size_t kBlockBytes = 256 << 10;
constexpr int kZstdWindowLogMax = 27;  // 128 MiB: what the zstd program itself accepts
constexpr int kZstdLevel = 3;
constexpr int kGzipLevel = 6;
constexpr int kGzipWindow = 15 + 16;  // zlib: the largest window, with gzip's header

Error damaged(std::string_view packing, std::string_view what) {
  return user_error(sqlstate::kDataCorrupted, "the " + std::string(packing) + " data is damaged: " + std::string(what));
}

Error cut_off(std::string_view packing) {
  return user_error(sqlstate::kDataCorrupted, "the " + std::string(packing) + " data ends too early: it was cut off");
}

/// The packed bytes that wait.
class Block {
 public:
  explicit Block(ByteInput input) : input_(std::move(input)), bytes_(kBlockBytes, '\0') {}

  /// Reads on when nothing waits. False at the end of the input.
  Result<bool> fill() {
    if (at_ < end_) return true;
    MR_ASSIGN(end_, input_(bytes_.data(), bytes_.size()));
    at_ = 0;
    return end_ > 0;
  }
  char* data() { return bytes_.data() + at_; }
  size_t size() const { return end_ - at_; }
  void use(size_t count) { at_ += count; }

 private:
  ByteInput input_;
  std::string bytes_;
  size_t at_ = 0;
  size_t end_ = 0;
};

class PlainUnpacker final : public Unpacker {
 public:
  explicit PlainUnpacker(ByteInput input) : input_(std::move(input)) {}
  Result<size_t> read(char* buffer, size_t length) override { return input_(buffer, length); }

 private:
  ByteInput input_;
};

class GzipUnpacker final : public Unpacker {
 public:
  explicit GzipUnpacker(ByteInput input) : block_(std::move(input)) {
    MR_CHECK(inflateInit2(&stream_, kGzipWindow) == Z_OK, "zlib has no memory");
  }
  ~GzipUnpacker() override { inflateEnd(&stream_); }

  Result<size_t> read(char* buffer, size_t length) override {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer);
    stream_.avail_out = static_cast<uInt>(length);
    while (stream_.avail_out > 0) {
      MR_ASSIGN(bool more, block_.fill());
      if (!more && between_members_) break;
      if (!more) return cut_off("gzip");
      if (between_members_) MR_CHECK(inflateReset(&stream_) == Z_OK, "zlib lost its state");
      between_members_ = false;
      stream_.next_in = reinterpret_cast<Bytef*>(block_.data());
      stream_.avail_in = static_cast<uInt>(block_.size());
      int code = inflate(&stream_, Z_NO_FLUSH);
      block_.use(block_.size() - stream_.avail_in);
      between_members_ = code == Z_STREAM_END;
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
        return damaged("gzip", stream_.msg != nullptr ? stream_.msg : "not gzip");
      }
    }
    return length - stream_.avail_out;
  }

 private:
  Block block_;
  z_stream stream_{};
  bool between_members_ = true;
};

class ZstdUnpacker final : public Unpacker {
 public:
  explicit ZstdUnpacker(ByteInput input) : block_(std::move(input)), context_(ZSTD_createDCtx(), ZSTD_freeDCtx) {
    MR_CHECK(context_ != nullptr, "zstd has no memory");
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
  }

  Result<size_t> read(char* buffer, size_t length) override {
    ZSTD_outBuffer out{buffer, length, 0};
    while (out.pos < out.size) {
      MR_ASSIGN(bool more, block_.fill());
      if (!more && !inside_frame_) break;
      ZSTD_inBuffer in{block_.data(), block_.size(), 0};
      size_t before = out.pos;
      size_t hint = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(hint)) return damaged("zstd", ZSTD_getErrorName(hint));
      block_.use(in.pos);
      inside_frame_ = hint != 0;
      if (!more && inside_frame_ && out.pos == before) return cut_off("zstd");
    }
    return out.pos;
  }

 private:
  Block block_;
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context_;
  bool inside_frame_ = false;
};

class PlainPacker final : public Packer {
 public:
  Status pack(std::string_view bytes, std::string& out) override {
    out.append(bytes);
    return {};
  }
  Status finish(std::string&) override { return {}; }
};

class GzipPacker final : public Packer {
 public:
  GzipPacker() {
    MR_CHECK(deflateInit2(&stream_, kGzipLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK,
             "zlib has no memory");
  }
  ~GzipPacker() override { deflateEnd(&stream_); }

  Status pack(std::string_view bytes, std::string& out) override { return run(bytes, Z_NO_FLUSH, out); }
  Status finish(std::string& out) override { return run({}, Z_FINISH, out); }

 private:
  Status run(std::string_view bytes, int flush, std::string& out) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      size_t used = out.size();
      out.resize(used + kBlockBytes);
      stream_.next_out = reinterpret_cast<Bytef*>(out.data() + used);
      stream_.avail_out = kBlockBytes;
      int code = deflate(&stream_, flush);
      out.resize(used + kBlockBytes - stream_.avail_out);
      if (code == Z_STREAM_ERROR) return internal_error("zlib refused to pack");
    } while (stream_.avail_out == 0);
    return {};
  }

  z_stream stream_{};
};

class ZstdPacker final : public Packer {
 public:
  ZstdPacker() : context_(ZSTD_createCCtx(), ZSTD_freeCCtx) {
    MR_CHECK(context_ != nullptr, "zstd has no memory");
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kZstdLevel);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  Status pack(std::string_view bytes, std::string& out) override { return run(bytes, ZSTD_e_continue, out); }
  Status finish(std::string& out) override { return run({}, ZSTD_e_end, out); }

 private:
  Status run(std::string_view bytes, ZSTD_EndDirective directive, std::string& out) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    size_t left = 0;
    do {
      size_t used = out.size();
      out.resize(used + kBlockBytes);
      ZSTD_outBuffer room{out.data() + used, kBlockBytes, 0};
      left = ZSTD_compressStream2(context_.get(), &room, &in, directive);
      out.resize(used + room.pos);
      if (ZSTD_isError(left)) return internal_error(std::string("zstd refused to pack: ") + ZSTD_getErrorName(left));
    } while (directive == ZSTD_e_end ? left != 0 : in.pos < in.size);
    return {};
  }

  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context_;
};

}  // namespace

Packing packing_of(std::string_view first_bytes) {
  if (first_bytes.starts_with("\x1F\x8B\x08")) return Packing::kGzip;
  if (first_bytes.starts_with("\x28\xB5\x2F\xFD")) return Packing::kZstd;
  return Packing::kNone;
}

std::string_view packing_suffix(Packing packing) {
  switch (packing) {
    case Packing::kGzip: return ".gz";
    case Packing::kZstd: return ".zst";
    case Packing::kNone: break;
  }
  return "";
}

std::unique_ptr<Unpacker> make_unpacker(Packing packing, ByteInput input) {
  switch (packing) {
    case Packing::kGzip: return std::make_unique<GzipUnpacker>(std::move(input));
    case Packing::kZstd: return std::make_unique<ZstdUnpacker>(std::move(input));
    case Packing::kNone: break;
  }
  return std::make_unique<PlainUnpacker>(std::move(input));
}

std::unique_ptr<Packer> make_packer(Packing packing) {
  switch (packing) {
    case Packing::kGzip: return std::make_unique<GzipPacker>();
    case Packing::kZstd: return std::make_unique<ZstdPacker>();
    case Packing::kNone: break;
  }
  return std::make_unique<PlainPacker>();
}

}  // namespace millrace::formats
