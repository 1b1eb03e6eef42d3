#include "app/progress.h"

#include <algorithm>
#include <chrono>

#include "app/console.h"
#include "base/text.h"

namespace millrace::app {
namespace {

constexpr std::chrono::milliseconds kInterval{500};

}  // namespace

std::string progress_text(const engine::NodeStatus& status, double rows_per_second) {
  std::string loaded;
  uint64_t bytes = 0;
  uint64_t total = 0;
  for (const engine::LoadStatus& load : status.loads) {
    bytes += std::min(load.bytes, load.bytes_total);
    total += load.bytes_total;
  }
  if (bytes < total) loaded = std::to_string(bytes * 100 / total) + " % loaded  ";
  return loaded + format_count(static_cast<int64_t>(status.rows_in)) + " rows  " +
         format_count(static_cast<int64_t>(rows_per_second)) + " rows/s  lag " +
         format_count(static_cast<int64_t>(status.lag_records)) + "  " + format_bytes(status.memory_bytes);
}

Progress::Progress(Env& env, engine::Node& node) : env_(env), node_(node), rate_(env.clock().monotonic()) {
  if (messages_can_be_rewritten()) thread_ = std::thread([this] { show(); });
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
  while (!changed_.wait_for(guard, kInterval, [&] { return done_; })) {
    guard.unlock();
    engine::NodeStatus status = node_.status();
    std::string text = progress_text(status, rate_.add(env_.clock().monotonic(), status.rows_in));
    rewrite_message(text);
    guard.lock();
  }
  rewrite_message({});
}

double ProgressRate::add(Duration now, uint64_t rows) {
  samples_.push_back({now, rows});
  if (samples_.size() > kSamples) samples_.pop_front();
  const double seconds = static_cast<double>(now.micros - samples_.front().time.micros) / 1e6;
  return seconds > 0 ? static_cast<double>(rows - samples_.front().rows) / seconds : 0;
}

}  // namespace millrace::app
