// Failpoints: named places where a test (or `--failpoints`, or MILLRACE_FAILPOINTS) makes the program misbehave on
// purpose.
//
// A place keeps a reference to its point and asks it; a point that is off costs one relaxed atomic load:
//
//     FailPoint& point_ = env.failpoints().point("log.append");     // once
//     MR_TRY(point_.check());                                       // error, delay and abort happen in here
//     RowFaults faults = point_.rows(batch.size());                 // drop, repeat, swap: the place applies them
//
// They are set from code (`set`) or from text (`configure`): items joined by `;`, each `name=action`, then options:
//
//     log.append=error(ENOSPC)            every hit fails with that errno (by name or number; default EIO)
//     ledger.stored=drop(3)               3 rows vanish, at places that the seed decides; also repeat(k) and swap(k)
//     log.sync=delay(50ms)                waits through the Clock
//     engine.commit=abort                 the process ends at once, as by kill −9
//     engine.commit=abort,after=12        hits 1..12 pass first
//     log.append=error(EIO),times=1       at most so often
//     log.append=error(EIO),one_in=100    with that probability, by the seed
//     log.append=off
//
// Any thread may call anything here. A point lives as long as its Failpoints, which the Env owns.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace {

class Clock;

enum class FailAction : uint8_t { kOff, kError, kDrop, kRepeat, kSwap, kAbort, kDelay };

/// What a point does when it is hit, and when.
struct FailRule {
  FailAction action = FailAction::kOff;
  int errno_value = 0;  ///< kError
  uint64_t rows = 0;    ///< kDrop, kRepeat, kSwap: how many rows in all
  Duration delay;       ///< kDelay
  uint64_t after = 0;   ///< so many hits pass unharmed first
  uint64_t times = 0;   ///< fires at most so often; 0: no limit
  uint64_t one_in = 1;  ///< fires with probability 1 / one_in
};

/// Which rows of one batch to harm. kDrop: leave the row out. kRepeat: give it twice. kSwap: give, in its place, a copy
/// of its neighbour `(row + 1) % count`, so that the count stays right and the fingerprint does not.
struct RowFaults {
  FailAction action = FailAction::kOff;
  std::vector<uint64_t> rows;  ///< ascending, each once
  bool none() const { return rows.empty(); }
  /// What is left of rows 0 … count − 1: `max` places at most.
  std::vector<uint32_t> apply(uint32_t count, size_t max) const;
};

class FailPoint {
 public:
  FailPoint(std::string name, class Failpoints& owner);
  FailPoint(const FailPoint&) = delete;
  FailPoint& operator=(const FailPoint&) = delete;

  const std::string& name() const { return name_; }
  bool armed() const { return armed_.load(std::memory_order_relaxed); }

  /// For places that can fail: an error, a delay or the end of the process, as the rule says. Row actions pass.
  Status check() { return armed() ? check_armed() : Status(); }
  /// For places that move `count` rows. Swap needs two rows or more. Error, delay and abort do not act here.
  RowFaults rows(uint64_t count) { return armed() ? rows_armed(count) : RowFaults(); }

  /// How often the place was passed while the point was armed, and how often (for row actions: how many rows) it fired.
  uint64_t hits() const { return hits_.load(std::memory_order_relaxed); }
  uint64_t fired() const { return fired_.load(std::memory_order_relaxed); }

 private:
  friend class Failpoints;
  Status check_armed();
  RowFaults rows_armed(uint64_t count);
  bool triggers();  // with mutex_ held
  uint64_t random();

  const std::string name_;
  class Failpoints& owner_;
  std::atomic<bool> armed_{false};
  std::atomic<uint64_t> hits_{0};
  std::atomic<uint64_t> fired_{0};

  std::mutex mutex_;
  FailRule rule_;              // guarded by mutex_
  uint64_t random_state_ = 0;  // guarded by mutex_
};

class Failpoints {
 public:
  /// `clock` must outlive this. Equal seeds give equal choices for equal sequences of hits of a point.
  explicit Failpoints(Clock& clock, uint64_t seed = 0);
  ~Failpoints();
  Failpoints(const Failpoints&) = delete;
  Failpoints& operator=(const Failpoints&) = delete;

  /// The point of that name; made when it is first named, by the code or by a rule.
  FailPoint& point(std::string_view name);
  /// Sets the rule of a point and starts its counters again from 0.
  void set(std::string_view name, FailRule rule);
  /// Sets rules from text (grammar above). On an error none of them is set.
  Status configure(std::string_view text);
  /// Turns every point off; the counters stay.
  void clear();
  /// Starts the random choices of all points again from that seed.
  void reseed(uint64_t seed);
  /// What `abort` does instead of killing the process; the place then sees an error. For simulated runs.
  void on_abort(std::function<void(const std::string& point)> handler);
  /// All points, by name.
  std::vector<const FailPoint*> points() const;

 private:
  friend class FailPoint;
  void abort_at(const std::string& point);

  Clock& clock_;
  mutable std::mutex mutex_;
  uint64_t seed_;                                   // guarded by mutex_, as all below
  std::vector<std::unique_ptr<FailPoint>> points_;  // sorted by name
  std::function<void(const std::string& point)> on_abort_;
};

/// Reads one item's `action` with its options; `name` is for the error message.
Result<FailRule> parse_fail_rule(std::string_view name, std::string_view text);

}  // namespace millrace
