#include "ledger/recorder.h"

#include <algorithm>

#include "base/hash.h"
#include "ledger/identity.h"

namespace millrace::ledger {

namespace {

/// How many of the last runs may be continued: the hops of one batch are counted in turn.
constexpr size_t kOpenRuns = 8;
/// Fewer scattered rows than this are kept as runs of their own.
constexpr size_t kScatterMin = 48;

bool consecutive(std::span<const int64_t> offsets) {
  if (offsets.back() - offsets.front() != static_cast<int64_t>(offsets.size()) - 1) return false;
  bool all = true;
  for (size_t i = 1; i < offsets.size(); ++i) all &= offsets[i] == offsets[i - 1] + 1;
  return all;
}

}  // namespace

Recorder::Recorder() : rep_(std::make_unique<Rep>()) {}
Recorder::~Recorder() = default;
Recorder::Recorder(Recorder&&) noexcept = default;
Recorder& Recorder::operator=(Recorder&&) noexcept = default;

void Recorder::Rep::add_run(const RecordedPlace& place, int64_t first, uint64_t count, uint64_t fingerprint) {
  const size_t open = std::min(runs.size(), kOpenRuns);
  for (size_t i = 1; i <= open; ++i) {
    RecordedRun& run = runs[runs.size() - i];
    if (run.first + static_cast<int64_t>(run.count) != first || !(run.place == place)) continue;
    run.count += count;
    run.fingerprint += fingerprint;
    return;
  }
  runs.push_back({place, first, count, fingerprint});
}

void Recorder::Rep::add_scatter(const RecordedPlace& place, uint64_t base, std::span<const int64_t> offsets) {
  auto found = std::find_if(scatters.begin(), scatters.end(), [&](const auto& there) { return there.place == place; });
  if (found == scatters.end()) {
    found = scatters.insert(found, {place, offsets[0], offsets[0], 0, 0, std::make_unique<Sketch>()});
  }
  int64_t least = found->least;
  int64_t greatest = found->greatest;
  uint64_t sum = 0;
  for (const int64_t offset : offsets) {
    least = std::min(least, offset);
    greatest = std::max(greatest, offset);
    sum += fingerprint_at(base, offset);
  }
  found->least = least;
  found->greatest = greatest;
  found->count += offsets.size();
  found->fingerprint += sum;
  found->sketch->add_rows(place.partition, offsets);
}

void Recorder::add(HopId hop, StreamId stream, PartitionId partition, Timestamp append_time, Offset first,
                   uint32_t count) {
  if (count == 0) return;
  const uint64_t sum = fingerprint_sum(fingerprint_base(stream, partition), first.value, count);
  rep_->add_run({hop, stream, partition, minute_of(append_time)}, first.value, count, sum);
}

void Recorder::add_rows(HopId hop, StreamId stream, PartitionId partition, Timestamp append_time,
                        std::span<const int64_t> offsets) {
  if (offsets.empty()) return;
  const RecordedPlace place{hop, stream, partition, minute_of(append_time)};
  const uint64_t base = fingerprint_base(stream, partition);
  if (consecutive(offsets)) {
    rep_->add_run(place, offsets[0], offsets.size(), fingerprint_sum(base, offsets[0], offsets.size()));
  } else if (offsets.size() >= kScatterMin) {
    rep_->add_scatter(place, base, offsets);
  } else {
    for (const int64_t offset : offsets) rep_->add_run(place, offset, 1, fingerprint_at(base, offset));
  }
}

void IdSum::add(std::string_view message_id) {
  ++count;
  fingerprint += hash_bytes(message_id);
}

void Recorder::add_ids(HopId hop, StreamId stream, Timestamp minute, const IdSum& ids) {
  if (ids != IdSum{}) rep_->ids.push_back({hop, stream, minute_of(minute), ids});
}

void Recorder::clear() {
  rep_->ids.clear();
  rep_->runs.clear();
  rep_->scatters.clear();
}

bool Recorder::empty() const { return rep_->runs.empty() && rep_->scatters.empty() && rep_->ids.empty(); }

}  // namespace millrace::ledger
