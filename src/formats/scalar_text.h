// Scalars of SQL types from their text, for JSON strings and CSV fields. No allocation, no locale. Private to formats/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "batch/batch.h"
#include "batch/type.h"

namespace millrace::formats {

/// A decimal integer, sign allowed, that must fit 128 bits.
std::optional<batch::int128> parse_int128(std::string_view text);
/// "12.5", "-3e2" as an integer scaled by 10^scale, exactly; nothing when digits would be lost or `width` does not
/// suffice.
std::optional<batch::int128> parse_decimal(std::string_view text, uint8_t width, uint8_t scale);
std::optional<double> parse_double(std::string_view text);
/// Days since the epoch of "2025-01-31".
std::optional<int32_t> parse_date(std::string_view text);
/// Microseconds since midnight of "23:59:59.5".
std::optional<int64_t> parse_time(std::string_view text);
/// DuckDB's UUID: the 128-bit value with its top bit flipped.
std::optional<batch::int128> parse_uuid(std::string_view text);

/// The bytes of a base64 text (RFC 4648 section 4, padded), appended to `out`. False when it is none.
bool parse_base64(std::string_view text, std::string& out);

/// Whether an integer fits the type, and its store. False when it does not fit.
bool store_integer(const batch::Type& type, batch::int128 value, batch::MutableColumn& column, size_t row);
/// Stores the text as a value of the type (not VARCHAR, BLOB or nested). False when it is not one.
bool store_text(const batch::Type& type, std::string_view text, batch::MutableColumn& column, size_t row);

/// All types that a decoder can fill, nested ones included.
bool can_decode(const batch::Type& type);

}  // namespace millrace::formats
