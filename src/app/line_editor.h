// LineEditor: lines from the terminal with editing and history, over libedit. One in a process; one thread.
//
// SIGINT and SIGTERM must be blocked (hold_stop_signals); SIGHUP is from here on. All three are read beside the keys.
#pragma once

#include <termios.h>

#include <cstdint>
#include <string>

#include "app/history_file.h"

namespace millrace::app {

class LineEditor {
 public:
  /// Loads ~/.millrace_history, when there is one.
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  enum class Kind : uint8_t { kLine, kInterrupted, kEnd };
  struct Line {
    Kind kind = Kind::kEnd;
    std::string text;
  };
  /// kInterrupted: Ctrl-C was pressed; what was typed is gone. kEnd: Ctrl-D, a signal, or the terminal went away.
  /// A line is in the history, and its file, before it is returned. Until the next call the terminal shows nothing of
  /// what is typed and keeps it for then; Ctrl-C stays a signal.
  Line read(const char* prompt);

 private:
  void keep_typed_ahead();

  termios outside_ = {};  ///< how the terminal was, and will be again
  HistoryFile history_;
  std::string last_;
};

}  // namespace millrace::app
