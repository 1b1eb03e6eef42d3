#include "app/progress.h"

#include <chrono>
#include <cstdio>

#include "app/console.h"
#include "base/text.h"

namespace millrace::app {

std::string progress_text(const engine::NodeStatus& status) {
  return format_count(static_cast<int64_t>(status.rows_in)) + " rows  " +
         format_count(static_cast<int64_t>(status.rows_per_second)) + " rows/s  lag " +
         format_count(static_cast<int64_t>(status.lag_records)) + "  " + format_bytes(status.memory_bytes);
}

Progress::Progress(engine::Node& node) : node_(node) {
  if (messages_are_on_terminal()) thread_ = std::thread([this] { show(); });
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard guard(mutex_);
    done_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Progress::show() {
  std::unique_lock guard(mutex_);
  while (!changed_.wait_for(guard, std::chrono::milliseconds(500), [&] { return done_; })) {
    guard.unlock();
    std::fprintf(stderr, "\r\033[K%s", progress_text(node_.status()).c_str());
    guard.lock();
  }
  std::fprintf(stderr, "\r\033[K");
}

}  // namespace millrace::app
