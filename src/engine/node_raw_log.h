// Private to engine/: what a node keeps for its RawLog.
#pragma once

#include <memory>
#include <shared_mutex>

#include "engine/raw_log.h"

namespace millrace::engine {

struct NodeState;

/// The listener of RawLog::watch. Thread-safe.
class DurableWatch {
 public:
  void set(log::DurableListener listener) {
    std::unique_lock lock(mutex_);
    listener_ = std::move(listener);
  }
  void tell(StreamId stream, PartitionId partition, Offset end) {
    std::shared_lock lock(mutex_);
    if (listener_) listener_(stream, partition, end);
  }

 private:
  std::shared_mutex mutex_;
  log::DurableListener listener_;  // guarded by mutex_
};

std::unique_ptr<RawLog> make_raw_log(NodeState& node);

}  // namespace millrace::engine
