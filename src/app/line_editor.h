// LineEditor: lines from the terminal with editing and history, over libedit. One in a process; one thread.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::app {

class LineEditor {
 public:
  /// Loads ~/.millrace_history, when there is one.
  LineEditor();
  /// Saves the last 1,000 lines there.
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  enum class Kind : uint8_t { kLine, kInterrupted, kEnd };
  struct Line {
    Kind kind = Kind::kEnd;
    std::string text;
  };
  /// kInterrupted: Ctrl-C was pressed; what was typed is gone.
  Line read(const char* prompt);

 private:
  std::string history_path_;  ///< empty: nowhere to keep it
  std::string last_;
};

}  // namespace millrace::app
