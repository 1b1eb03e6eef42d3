// Progress: one line on the terminal, rewritten twice a second while a node works: rate, lag, memory.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "engine/node.h"

namespace millrace::app {

/// "1,250,000 rows  312,000 rows/s  lag 40,000  1.2 GiB"
std::string progress_text(const engine::NodeStatus& status);

/// Shows the line from construction to destruction, when standard error is a terminal; else does nothing. The node must
/// outlive it.
class Progress {
 public:
  explicit Progress(engine::Node& node);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void show();

  engine::Node& node_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace millrace::app
