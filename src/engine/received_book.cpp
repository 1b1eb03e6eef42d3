#include "engine/received_book.h"

#include <algorithm>

namespace millrace::engine {

int64_t ReceivedBook::Waiting::contiguous_end() const {
  int64_t end = next;
  for (const auto& [first, range] : ranges) {
    if (first != end) break;
    end += range.count;
  }
  return end;
}

void ReceivedBook::begin_at(StreamId stream, PartitionId partition, Offset next) {
  std::lock_guard guard(mutex_);
  partitions_[{stream, partition}].next = next.value;
}

void ReceivedBook::add(StreamId stream, std::span<const ReceivedRange> ranges) {
  {
    std::lock_guard guard(mutex_);
    for (const ReceivedRange& range : ranges) {
      partitions_[{stream, range.partition}].ranges[range.first.value] = {range.count, range.append_time, range.share};
    }
  }
  added_.notify_all();
}

void ReceivedBook::move(ledger::Ledger& ledger, Ends& ends) {
  ledger::HopId received = ledger.hop("received");
  ledger::Recorder recorder;
  for (auto& [at, waiting] : partitions_) {
    // A restart in place counts from the log, so that an append may be entered once more.
    waiting.ranges.erase(waiting.ranges.begin(), waiting.ranges.lower_bound(waiting.next));
    auto range = waiting.ranges.begin();
    if (range == waiting.ranges.end() || range->first != waiting.next) continue;
    while (range != waiting.ranges.end() && range->first == waiting.next) {
      recorder.add(received, at.first, at.second, range->second.append_time, Offset(waiting.next), range->second.count);
      if (range->second.share) range->second.share->enter(at.first, ledger, recorder);
      waiting.next += range->second.count;
      range = waiting.ranges.erase(range);
    }
    ends[at] = Offset(waiting.next);
  }
  ledger.merge(recorder);
}

void ReceivedBook::move_to(ledger::Ledger& ledger, Ends& ends) {
  std::lock_guard guard(mutex_);
  move(ledger, ends);
}

bool ReceivedBook::settled(const Ends& taken) const {
  for (const auto& [at, waiting] : partitions_) {
    int64_t end = waiting.contiguous_end();
    if (!waiting.ranges.empty() && waiting.ranges.rbegin()->first >= end) return false;
    auto needed = taken.find(at);
    if (needed != taken.end() && needed->second.value > end) return false;
  }
  return std::all_of(taken.begin(), taken.end(), [&](const auto& needed) {
    return needed.second.value == 0 || partitions_.contains(needed.first);
  });
}

void ReceivedBook::move_settled_to(ledger::Ledger& ledger, Ends& ends, const Ends& taken, Duration patience) {
  std::unique_lock guard(mutex_);
  added_.wait_for(guard, std::chrono::microseconds(patience.micros), [&] { return settled(taken); });
  move(ledger, ends);
}

void ReceivedBook::forget(StreamId stream) {
  std::lock_guard guard(mutex_);
  std::erase_if(partitions_, [stream](const auto& entry) { return entry.first.first == stream; });
}

}  // namespace millrace::engine
