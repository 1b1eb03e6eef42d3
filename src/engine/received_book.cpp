#include "engine/received_book.h"

namespace millrace::engine {

void ReceivedBook::begin_at(StreamId stream, PartitionId partition, Offset next) {
  std::lock_guard guard(mutex_);
  partitions_[{stream, partition}].next = next.value;
}

void ReceivedBook::add(StreamId stream, PartitionId partition, Offset first, uint32_t count, Timestamp append_time) {
  std::lock_guard guard(mutex_);
  partitions_[{stream, partition}].ranges[first.value] = {count, append_time};
}

void ReceivedBook::move_to(ledger::Ledger& ledger, Ends& ends) {
  ledger::HopId received = ledger.hop("received");
  ledger::Recorder recorder;
  std::lock_guard guard(mutex_);
  for (auto& [at, waiting] : partitions_) {
    auto range = waiting.ranges.begin();
    if (range == waiting.ranges.end() || range->first != waiting.next) continue;
    while (range != waiting.ranges.end() && range->first == waiting.next) {
      recorder.add(received, at.first, at.second, range->second.append_time, Offset(waiting.next), range->second.count);
      waiting.next += range->second.count;
      range = waiting.ranges.erase(range);
    }
    ends[at] = Offset(waiting.next);
  }
  ledger.merge(recorder);
}

void ReceivedBook::forget(StreamId stream) {
  std::lock_guard guard(mutex_);
  std::erase_if(partitions_, [stream](const auto& entry) { return entry.first.first == stream; });
}

}  // namespace millrace::engine
