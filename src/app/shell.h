// Shell: `millrace sql` without -c. Statements end with `;` and may take many lines; a backslash starts a command of
// the shell itself (\? lists them). Lines are kept in ~/.millrace_history.
#pragma once

#include <string>
#include <string_view>

#include "app/answer.h"
#include "app/executor.h"

namespace millrace::app {

class Shell {
 public:
  Shell(Executor& executor, Format format) : executor_(executor), format_(format) {}

  /// Reads from the terminal until \q or the end of input. A statement that fails does not end it.
  int interact();
  /// Runs what standard input holds; stops at the first statement that fails.
  int run_input();

  /// Takes one line of input: runs what it completes. False when the shell should end.
  bool take_line(std::string_view line);
  /// Whether a statement is begun and not ended.
  bool inside_statement() const { return !pending_.empty(); }
  /// Whether anything failed so far.
  bool failed() const { return failed_; }

 private:
  bool run_backslash(std::string_view command);
  void run_statements(std::string_view text);
  bool run(std::string_view statement, std::string_view text, size_t offset);

  Executor& executor_;
  Format format_;
  std::string pending_;
  bool interactive_ = false;
  bool failed_ = false;
};

/// The statements of a text, views into it, each with its `;`. What follows the last one is the last element when it is
/// more than space and comments. Text that cannot be cut (an open quote) is one statement.
std::vector<std::string_view> split_statements(std::string_view text);

}  // namespace millrace::app
