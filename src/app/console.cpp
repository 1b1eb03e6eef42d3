#include "app/console.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>

#include "app/command_line.h"
#include "base/display.h"
#include "base/real_env.h"

namespace millrace::app {
namespace {

std::optional<size_t> columns_of(int descriptor) {
  winsize size{};
  if (isatty(descriptor) != 1 || ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return std::nullopt;
  return size.ws_col;
}

// Whether rewrite_message left a line standing; a message behind it would run into it.
std::mutex message_mutex;
bool line_stands = false;  // guarded by message_mutex

}  // namespace

Status write_output(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return errno_error("writing to standard output", errno);
  }
  return {};
}

void write_message(std::string_view line) {
  std::lock_guard guard(message_mutex);
  std::string text = line_stands ? "\r\033[K" : "";
  text.append(line).push_back('\n');
  line_stands = false;
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

void write_error(std::string_view who, const Error& error, std::string_view text) {
  std::string shown = render(error, text, columns_of(STDERR_FILENO).value_or(kExcerptColumns));
  while (!shown.empty() && shown.back() == '\n') shown.pop_back();
  write_message(std::string(who) + ": " + shown);
}

void rewrite_message(std::string_view line) {
  // Room for the ^C that the terminal itself writes behind it: a line that wraps cannot be replaced.
  size_t room = std::max<size_t>(columns_of(STDERR_FILENO).value_or(kExcerptColumns), 4) - 3;
  std::lock_guard guard(message_mutex);
  line_stands = !line.empty();
  std::fprintf(stderr, "\r\033[K%s", cut_to_width(line, room).c_str());
}

int report_failure(const Error& error, std::string_view text) {
  write_error("millrace", error, text);
  return kExitFailed;
}

int report_usage(std::string_view reason, std::string_view hint) {
  write_message("millrace: " + std::string(reason));
  if (!hint.empty()) write_message("HINT: " + std::string(hint));
  return kExitUsage;
}

bool output_is_terminal() { return isatty(STDOUT_FILENO) == 1; }
bool messages_can_be_rewritten() {
  return isatty(STDERR_FILENO) == 1 && environment_variable("TERM").value_or("dumb") != "dumb";
}
bool input_is_terminal() { return isatty(STDIN_FILENO) == 1; }

size_t terminal_width(size_t otherwise) { return columns_of(STDOUT_FILENO).value_or(otherwise); }

Result<size_t> read_input(char* buffer, size_t length) {
  while (true) {
    ssize_t count = read(STDIN_FILENO, buffer, length);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) return errno_error("reading standard input", errno);
  }
}

Result<std::string> read_secret_line(std::string_view prompt) {
  termios shown{};
  const bool hides = input_is_terminal() && tcgetattr(STDIN_FILENO, &shown) == 0;
  if (hides) {
    termios hidden = shown;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    std::fprintf(stderr, "%.*s", static_cast<int>(prompt.size()), prompt.data());
  }
  std::string line;
  Status failed;
  for (char byte = 0;; line.push_back(byte)) {
    auto count = read_input(&byte, 1);
    if (!count.ok()) failed = std::move(count).error();
    if (!count.ok() || *count == 0 || byte == '\n') break;
  }
  if (hides) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    std::fprintf(stderr, "\n");
  }
  if (!failed.ok()) return failed.error();
  return line;
}

}  // namespace millrace::app
