// An Env that a test owns whole: time stands still until told otherwise, random numbers follow from a seed, files are
// in memory and lose what was not synced, connections are pipes. Two runs with the same seed and calls are the same
// run.
//
//     SimulatedEnv env(seed);
//     … run the program on env …
//     env.power_cut();          // or env.crash(): what the program does from here on has no effect
//     … destroy the program's objects …
//     env.restart();            // the disk is what it was, minus what was lost
//     … open it again and check …
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/env.h"
#include "base/failpoints.h"
#include "base/simulated_files.h"
#include "base/simulated_network.h"

namespace millrace {

/// Starts at 2025-01-01T00:00:00Z. Moves only when somebody sleeps or the test says so.
class SimulatedClock final : public Clock {
 public:
  static constexpr Timestamp kStart{1735689600000000};

  Timestamp now() override { return Timestamp{now_micros_.load(std::memory_order_relaxed)}; }
  Duration monotonic() override { return Duration{monotonic_micros_.load(std::memory_order_relaxed)}; }
  void sleep_for(Duration duration) override { advance(duration); }

  /// Moves both clocks forward; a length ≤ 0 does nothing.
  void advance(Duration duration);
  /// Moves wall-clock time alone, in any direction, as an administrator or NTP does.
  void jump_wall(Duration by) { now_micros_.fetch_add(by.micros, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> now_micros_{kStart.micros};
  std::atomic<int64_t> monotonic_micros_{0};
};

/// SplitMix64 from a seed.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t next() override;
  /// Below `bound`, which is at least 1.
  uint64_t below(uint64_t bound) { return next() % bound; }

 private:
  std::atomic<uint64_t> state_;
};

class SimulatedEnv : public Env {
 public:
  explicit SimulatedEnv(uint64_t seed = 0, bool single_threaded = true);
  ~SimulatedEnv() override;

  SimulatedClock& clock() override { return clock_; }
  SeededRandom& random() override { return random_; }
  SimulatedFiles& files() override { return files_; }
  SimulatedNetwork& network() override { return network_; }
  Failpoints& failpoints() override { return failpoints_; }
  bool single_threaded() const override { return single_threaded_; }

  /// The process dies as by kill −9: files keep all that was written; locks, open files and connections are gone. Until
  /// restart() every file operation fails. A failpoint's `abort` does this.
  void crash();
  /// The machine dies: as crash(), and files keep only what `survival` leaves of what was not synced.
  void power_cut(Survival survival = Survival::kSeeded);
  /// Ends the time of death. Objects made before it stay dead.
  void restart();

 private:
  const bool single_threaded_;
  SimulatedClock clock_;
  SeededRandom random_;
  Failpoints failpoints_;
  SimulatedFiles files_;
  SimulatedNetwork network_;
};

}  // namespace millrace
