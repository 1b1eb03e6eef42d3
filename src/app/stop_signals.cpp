#include "app/stop_signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/result.h"

namespace millrace::app {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

void hold_stop_signals() {
  sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool take_stop_signal(Duration timeout) {
  sigset_t set = stop_signals();
  timespec limit{timeout.micros / 1000000, (timeout.micros % 1000000) * 1000};
  return sigtimedwait(&set, nullptr, &limit) > 0;
}

StopSignalWait::StopSignalWait() {
  sigset_t set = stop_signals();
  signals_ = signalfd(-1, &set, SFD_CLOEXEC);
  ended_ = eventfd(0, EFD_CLOEXEC);
  MR_CHECK(signals_ >= 0 && ended_ >= 0, "no file descriptor is left to hear signals");
}

StopSignalWait::~StopSignalWait() {
  close(signals_);
  close(ended_);
}

bool StopSignalWait::wait() {
  pollfd waits[] = {{signals_, POLLIN, 0}, {ended_, POLLIN, 0}};
  while (poll(waits, 2, -1) < 0 && errno == EINTR) {
  }
  if ((waits[1].revents & POLLIN) != 0) return false;
  signalfd_siginfo signal{};
  (void)!read(signals_, &signal, sizeof signal);
  return true;
}

void StopSignalWait::end() { (void)eventfd_write(ended_, 1); }

void release_stop_signals() {
  sigset_t set = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace millrace::app
