// DataWaiters: who waits for new records of which partitions, or for a time to come. No thread waits with them. Any
// thread may call.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace millrace::server::kafka {

class DataWaiters {
 public:
  using Place = std::pair<StreamId, PartitionId>;
  using Id = uint64_t;

  /// `wake` is called, maybe more than once, when one of the places has new records or `deadline` (by the monotonic
  /// clock) has passed, until `remove`. It must be quick, and call nothing here.
  Id add(std::vector<Place> places, Duration deadline, std::function<void()> wake);
  void remove(Id id);
  void tell(const Place& place);
  void tick(Duration now);
  void wake_all();

 private:
  struct Waiter {
    std::vector<Place> places;
    Duration deadline;
    std::function<void()> wake;
  };

  std::mutex mutex_;
  // Guarded by mutex_.
  Id next_id_ = 1;
  std::map<Id, Waiter> waiters_;
  std::map<Place, std::vector<Id>> by_place_;
};

}  // namespace millrace::server::kafka
