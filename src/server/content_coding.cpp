#include "server/content_coding.h"

#include <algorithm>

#include "base/text.h"
#include "formats/compression.h"

namespace millrace::server {
namespace {

constexpr size_t kOutputStep = 1 << 20;

Error too_large(uint64_t bytes_max) {
  return user_error(sqlstate::kTooLarge, "the unpacked body is over the limit of " + format_bytes(bytes_max))
      .with_hint("send it in several requests");
}

/// A damaged body is the sender's fault.
Error of_sender(Error error) {
  if (error.code != sqlstate::kDataCorrupted) return error;
  return user_error(sqlstate::kInvalidText, error.message).with_hint("nothing of it was stored; send it again");
}

Result<std::string> unpack(formats::Packing packing, std::string_view body, uint64_t bytes_max,
                           ByteBudget::Claim& claim) {
  auto unpacker = formats::make_unpacker(packing, [&body](char* buffer, size_t length) -> Result<size_t> {
    size_t count = body.copy(buffer, length);
    body.remove_prefix(count);
    return count;
  });
  std::string out;
  while (true) {
    size_t used = out.size();
    if (used > bytes_max) return too_large(bytes_max);
    // One byte past the limit, to see that there is more.
    size_t step = std::min<uint64_t>(kOutputStep, bytes_max + 1 - used);
    if (!claim.add(step)) {
      return external_error(sqlstate::kUnavailable, "too many request bodies are in memory", Retry::kBackoff);
    }
    out.resize(used + step);
    auto count = unpacker->read(out.data() + used, step);
    if (!count.ok()) return of_sender(std::move(count).error());
    out.resize(used + *count);
    if (*count < step) return out;
  }
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
  if (coding == ContentCoding::kIdentity) return std::string(body);
  if (body.empty()) {
    return user_error(sqlstate::kInvalidText, "the packed body ends too early: it is empty")
        .with_hint("nothing of it was stored; send it again");
  }
  formats::Packing packing = coding == ContentCoding::kGzip ? formats::Packing::kGzip : formats::Packing::kZstd;
  return unpack(packing, body, bytes_max, claim);
}

}  // namespace millrace::server
