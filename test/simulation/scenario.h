// One run: a node on a simulated machine, producers, a destination, faults, and the judge, for some virtual hours. All
// of it follows from the seed.
#pragma once

#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/simulated_env.h"
#include "engine/node.h"
#include "simulation/faults.h"
#include "simulation/oracle.h"
#include "simulation/trace.h"
#include "simulation/views.h"

namespace millrace::simulation {

struct Options {
  uint64_t seed = 1;
  uint64_t actions = 36;
  bool print = false;
  /// A mistake that the judge must find: rules of failpoints.h that hold for the whole run.
  std::string planted;
  bool destination_forgets = false;
  bool disk_lies = false;  ///< syncs of the log's segments say that they succeeded, and did nothing
};

struct Outcome {
  std::string problem;  ///< empty: all promises held
  std::string last_fault;
  std::string trace_tail;
  uint64_t trace_hash = 0;
  // What happened.
  uint64_t deaths = 0;
  uint64_t faults = 0;
  uint64_t acked = 0;
  uint64_t retries = 0;
  uint64_t commits_of_destination = 0;
  Duration virtual_time;
};

class Scenario {
 public:
  Scenario(const Options& options, batch::SqlInstance& instance);
  Outcome run();

 private:
  static constexpr uint64_t kPathSeed = 0x5ca1ab1e;

  // scenario.cpp: what happens.
  void act();
  void send();
  void pass_time();
  void change_name();
  void query();
  void change_views();
  void restart_cleanly();
  void turn(const char* why);
  void sync();
  void take_savepoint();
  /// Opens the node, again and again where faults prevent it; the third time in a row nothing stands in its way.
  void start();
  Status open_once();
  void bury();
  void heal(const std::string& after);
  void note_error(const char* what, const Error& error);
  void fail(std::string problem);
  std::string pipeline_text() const;
  engine::NodeOptions node_options(std::string directory);
  bool failed() const { return !outcome_.problem.empty(); }

  // judge.cpp
  void judge();
  void judge_names();
  void judge_views(engine::Node& node);
  void judge_extra_view();
  void judge_late_rows();
  void judge_savepoint(const std::string& path);
  void judge_books();
  void judge_progress();
  void judge_sinks();
  Bag rows_in_files(const std::string& directory, bool changes);

  const Options options_;
  std::mt19937_64 random_;
  SimulatedEnv env_;
  Metrics metrics_;
  Faults faults_;
  Destination destination_;
  Oracle oracle_;
  Trace trace_;
  Outcome outcome_;
  std::vector<Producer> producers_;
  std::vector<const ViewCase*> views_;
  bool idle_ = false;
  uint32_t workers_ = 1;
  std::unique_ptr<engine::Node> node_;
  bool created_ = false;  ///< the whole pipeline is there
  bool trouble_ = false;  ///< an error may be the fault's: until the node has healed
  bool harmed_ = false;   ///< there was a fault in this life of the node
  std::map<int64_t, std::vector<std::string>> name_candidates_;  ///< by k: what names may hold
  uint64_t names_ = 0;
  /// A view that comes and goes while the node runs. Of a statement without an answer nobody knows.
  enum class Extra : uint8_t { kAbsent, kPresent, kUnknown };
  Extra extra_ = Extra::kAbsent;
  std::string extra_query_;
  uint64_t savepoints_ = 0;
  uint64_t epoch_seen_ = 0;
  std::map<std::string, std::string> watermarks_seen_;
};

}  // namespace millrace::simulation
