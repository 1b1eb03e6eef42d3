// HistoryFile: the lines that were typed, one a line of a text file that only its owner may read (statements hold
// passwords). Two shells may append to one file. What fails is left out: no history is no reason to stop.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::app {

class HistoryFile {
 public:
  static constexpr size_t kLinesMax = 1000;

  /// An empty path keeps nothing.
  explicit HistoryFile(std::string path) : path_(std::move(path)) {}

  /// The last kLinesMax lines, oldest first. A file that has grown beyond twice that is cut to them.
  std::vector<std::string> load();
  void append(std::string_view line);

 private:
  std::string path_;
};

}  // namespace millrace::app
