// Progress: one line on the terminal, rewritten twice a second while a node works: rate, lag, memory.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "base/env.h"
#include "engine/node.h"

namespace millrace::app {

/// "1,250,000 rows  312,000 rows/s  lag 40,000  1.2 GiB", and "45 % loaded  " before it while files are read.
std::string progress_text(const engine::NodeStatus& status, double rows_per_second);

/// Rows a second over the last few looks, starting at 0 rows when it is made.
class ProgressRate {
 public:
  explicit ProgressRate(Duration now) : samples_{{now, 0}} {}
  double add(Duration now, uint64_t rows);

 private:
  static constexpr size_t kSamples = 6;
  struct Sample {
    Duration time;
    uint64_t rows;
  };
  std::deque<Sample> samples_;
};

/// Shows the line from construction to destruction, when standard error is a terminal that can rewrite a line; else
/// does nothing. The node must outlive it.
class Progress {
 public:
  Progress(Env& env, engine::Node& node);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void show();

  Env& env_;
  engine::Node& node_;
  ProgressRate rate_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace millrace::app
