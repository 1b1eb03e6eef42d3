#include "app/stop_signals.h"

#include <pthread.h>
#include <signal.h>

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

void release_stop_signals() {
  sigset_t set = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace millrace::app
