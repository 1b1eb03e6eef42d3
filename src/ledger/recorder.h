// What a Recorder keeps between merges. Runs of consecutive offsets are kept as runs, since the books can add a run by
// formula; scattered rows go into a sketch at once, in the thread that counts them.
#pragma once

#include <memory>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/sketch.h"

namespace millrace::ledger {

inline constexpr int64_t kMinuteMicros = 60'000'000;

/// The start of the minute that `time` lies in, also before 1970.
inline Timestamp minute_of(Timestamp time) {
  const int64_t rest = time.micros % kMinuteMicros;
  return Timestamp{time.micros - rest - (rest < 0 ? kMinuteMicros : 0)};
}

struct RecordedPlace {
  HopId hop = 0;
  StreamId stream;
  PartitionId partition;
  Timestamp minute;
  bool operator==(const RecordedPlace&) const = default;
};

struct RecordedRun {
  RecordedPlace place;
  int64_t first = 0;
  uint64_t count = 0;
  uint64_t fingerprint = 0;
};

struct RecordedScatter {
  RecordedPlace place;
  int64_t least = 0;
  int64_t greatest = 0;
  uint64_t count = 0;
  uint64_t fingerprint = 0;
  std::unique_ptr<Sketch> sketch;
};

struct RecordedIds {
  HopId hop = 0;
  StreamId stream;
  Timestamp minute;
  IdSum ids;
};

struct Recording {
  std::vector<RecordedRun> runs;
  std::vector<RecordedScatter> scatters;
  std::vector<RecordedIds> ids;
};

struct Recorder::Rep : Recording {
  void add_run(const RecordedPlace& place, int64_t first, uint64_t count, uint64_t fingerprint);
  void add_scatter(const RecordedPlace& place, uint64_t base, std::span<const int64_t> offsets);
};

}  // namespace millrace::ledger
