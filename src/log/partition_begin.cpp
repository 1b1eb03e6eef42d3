#include "log/partition_begin.h"

#include <fmt/format.h>

#include <charconv>

#include "base/paths.h"
#include "base/sealed_text.h"

namespace millrace::log {

namespace {

constexpr std::string_view kWord = "begin ";

}  // namespace

std::string begin_path(const std::string& directory) { return join_path(directory, "begin"); }

Status write_begin(FileSystem& files, const std::string& directory, Offset begin) {
  return files.write_atomically(begin_path(directory), seal_text(fmt::format("{}{}\n", kWord, begin.value)));
}

Result<std::optional<Offset>> read_begin(FileSystem& files, const std::string& directory) {
  MR_ASSIGN(const bool exists, files.exists(begin_path(directory)));
  if (!exists) return std::optional<Offset>();
  MR_ASSIGN(const std::string bytes, files.read_all(begin_path(directory)));
  const Result<std::string_view> text = open_sealed(bytes);
  if (!text.ok() || !text->starts_with(kWord)) return std::optional<Offset>();
  Offset begin;
  const char* end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data() + kWord.size(), end, begin.value);
  if (parsed.ec != std::errc() || parsed.ptr + 1 != end) return std::optional<Offset>();
  return std::optional<Offset>(begin);
}

}  // namespace millrace::log
