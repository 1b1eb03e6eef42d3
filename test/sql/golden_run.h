// Running the steps of a golden file on a node of a simulated machine, in one of the ways that must agree.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/simulated_env.h"
#include "engine/node.h"
#include "golden_file.h"

namespace millrace::golden {

struct Way {
  const char* name;
  uint32_t workers = 1;
  bool small_batches = false;  ///< a few records and rows at a time, with SYNC between
  bool restarts = false;       ///< stopped and opened again at some steps, the middle one among them
  bool killed = false;         ///< dies at some steps, without stop, at a random change of the disk in SYNC
};

/// Every way in which each file runs.
const std::vector<Way>& ways();

/// How often things happened, so that a test can see that they do.
struct Counts {
  uint64_t restarts = 0;
  uint64_t deaths = 0;
  uint64_t queries = 0;
};

class GoldenRun {
 public:
  GoldenRun(const std::vector<Step>& steps, const Way& way, uint64_t seed);
  ~GoldenRun();

  /// What differs, as lines to print; empty: all is as expected. Stops at the first.
  std::string run();
  const Counts& counts() const { return counts_; }

 private:
  std::string open();
  std::string run_step(const Step& step);
  std::string execute(const std::string& sql);
  std::string expect_error(const Step& step);
  std::string query(const Step& step);
  std::string input(const Step& step);
  std::string advance(Duration time);
  std::string restart();
  std::string die();
  std::string sync();
  std::vector<size_t> places(bool data_only);

  const std::vector<Step>& steps_;
  const Way way_;
  SeededRandom random_;
  SimulatedEnv env_;
  Metrics metrics_;
  std::unique_ptr<engine::Node> node_;
  Counts counts_;
};

/// What is missing and what is too much; empty: equal.
std::string difference(const Step& step, const std::vector<std::string>& names,
                       std::vector<std::vector<std::string>> found);

}  // namespace millrace::golden
