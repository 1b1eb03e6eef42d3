#include "server/kafka/data_waiters.h"

namespace millrace::server::kafka {

DataWaiters::Id DataWaiters::add(std::vector<Place> places, Duration deadline, std::function<void()> wake) {
  std::lock_guard lock(mutex_);
  Id id = next_id_++;
  for (const Place& place : places) by_place_[place].push_back(id);
  waiters_.emplace(id, Waiter{std::move(places), deadline, std::move(wake)});
  return id;
}

void DataWaiters::remove(Id id) {
  std::lock_guard lock(mutex_);
  auto found = waiters_.find(id);
  if (found == waiters_.end()) return;
  for (const Place& place : found->second.places) {
    auto at = by_place_.find(place);
    if (at == by_place_.end()) continue;
    std::erase(at->second, id);
    if (at->second.empty()) by_place_.erase(at);
  }
  waiters_.erase(found);
}

void DataWaiters::tell(const Place& place) {
  std::lock_guard lock(mutex_);
  auto at = by_place_.find(place);
  if (at == by_place_.end()) return;
  for (Id id : at->second) waiters_.at(id).wake();
}

void DataWaiters::tick(Duration now) {
  std::lock_guard lock(mutex_);
  for (auto& [id, waiter] : waiters_) {
    if (waiter.deadline <= now) waiter.wake();
  }
}

void DataWaiters::wake_all() {
  std::lock_guard lock(mutex_);
  for (auto& [id, waiter] : waiters_) waiter.wake();
}

}  // namespace millrace::server::kafka
