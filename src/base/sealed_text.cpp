#include "base/sealed_text.h"

#include <cstdio>

#include "base/hash.h"

namespace millrace {
namespace {

std::string last_line(std::string_view text) {
  char line[32];
  std::snprintf(line, sizeof line, "crc32c %08x\n", crc32c(text));
  return line;
}

}  // namespace

std::string seal_text(std::string text) {
  text += last_line(text);
  return text;
}

Result<std::string_view> open_sealed(std::string_view bytes) {
  const size_t line = bytes.rfind("crc32c ");
  const std::string_view text = bytes.substr(0, line == std::string_view::npos ? 0 : line);
  if (line != std::string_view::npos && bytes.substr(line) == last_line(text)) return text;
  return external_error(sqlstate::kDataCorrupted, "its checksum is wrong, or missing");
}

}  // namespace millrace
