#include "app/line_editor.h"

#include <editline/readline.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "app/console.h"
#include "app/terminal_keys.h"
#include "base/real_env.h"
#include "base/text.h"

namespace millrace::app {
namespace {

// libedit calls back without a context.
TerminalKeys* keys_under_way = nullptr;

int next_key(FILE*) { return keys_under_way->next(rl_forced_update_display); }

/// libedit shows characters as the thread's locale has them; without one it drops all that is not ASCII.
class Utf8Locale {
 public:
  Utf8Locale() {
    locale_ = newlocale(LC_CTYPE_MASK, "", nullptr);
    if (locale_ != nullptr && std::strcmp(nl_langinfo_l(CODESET, locale_), "UTF-8") != 0) {
      freelocale(locale_);
      locale_ = nullptr;
    }
    if (locale_ == nullptr) locale_ = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (locale_ != nullptr) before_ = uselocale(locale_);
  }
  ~Utf8Locale() {
    if (locale_ == nullptr) return;
    uselocale(before_);
    freelocale(locale_);
  }

 private:
  locale_t locale_ = nullptr;
  locale_t before_ = nullptr;
};

void block_hangup() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

std::string history_path() {
  auto home = environment_variable("HOME");
  return home && !home->empty() ? *home + "/.millrace_history" : std::string();
}

}  // namespace

LineEditor::LineEditor() : history_(history_path()) {
  block_hangup();
  tcgetattr(STDIN_FILENO, &outside_);
  Utf8Locale locale;
  rl_getc_function = next_key;
  rl_initialize();
  rl_bind_key('\t', rl_insert);  // not the names of files: pasted text has tabs
  using_history();
  stifle_history(HistoryFile::kLinesMax);
  for (const std::string& line : history_.load()) add_history(line.c_str());
  keep_typed_ahead();
}

LineEditor::~LineEditor() { tcsetattr(STDIN_FILENO, TCSADRAIN, &outside_); }

LineEditor::Line LineEditor::read(const char* prompt) {
  TerminalKeys keys;
  keys_under_way = &keys;
  Utf8Locale locale;
  char* text = readline(prompt);
  keys_under_way = nullptr;
  if (keys.stop() == TerminalKeys::Stop::kInterrupted) {
    std::free(text);
    keep_typed_ahead();
    (void)write_output("^C\n");
    return {Kind::kInterrupted, {}};
  }
  if (text == nullptr) {
    (void)write_output("\n");
    return {Kind::kEnd, {}};
  }
  Line line{Kind::kLine, text};
  std::free(text);
  keep_typed_ahead();
  if (trim(line.text).empty() || line.text == last_) return line;
  last_ = line.text;
  add_history(last_.c_str());
  history_.append(last_);
  return line;
}

void LineEditor::keep_typed_ahead() {
  // The terminal's own line editing echoes what libedit echoes again, and drops what is beyond 4,095 bytes of a line.
  termios quiet = outside_;
  quiet.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet);
}

}  // namespace millrace::app
