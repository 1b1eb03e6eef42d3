#include "server/kafka/groups.h"

#include <fmt/format.h>

#include <utility>

namespace millrace::server::kafka {

namespace {

Code code_of_journal(const Status& status) {
  if (status.ok()) return Code::kNone;
  // All but the first may go away: clients try again.
  return status.error().code == sqlstate::kTooLarge ? Code::kInvalidCommitOffsetSize : Code::kCoordinatorNotAvailable;
}

}  // namespace

Group* Groups::find(std::string_view group) {
  auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : found->second.get();
}

Group& Groups::find_or_make(std::string_view group) {
  if (Group* found = find(group)) return *found;
  auto made = std::make_unique<Group>(limits_, [this](const Join& join) { return make_member_id(join); });
  return *groups_.emplace(std::string(group), std::move(made)).first->second;
}

void Groups::drop_if_vacant(std::string_view group) {
  auto found = groups_.find(group);
  if (found != groups_.end() && found->second->vacant()) groups_.erase(found);
}

/// Random, so that nobody from before a restart passes for somebody of now.
std::string Groups::make_member_id(const Join& join) {
  const std::string& name = join.instance_id ? *join.instance_id : join.client_id;
  return fmt::format("{}-{:016x}{:016x}", name, env_.random().next(), env_.random().next());
}

/// With the lock.
Code Groups::check(std::string_view group, const Join& join) const {
  if (stopped_) return Code::kCoordinatorNotAvailable;
  if (group.empty()) return Code::kInvalidGroupId;
  if (join.session_timeout < limits_.session_min || join.session_timeout > limits_.session_max) {
    return Code::kInvalidSessionTimeout;
  }
  if (groups_.contains(group)) return Code::kNone;
  if (!join.member_id.empty()) return Code::kUnknownMemberId;
  return groups_.size() < limits_.groups_max ? Code::kNone : Code::kGroupMaxSizeReached;
}

void Groups::join(std::string_view group, Join join, Group::JoinDone done) {
  std::lock_guard lock(mutex_);
  Code code = check(group, join);
  if (code != Code::kNone) {
    Joined answer;
    answer.code = code;
    answer.member_id = std::move(join.member_id);
    return done(std::move(answer));
  }
  find_or_make(group).join(std::move(join), now(), std::move(done));
  drop_if_vacant(group);
}

void Groups::sync(std::string_view group, Sync sync, Group::SyncDone done) {
  std::lock_guard lock(mutex_);
  if (Group* found = find(group)) return found->sync(std::move(sync), now(), std::move(done));
  Synced answer;
  answer.code = Code::kUnknownMemberId;
  done(std::move(answer));
}

Code Groups::heartbeat(std::string_view group, const Caller& caller) {
  std::lock_guard lock(mutex_);
  Group* found = find(group);
  return found == nullptr ? Code::kUnknownMemberId : found->heartbeat(caller, now());
}

Code Groups::leave(std::string_view group, const Caller& caller) {
  std::lock_guard lock(mutex_);
  Group* found = find(group);
  Code code = found == nullptr ? Code::kUnknownMemberId : found->leave(caller, now());
  drop_if_vacant(group);
  return code;
}

void Groups::commit(std::string_view group, const Caller& caller, const GroupOffsets& offsets,
                    std::function<void(Code)> done) {
  Code code = group.empty() ? Code::kInvalidGroupId : Code::kNone;
  if (code == Code::kNone) {
    std::lock_guard lock(mutex_);
    if (Group* found = find(group)) {
      code = found->check_commit(caller, now());
    } else if (caller.generation >= 0) {
      code = Code::kIllegalGeneration;  // its group went with a restart, or without it: it has to join again
    }
  }
  if (code != Code::kNone) return done(code);
  journal_.commit(group, offsets, [done = std::move(done)](const Status& status) { done(code_of_journal(status)); });
}

std::optional<GroupDescription> Groups::describe(std::string_view group) {
  {
    std::lock_guard lock(mutex_);
    if (Group* found = find(group)) return found->describe();
  }
  if (journal_.offsets(group).empty()) return std::nullopt;
  return GroupDescription();
}

std::vector<Groups::Listed> Groups::list() {
  std::map<std::string, Listed> all;
  for (std::string& id : journal_.groups()) {
    std::string name = id;
    all.emplace(std::move(name), Listed{std::move(id), {}, name_of(GroupState::kEmpty)});
  }
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, group] : groups_) {
      all.insert_or_assign(id, Listed{id, group->protocol_type(), name_of(group->state())});
    }
  }
  std::vector<Listed> listed;
  for (auto& [id, each] : all) listed.push_back(std::move(each));
  return listed;
}

void Groups::remove(std::string_view group, std::function<void(Code)> done) {
  {
    std::lock_guard lock(mutex_);
    Group* found = find(group);
    if (found != nullptr && found->has_members()) return done(Code::kNonEmptyGroup);
  }
  if (journal_.offsets(group).empty()) return done(Code::kGroupIdNotFound);
  journal_.forget(group, [done = std::move(done)](const Status& status) { done(code_of_journal(status)); });
}

void Groups::remove_offsets(std::string_view group, std::vector<OffsetPlace> places, std::function<void(Code)> done) {
  if (places.empty()) return done(Code::kNone);
  journal_.remove(group, std::move(places), env_.clock().now(),
                  [done = std::move(done)](const Status& status) { done(code_of_journal(status)); });
}

bool Groups::has_members(std::string_view group) {
  std::lock_guard lock(mutex_);
  Group* found = find(group);
  return found != nullptr && found->has_members();
}

void Groups::expire() {
  for (const std::string& group : journal_.groups()) expire(group, journal_.kept(group));
}

/// What cannot be written now is written the next time.
void Groups::expire(std::string_view group, const KeptGroup& kept) {
  const auto ignore = [](const Status&) {};
  const Timestamp time = env_.clock().now();
  const bool idle = !has_members(group);
  if (idle != kept.idle_since.has_value()) {
    return journal_.mark_idle(group, idle ? std::optional(time) : std::nullopt, ignore);
  }
  if (!idle || time - *kept.idle_since < limits_.offset_retention) return;
  const Timestamp until = time - limits_.offset_retention;
  std::vector<OffsetPlace> old;
  for (const auto& [place, offset] : kept.offsets) {
    if (offset.time <= until) old.push_back(place);
  }
  if (!old.empty()) journal_.remove(group, std::move(old), until, ignore);
}

void Groups::tick() {
  std::lock_guard lock(mutex_);
  const Duration time = now();
  for (auto at = groups_.begin(); at != groups_.end();) {
    auto each = at++;
    if (each->second->due() > time) continue;
    each->second->tick(time);
    if (each->second->vacant()) groups_.erase(each);
  }
}

void Groups::stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  for (auto& [id, group] : groups_) group->give_up(Code::kCoordinatorNotAvailable);
}

}  // namespace millrace::server::kafka
