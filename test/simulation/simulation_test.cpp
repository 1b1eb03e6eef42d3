// A whole node on a simulated machine, from a seed: one thread, virtual time, faults of every kind, a judge.
//
// MILLRACE_SIMULATION_SEEDS=n runs n seeds (200), MILLRACE_SIMULATION_SEED=s starts at s (1), each with
// MILLRACE_SIMULATION_ACTIONS=n actions (36); with one seed the whole trace is printed. A failing seed fails again in
// the same way.
#include <gtest/gtest.h>

#include <cstdlib>

#include "simulation/scenario.h"

namespace millrace::simulation {
namespace {

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class Simulation : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = batch::SqlInstance::open({}, sql::register_functions);
    ASSERT_TRUE(opened.ok());
    instance_ = std::move(opened).value();
  }
  Outcome run(const Options& options) { return Scenario(options, *instance_).run(); }

  std::unique_ptr<batch::SqlInstance> instance_;
};

TEST_F(Simulation, AllPromisesHold) {
  const uint64_t first = from_environment("MILLRACE_SIMULATION_SEED", 1);
  const uint64_t count = from_environment("MILLRACE_SIMULATION_SEEDS", 200);
  Outcome all;
  uint64_t failed = 0;
  for (uint64_t seed = first; seed < first + count && failed < 10; ++seed) {
    Options options;
    options.seed = seed;
    options.print = count == 1;
    options.actions = from_environment("MILLRACE_SIMULATION_ACTIONS", options.actions);
    const Outcome outcome = run(options);
    if (!outcome.problem.empty()) {
      ++failed;
      ADD_FAILURE() << "seed " << seed << ": " << outcome.problem << "\n  last fault: " << outcome.last_fault
                    << "\n  again: MILLRACE_SIMULATION_SEED=" << seed << " MILLRACE_SIMULATION_SEEDS=1\n"
                    << outcome.trace_tail;
    }
    all.deaths += outcome.deaths;
    all.faults += outcome.faults;
    all.acked += outcome.acked;
    all.retries += outcome.retries;
    all.commits_of_destination += outcome.commits_of_destination;
    all.virtual_time.micros += outcome.virtual_time.micros;
  }
  std::printf(
      "%llu seeds, %.1f virtual hours: %llu faults, %llu deaths, %llu messages acked, %llu requests again, %llu "
      "commits of a destination\n",
      static_cast<unsigned long long>(count), static_cast<double>(all.virtual_time.micros) / 3.6e9,
      static_cast<unsigned long long>(all.faults), static_cast<unsigned long long>(all.deaths),
      static_cast<unsigned long long>(all.acked), static_cast<unsigned long long>(all.retries),
      static_cast<unsigned long long>(all.commits_of_destination));
}

/// The judge is worth something: each mistake is found within some seeds.
struct Mistake {
  const char* name;
  void (*plant)(Options& options);
};

class PlantedMistake : public Simulation, public ::testing::WithParamInterface<Mistake> {};

TEST_P(PlantedMistake, IsFound) {
  constexpr uint64_t kSeedsMax = 20;
  std::string found;
  uint64_t seed = 0;
  while (found.empty() && seed < kSeedsMax) {
    Options options;
    options.seed = ++seed;
    GetParam().plant(options);
    found = run(options).problem;
  }
  EXPECT_FALSE(found.empty());
  std::printf("seed %llu found it: %s\n", static_cast<unsigned long long>(seed), found.c_str());
}

INSTANTIATE_TEST_SUITE_P(
    Planted, PlantedMistake,
    ::testing::Values(
        Mistake{"AcksBeforeTheSync", [](Options& options) { options.disk_lies = true; }},
        Mistake{"APositionIsNotStored", [](Options& options) { options.destination_forgets = true; }},
        Mistake{"ARowIsDropped", [](Options& options) { options.planted = "ledger.view=drop(1),after=20,times=1"; }},
        Mistake{"ARowComesTwice", [](Options& options) { options.planted = "ledger.view=repeat(1),after=20"; }}),
    [](const auto& mistake) { return mistake.param.name; });

TEST_F(Simulation, ASeedIsOneRun) {
  Options options;
  options.seed = 7;
  const Outcome once = run(options);
  const Outcome again = run(options);
  EXPECT_EQ(once.trace_hash, again.trace_hash) << once.trace_tail << "and again\n" << again.trace_tail;
}

}  // namespace
}  // namespace millrace::simulation
