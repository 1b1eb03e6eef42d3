// Faults of a run, drawn from its seed: one at a time, for a number of actions.
#pragma once

#include <random>
#include <string>

#include "base/simulated_env.h"
#include "simulation/destination.h"

namespace millrace::simulation {

class Faults {
 public:
  Faults(SimulatedEnv& env, std::mt19937_64& random) : env_(env), random_(random) {}

  /// Draws one; says what.
  std::string begin(Destination& destination);
  /// A death that comes in the middle of what follows: of the process or of the machine.
  std::string begin_death();
  /// Called once an action: true when the fault ended with this one.
  bool pass();
  /// Ends it, if any.
  void end();
  bool active() const { return actions_left_ > 0; }
  /// The last one, for a report.
  const std::string& last() const { return last_; }

 private:
  std::string die_at_a_change();
  std::string die_at_a_failpoint();
  std::string fail_files();
  std::string fill_disk();
  std::string slow_disk();
  std::string jump_clock();
  std::string harm(Destination& destination);

  SimulatedEnv& env_;
  std::mt19937_64& random_;
  Destination* destination_ = nullptr;
  int actions_left_ = 0;
  std::string last_ = "none";
};

}  // namespace millrace::simulation
