#include "app/history_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "base/text.h"

namespace millrace::app {
namespace {

constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;

std::string read_whole(const std::string& path) {
  std::string text;
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return text;
  char bytes[16 << 10];
  ssize_t count;
  while ((count = read(file, bytes, sizeof bytes)) > 0) text.append(bytes, static_cast<size_t>(count));
  close(file);
  return text;
}

/// One write, so that lines of two shells do not mix.
bool write_with(const std::string& path, int flags, const std::string& text) {
  int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, kOwnerOnly);
  if (file < 0) return false;
  bool done =
      fchmod(file, kOwnerOnly) == 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(file);
  return done;
}

}  // namespace

std::vector<std::string> HistoryFile::load() {
  std::string text = read_whole(path_);
  std::vector<std::string> lines;
  for (std::string_view line : split_view(text, '\n')) {
    if (!line.empty() && is_valid_utf8(line)) lines.emplace_back(line);
  }
  if (lines.size() <= kLinesMax) return lines;
  bool grown = lines.size() > 2 * kLinesMax;
  lines.erase(lines.begin(), lines.end() - kLinesMax);
  std::string beside = path_ + ".new";
  if (grown && write_with(beside, O_TRUNC, join(lines, "\n") + "\n")) std::rename(beside.c_str(), path_.c_str());
  return lines;
}

void HistoryFile::append(std::string_view line) {
  if (!path_.empty()) write_with(path_, O_APPEND, std::string(line) + "\n");
}

}  // namespace millrace::app
