// An answer as a table of text: a ruled header, numbers at the right, long values cut so that it fits the terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "app/answer.h"

namespace millrace::app {

/// `width`: columns of the terminal; 0: as wide as the values are.
std::string table_text(const Answer& answer, size_t width);

}  // namespace millrace::app
