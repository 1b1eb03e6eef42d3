// Scalars of SQL types as text, appended; the way back from scalar_text.h. No allocation of their own, no locale.
// Private to formats/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "batch/batch.h"

namespace millrace::formats {

void append_int128(std::string& out, batch::int128 value);
/// An integer scaled by 10^scale: 1250 with scale 2 is 12.50.
void append_decimal(std::string& out, batch::int128 scaled, uint8_t scale);
/// Days since the epoch: 2025-01-31; infinity and -infinity as DuckDB keeps them.
void append_date(std::string& out, int32_t days);
/// Microseconds since midnight: 23:59:59, with .123 or .123456 when there are parts of a second.
void append_time(std::string& out, int64_t micros);
/// 2025-01-31T23:59:59Z, with 3, 6 or 9 digits of a second as needed; units_per_second: 1, 1e3, 1e6 or 1e9.
void append_timestamp(std::string& out, int64_t value, int64_t units_per_second);
/// DuckDB's UUID: the 128-bit value with its top bit flipped.
void append_uuid(std::string& out, batch::int128 value);
/// RFC 4648 section 4, padded.
void append_base64(std::string& out, std::string_view bytes);

}  // namespace millrace::formats
