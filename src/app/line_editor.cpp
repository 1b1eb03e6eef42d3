#include "app/line_editor.h"

#include <editline/readline.h>
#include <setjmp.h>
#include <signal.h>

#include <cstdlib>

#include "app/console.h"
#include "base/real_env.h"
#include "base/text.h"

namespace millrace::app {
namespace {

constexpr int kHistoryLines = 1000;

// readline() comes back from Ctrl-C only by a jump: libedit takes up its read again after a signal. The jump passes
// over C frames of libedit alone.
sigjmp_buf interrupted_jump;
volatile sig_atomic_t jump_is_set = 0;

extern "C" void on_interrupt(int) {
  if (jump_is_set == 0) return;
  jump_is_set = 0;
  siglongjmp(interrupted_jump, 1);
}

/// Lets SIGINT through while a line is read; everything else in the program has it blocked.
class InterruptWindow {
 public:
  InterruptWindow() {
    struct sigaction action = {};
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &old_action_);
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &interrupt, &old_mask_);
  }
  ~InterruptWindow() {
    jump_is_set = 0;
    pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
    sigaction(SIGINT, &old_action_, nullptr);
  }

 private:
  struct sigaction old_action_ = {};
  sigset_t old_mask_ = {};
};

/// The line, malloc'ed by libedit; null at the end of input or when `interrupted` was set.
char* read_with_jump(const char* prompt, bool& interrupted) {
  if (sigsetjmp(interrupted_jump, 1) != 0) {
    interrupted = true;
    return nullptr;
  }
  jump_is_set = 1;
  char* line = readline(prompt);
  jump_is_set = 0;
  return line;
}

}  // namespace

LineEditor::LineEditor() {
  rl_initialize();
  using_history();
  stifle_history(kHistoryLines);
  if (auto home = environment_variable("HOME")) {
    history_path_ = *home + "/.millrace_history";
    read_history(history_path_.c_str());
  }
}

LineEditor::~LineEditor() {
  if (!history_path_.empty()) write_history(history_path_.c_str());
}

LineEditor::Line LineEditor::read(const char* prompt) {
  InterruptWindow window;
  bool interrupted = false;
  char* text = read_with_jump(prompt, interrupted);
  if (interrupted) {
    rl_deprep_terminal();
    (void)write_output("^C\n");
    return {Kind::kInterrupted, {}};
  }
  if (text == nullptr) {
    (void)write_output("\n");
    return {Kind::kEnd, {}};
  }
  Line line{Kind::kLine, text};
  std::free(text);
  if (!trim(line.text).empty() && line.text != last_) {
    add_history(line.text.c_str());
    last_ = line.text;
  }
  return line;
}

}  // namespace millrace::app
