// SIGINT and SIGTERM as a thing to wait for, instead of handlers that may do nearly nothing.
#pragma once

#include "base/time.h"

namespace millrace::app {

/// Blocks SIGINT and SIGTERM for this thread and those it starts, and ignores SIGPIPE. Call it before any thread
/// exists.
void hold_stop_signals();

/// Takes one pending stop signal, waiting up to `timeout` for it. False when none came.
bool take_stop_signal(Duration timeout);
/// Waits for a stop signal in one thread, until another says that it is no longer wanted.
class StopSignalWait {
 public:
  StopSignalWait();
  ~StopSignalWait();
  StopSignalWait(const StopSignalWait&) = delete;
  StopSignalWait& operator=(const StopSignalWait&) = delete;

  /// Takes the next stop signal; false when end() was called.
  bool wait();
  void end();

 private:
  int signals_;
  int ended_;
};

/// Gives SIGINT back its usual effect (the process ends), for commands that have nothing to put in order.
void release_stop_signals();

}  // namespace millrace::app
