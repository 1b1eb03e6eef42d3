// Small text files that must not be believed when a byte of them is wrong: lines, then a last line "crc32c 5f0c9a11" of
// all bytes before it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

std::string seal_text(std::string text);
/// What was sealed, a view into `bytes`; kDataCorrupted when it is not whole.
Result<std::string_view> open_sealed(std::string_view bytes);

}  // namespace millrace
