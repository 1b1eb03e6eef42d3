// Content codings of request bodies: gzip, zstd, identity, with a bound on what they unpack to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/byte_budget.h"

namespace millrace::server {

enum class ContentCoding : uint8_t { kIdentity, kGzip, kZstd };

/// A Content-Encoding header's value; empty is identity. Fails with kNotSupported.
Result<ContentCoding> parse_content_coding(std::string_view text);

/// Unpacks the whole body (several gzip members or zstd frames in a row are one body). Fails with kInvalidText when it
/// is damaged or cut off, with kTooLarge when it would be longer than `bytes_max`, and with kUnavailable when `claim`
/// cannot grow. The claim grows with the output, so a bomb is stopped early.
Result<std::string> unpack(ContentCoding coding, std::string_view body, uint64_t bytes_max, ByteBudget::Claim& claim);

}  // namespace millrace::server
