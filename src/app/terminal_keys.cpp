#include "app/terminal_keys.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

namespace millrace::app {
namespace {

constexpr int kEndOfLineKey = 'E' - '@';  // Ctrl-E
constexpr int kReplacement = 0xfffd;

sigset_t heard_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
  return set;
}

}  // namespace

TerminalKeys::TerminalKeys() {
  sigset_t set = heard_signals();
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

TerminalKeys::~TerminalKeys() {
  if (signals_ >= 0) close(signals_);
}

int TerminalKeys::next(void (*redraw)()) {
  if (stop_ != Stop::kNone) return kNoKey;
  if (!wait(redraw)) return kEndOfLineKey;
  int lead = read_byte();
  int more = lead < 0xc2 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 0;
  if (lead >= 0x80 && more == 0) return kReplacement;
  int code = more == 0 ? lead : lead & (0x3f >> more);
  for (; more > 0; --more) {
    int byte = read_byte();
    if (byte < 0x80 || byte > 0xbf) return byte == kNoKey ? kNoKey : kReplacement;
    code = code << 6 | (byte & 0x3f);
  }
  return code;
}

/// False when a signal came first.
bool TerminalKeys::wait(void (*redraw)()) {
  while (true) {
    pollfd waits[] = {{STDIN_FILENO, POLLIN, 0}, {signals_, POLLIN, 0}};
    int ready = poll(waits, 2, -1);
    if (ready < 0 && errno == EINTR) {
      redraw();
      continue;
    }
    signalfd_siginfo signal{};
    if (ready < 0 || (waits[1].revents & POLLIN) == 0) return true;
    if (::read(signals_, &signal, sizeof signal) != sizeof signal) continue;
    stop_ = signal.ssi_signo == SIGINT ? Stop::kInterrupted : Stop::kEnd;
    return false;
  }
}

int TerminalKeys::read_byte() {
  unsigned char byte = 0;
  ssize_t count;
  do {
    count = ::read(STDIN_FILENO, &byte, 1);
  } while (count < 0 && errno == EINTR);
  if (count == 1) return byte;
  stop_ = Stop::kEnd;
  return kNoKey;
}

}  // namespace millrace::app
