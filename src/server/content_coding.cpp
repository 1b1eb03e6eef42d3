#include "server/content_coding.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "base/text.h"

namespace millrace::server {
namespace {

constexpr size_t kOutputStep = 1 << 20;
constexpr int kZstdWindowLogMax = 27;  // 128 MiB: what the zstd program itself accepts

/// The output as it grows: never past the limit or the claim.
class Output {
 public:
  Output(uint64_t bytes_max, ByteBudget::Claim& claim) : bytes_max_(bytes_max), claim_(claim) {}

  /// Makes room for another step behind what is used; one byte past the limit, to see that there is more.
  Status make_room() {
    if (used_ > bytes_max_) return too_large();
    size_t step = std::min<uint64_t>(kOutputStep, bytes_max_ + 1 - used_);
    if (!claim_.add(step)) {
      return external_error(sqlstate::kUnavailable, "too many request bodies are in memory", Retry::kBackoff);
    }
    bytes_.resize(used_ + step);
    return {};
  }
  char* room() { return bytes_.data() + used_; }
  size_t room_size() const { return bytes_.size() - used_; }
  void use(size_t count) { used_ += count; }
  Result<std::string> finish() {
    if (used_ > bytes_max_) return too_large();
    bytes_.resize(used_);
    return std::move(bytes_);
  }

 private:
  Error too_large() const {
    return user_error(sqlstate::kTooLarge, "the unpacked body is over the limit of " + format_bytes(bytes_max_))
        .with_hint("send it in several requests");
  }

  const uint64_t bytes_max_;
  ByteBudget::Claim& claim_;
  std::string bytes_;
  size_t used_ = 0;
};

Error damaged(std::string_view coding, std::string_view what) {
  return user_error(sqlstate::kInvalidText, "the " + std::string(coding) + " body is damaged: " + std::string(what))
      .with_hint("nothing of it was stored; send it again");
}

Error cut_off(std::string_view coding) {
  return user_error(sqlstate::kInvalidText, "the " + std::string(coding) + " body ends too early")
      .with_hint("nothing of it was stored; send it again");
}

Result<std::string> unpack_gzip(std::string_view body, Output output) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return internal_error("zlib has no memory");
  std::unique_ptr<z_stream, int (*)(z_stream*)> closer(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());  // a body is far below 4 GiB
  int code = Z_OK;
  while (true) {
    if (code == Z_STREAM_END) {  // the next member
      if (stream.avail_in == 0) return output.finish();
      inflateReset(&stream);
    }
    if (output.room_size() == 0) MR_TRY(output.make_room());
    size_t room = output.room_size();
    stream.next_out = reinterpret_cast<Bytef*>(output.room());
    stream.avail_out = static_cast<uInt>(room);
    code = inflate(&stream, Z_NO_FLUSH);
    size_t written = room - stream.avail_out;
    output.use(written);
    if (code == Z_BUF_ERROR || (code == Z_OK && stream.avail_in == 0 && stream.avail_out > 0)) return cut_off("gzip");
    if (code != Z_OK && code != Z_STREAM_END) return damaged("gzip", stream.msg != nullptr ? stream.msg : "not gzip");
  }
}

Result<std::string> unpack_zstd(std::string_view body, Output output) {
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!context) return internal_error("zstd has no memory");
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
  ZSTD_inBuffer in{body.data(), body.size(), 0};
  size_t hint = 1;
  while (in.pos < in.size || hint != 0) {
    if (output.room_size() == 0) MR_TRY(output.make_room());
    ZSTD_outBuffer out{output.room(), output.room_size(), 0};
    size_t before = in.pos;
    hint = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(hint)) return damaged("zstd", ZSTD_getErrorName(hint));
    output.use(out.pos);
    bool stuck = in.pos == before && out.pos == 0;
    if (hint != 0 && in.pos == in.size && (stuck || out.pos < out.size)) return cut_off("zstd");
  }
  return output.finish();
}

}  // namespace

Result<ContentCoding> parse_content_coding(std::string_view text) {
  std::string name = to_lower_ascii(trim(text));
  if (name.empty() || name == "identity") return ContentCoding::kIdentity;
  if (name == "gzip" || name == "x-gzip") return ContentCoding::kGzip;
  if (name == "zstd") return ContentCoding::kZstd;
  return user_error(sqlstate::kNotSupported,
                    "Content-Encoding is not one of gzip, zstd and identity: " + shorten(name));
}

Result<std::string> unpack(ContentCoding coding, std::string_view body, uint64_t bytes_max, ByteBudget::Claim& claim) {
  switch (coding) {
    case ContentCoding::kGzip: return unpack_gzip(body, Output(bytes_max, claim));
    case ContentCoding::kZstd: return unpack_zstd(body, Output(bytes_max, claim));
    case ContentCoding::kIdentity: break;
  }
  return std::string(body);
}

}  // namespace millrace::server
