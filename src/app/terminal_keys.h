// TerminalKeys: characters from the terminal one by one, and the signals that come while one is waited for.
#pragma once

#include <cstdint>

namespace millrace::app {

class TerminalKeys {
 public:
  enum class Stop : uint8_t { kNone, kInterrupted, kEnd };
  static constexpr int kNoKey = -1;

  /// SIGINT, SIGTERM and SIGHUP must be blocked.
  TerminalKeys();
  ~TerminalKeys();
  TerminalKeys(const TerminalKeys&) = delete;
  TerminalKeys& operator=(const TerminalKeys&) = delete;

  /// Forgets an earlier stop.
  void begin_line() { stop_ = Stop::kNone; }
  /// The next character as its code point. A signal gives first the key that moves to the end of the line, so that
  /// nothing is written over it, then kNoKey. `redraw` is called when the terminal changed meanwhile. Takes no byte
  /// more than it needs: the rest belongs to whoever reads next, perhaps another program.
  int next(void (*redraw)());
  /// Why kNoKey came.
  Stop stop() const { return stop_; }

 private:
  bool wait(void (*redraw)());
  int read_byte();

  int signals_;
  Stop stop_ = Stop::kNone;
};

}  // namespace millrace::app
