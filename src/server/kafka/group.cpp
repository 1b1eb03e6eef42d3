#include "server/kafka/group.h"

#include <algorithm>
#include <utility>

#include "base/result.h"

namespace millrace::server::kafka {

namespace {

Duration after(Duration now, Duration length) { return Duration{now.micros + length.micros}; }

Joined refused(Code code, std::string member_id) {
  Joined answer;
  answer.code = code;
  answer.member_id = std::move(member_id);
  return answer;
}

Synced refused(Code code) {
  Synced answer;
  answer.code = code;
  return answer;
}

}  // namespace

const char* name_of(GroupState state) {
  switch (state) {
    case GroupState::kEmpty: return "Empty";
    case GroupState::kPreparing: return "PreparingRebalance";
    case GroupState::kCompleting: return "CompletingRebalance";
    case GroupState::kStable: return "Stable";
  }
  return "Unknown";
}

const std::string& Group::Member::metadata_of(std::string_view protocol) const {
  static const std::string none;
  auto found =
      std::find_if(protocols.begin(), protocols.end(), [&](const auto& each) { return each.name == protocol; });
  return found == protocols.end() ? none : found->metadata;
}

// -- looking
// -----------------------------------------------------------------------------------------------------------

Code Group::find(const Caller& caller, Member*& member) {
  if (caller.instance_id) {
    auto instance = instances_.find(*caller.instance_id);
    if (instance == instances_.end()) return Code::kUnknownMemberId;
    if (instance->second != caller.member_id) return Code::kFencedInstanceId;
  }
  auto found = members_.find(caller.member_id);
  if (found == members_.end()) return Code::kUnknownMemberId;
  member = &found->second;
  return Code::kNone;
}

Code Group::find_current(const Caller& caller, Member*& member) {
  Code code = find(caller, member);
  if (code == Code::kNone && caller.generation != generation_) code = Code::kIllegalGeneration;
  return code;
}

bool Group::fits(const Join& join) const {
  if (join.protocols.empty() || join.protocol_type.empty()) return false;
  if (members_.empty()) return true;
  return join.protocol_type == protocol_type_ && std::any_of(join.protocols.begin(), join.protocols.end(),
                                                             [&](const auto& each) { return all_know(each.name); });
}

bool Group::all_know(std::string_view protocol) const {
  return std::all_of(members_.begin(), members_.end(), [&](const auto& entry) {
    const auto& known = entry.second.protocols;
    return std::any_of(known.begin(), known.end(), [&](const auto& each) { return each.name == protocol; });
  });
}

bool Group::all_joined() const {
  return std::all_of(members_.begin(), members_.end(),
                     [](const auto& entry) { return static_cast<bool>(entry.second.join_waiting); });
}

Duration Group::longest_rebalance() const {
  Duration longest;
  for (const auto& [id, member] : members_) longest = std::max(longest, member.rebalance_timeout);
  return longest;
}

/// Each member votes for the first of its protocols that all know.
std::string Group::elect_protocol() const {
  std::map<std::string, size_t> votes;
  for (const auto& [id, member] : members_) {
    auto liked = std::find_if(member.protocols.begin(), member.protocols.end(),
                              [&](const auto& each) { return all_know(each.name); });
    if (liked != member.protocols.end()) ++votes[liked->name];
  }
  auto most =
      std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == votes.end() ? std::string() : most->first;
}

Joined Group::joined(const Member& member) const {
  Joined answer{Code::kNone, generation_, protocol_type_, protocol_, leader_, member.id, {}};
  if (member.id != leader_) return answer;
  for (const auto& [id, each] : members_) {
    answer.members.push_back({id, each.instance_id, each.metadata_of(protocol_)});
  }
  return answer;
}

Synced Group::synced(const Member& member) const { return {Code::kNone, protocol_type_, protocol_, member.assignment}; }

GroupDescription Group::describe() const {
  GroupDescription description{state_, protocol_type_, {}, {}};
  const bool agreed = state_ == GroupState::kStable;
  if (agreed) description.protocol = protocol_;
  for (const auto& [id, member] : members_) {
    description.members.push_back({id, member.instance_id, member.client_id, member.client_host,
                                   agreed ? member.metadata_of(protocol_) : "", agreed ? member.assignment : ""});
  }
  return description;
}

// -- joining
// -----------------------------------------------------------------------------------------------------------

void Group::join(Join join, Duration now, JoinDone done) {
  std::string id = join.member_id;
  if (!fits(join)) return done(refused(Code::kInconsistentGroupProtocol, std::move(id)));
  if (id.empty()) return join_new(std::move(join), now, std::move(done));
  if (auto known = pending_.find(id); known != pending_.end()) {
    pending_.erase(known);
    return add(std::move(join), std::move(id), now, std::move(done));
  }
  Member* member = nullptr;
  Code code = find({id, join.instance_id}, member);
  if (code != Code::kNone) return done(refused(code, std::move(id)));
  join_again(*member, std::move(join), now, std::move(done));
}

void Group::join_new(Join join, Duration now, JoinDone done) {
  if (join.instance_id && instances_.contains(*join.instance_id)) {
    return replace_static(std::move(join), now, std::move(done));
  }
  if (members_.size() + pending_.size() >= limits_.members_max) {
    return done(refused(Code::kGroupMaxSizeReached, {}));
  }
  std::string id = make_id_(join);
  if (!join.asks_twice || join.instance_id) return add(std::move(join), std::move(id), now, std::move(done));
  Duration until = after(now, join.session_timeout);
  pending_.emplace(id, until);
  wake_at(until);
  done(refused(Code::kMemberIdRequired, std::move(id)));
}

void Group::add(Join join, std::string id, Duration now, JoinDone done) {
  if (members_.empty()) protocol_type_ = join.protocol_type;
  Member& member = members_[id];
  member.id = id;
  member.instance_id = join.instance_id;
  if (join.instance_id) instances_[*join.instance_id] = id;
  if (leader_.empty()) leader_ = id;
  update(member, std::move(join));
  touch(member, now);
  await_join(member, std::move(done));
  if (state_ == GroupState::kPreparing && not_before_ > now) {  // a group that is starting waits for one more
    not_before_ = std::min(after(now, limits_.first_join_delay), deadline_);
  }
  rebalance(now);
}

void Group::join_again(Member& member, Join join, Duration now, JoinDone done) {
  const bool changed = member.protocols != join.protocols;
  // The leader joins anew to have the partitions assigned anew. Anybody else, when nothing changed, lost its answer.
  const bool lost_answer =
      !changed && (state_ == GroupState::kCompleting || (state_ == GroupState::kStable && member.id != leader_));
  update(member, std::move(join));
  touch(member, now);
  if (lost_answer) return done(joined(member));
  await_join(member, std::move(done));
  rebalance(now);
}

/// A static member came back under a new id: the old one is fenced. While nothing changes for the others they need not
/// know.
void Group::replace_static(Join join, Duration now, JoinDone done) {
  auto instance = instances_.find(*join.instance_id);
  auto node = members_.extract(instance->second);
  Member& member = node.mapped();
  const std::string old_id = member.id;
  answer_join(member, refused(Code::kFencedInstanceId, old_id));
  answer_sync(member, refused(Code::kFencedInstanceId));
  member.id = make_id_(join);
  node.key() = member.id;
  instance->second = member.id;
  const bool leads = leader_ == old_id;
  if (leads) leader_ = member.id;
  const bool changed = member.protocols != join.protocols;
  update(member, std::move(join));
  touch(member, now);
  members_.insert(std::move(node));
  if (state_ != GroupState::kStable || changed) {
    await_join(member, std::move(done));
    return rebalance(now);
  }
  Joined answer = joined(member);
  answer.members.clear();
  if (leads) answer.leader = old_id;  // or it would assign, and nobody waits for that
  done(std::move(answer));
}

void Group::update(Member& member, Join join) {
  member.client_id = std::move(join.client_id);
  member.client_host = std::move(join.client_host);
  member.session_timeout = join.session_timeout;
  member.rebalance_timeout = join.rebalance_timeout;
  member.protocols = std::move(join.protocols);
}

void Group::await_join(Member& member, JoinDone done) {
  answer_join(member, refused(Code::kRebalanceInProgress, member.id));  // asked before, on a connection that is gone
  member.join_waiting = std::move(done);
}

void Group::answer_join(Member& member, Joined answer) {
  if (auto done = std::exchange(member.join_waiting, nullptr)) done(std::move(answer));
}

void Group::answer_sync(Member& member, Synced answer) {
  if (auto done = std::exchange(member.sync_waiting, nullptr)) done(std::move(answer));
}

void Group::touch(Member& member, Duration now) {
  member.expires = after(now, member.session_timeout);
  wake_at(member.expires);
}

// -- rebalancing
// -------------------------------------------------------------------------------------------------------

/// Begins one, or goes on with the one under way.
void Group::rebalance(Duration now) {
  if (state_ != GroupState::kPreparing) {
    for (auto& [id, member] : members_) {
      if (member.sync_waiting) touch(member, now);
      answer_sync(member, refused(Code::kRebalanceInProgress));
    }
    deadline_ = after(now, longest_rebalance());
    not_before_ = now;
    if (state_ == GroupState::kEmpty) not_before_ = std::min(after(now, limits_.first_join_delay), deadline_);
    state_ = GroupState::kPreparing;
    wake_at(deadline_);
  }
  complete_if_ready(now);
}

void Group::complete_if_ready(Duration now) {
  if (state_ != GroupState::kPreparing) return;
  if (now < not_before_) return wake_at(not_before_);
  if (pending_.empty() && all_joined()) complete(now);
}

/// With who has joined; static members that have not keep their place until their session is over.
void Group::complete(Duration now) {
  ++generation_;
  if (members_.empty()) {
    state_ = GroupState::kEmpty;
    leader_.clear();
    protocol_.clear();
    return;
  }
  auto leader = members_.find(leader_);
  if (leader == members_.end() || !leader->second.join_waiting) {
    leader =
        std::find_if(members_.begin(), members_.end(), [](const auto& entry) { return !!entry.second.join_waiting; });
    MR_CHECK(leader != members_.end(), "a rebalance completes with somebody");
    leader_ = leader->first;
  }
  protocol_ = elect_protocol();
  state_ = GroupState::kCompleting;
  deadline_ = after(now, longest_rebalance());
  wake_at(deadline_);
  for (auto& [id, member] : members_) {
    member.assignment.clear();
    if (!member.join_waiting) continue;
    touch(member, now);
    answer_join(member, joined(member));
  }
}

void Group::sync(Sync sync, Duration now, SyncDone done) {
  Member* member = nullptr;
  Code code = find_current(sync.caller, member);
  if (code == Code::kNone && ((sync.protocol_type && *sync.protocol_type != protocol_type_) ||
                              (sync.protocol && *sync.protocol != protocol_))) {
    code = Code::kInconsistentGroupProtocol;
  }
  if (code == Code::kNone && state_ == GroupState::kPreparing) code = Code::kRebalanceInProgress;
  if (code != Code::kNone) return done(refused(code));
  touch(*member, now);
  if (state_ == GroupState::kStable) return done(synced(*member));
  answer_sync(*member, refused(Code::kRebalanceInProgress));  // asked before, on a connection that is gone
  member->sync_waiting = std::move(done);
  if (member->id != leader_) return;
  state_ = GroupState::kStable;
  for (auto& [id, each] : members_) {
    if (auto given = sync.assignments.find(id); given != sync.assignments.end()) each.assignment = given->second;
    if (!each.sync_waiting) continue;
    touch(each, now);
    answer_sync(each, synced(each));
  }
}

Code Group::heartbeat(const Caller& caller, Duration now) {
  Member* member = nullptr;
  Code code = find_current(caller, member);
  if (code != Code::kNone) return code;
  touch(*member, now);
  return state_ == GroupState::kPreparing ? Code::kRebalanceInProgress : Code::kNone;
}

Code Group::check_commit(const Caller& caller, Duration now) {
  // Without members the group is a place to keep offsets for somebody who assigns partitions to itself.
  if (caller.generation < 0 && members_.empty()) return Code::kNone;
  Member* member = nullptr;
  Code code = find_current(caller, member);
  if (code != Code::kNone) return code;
  touch(*member, now);
  // The members have the new generation, but nobody knows yet whose the partitions are.
  return state_ == GroupState::kCompleting ? Code::kRebalanceInProgress : Code::kNone;
}

Code Group::leave(const Caller& caller, Duration now) {
  if (auto known = pending_.find(caller.member_id); known != pending_.end()) {
    pending_.erase(known);
    complete_if_ready(now);
    return Code::kNone;
  }
  Caller named = caller;
  if (caller.instance_id && caller.member_id.empty()) {
    auto instance = instances_.find(*caller.instance_id);
    if (instance != instances_.end()) named.member_id = instance->second;
  }
  Member* member = nullptr;
  Code code = find(named, member);
  if (code != Code::kNone) return code;
  remove(std::string(member->id), Code::kUnknownMemberId, now);
  return Code::kNone;
}

void Group::remove(std::string_view id, Code answer, Duration now) {
  auto node = members_.extract(members_.find(id));
  Member& member = node.mapped();
  if (member.instance_id) instances_.erase(*member.instance_id);
  answer_join(member, refused(answer, member.id));
  answer_sync(member, refused(answer));
  if (leader_ == member.id) leader_ = members_.empty() ? std::string() : members_.begin()->first;
  rebalance(now);
}

// -- time
// --------------------------------------------------------------------------------------------------------------

void Group::tick(Duration now) {
  if (now < due_) return;
  std::erase_if(pending_, [&](const auto& entry) { return entry.second <= now; });
  drop_silent(now);
  if (state_ == GroupState::kCompleting && deadline_ <= now) drop_unsynced(now);
  if (state_ == GroupState::kPreparing && deadline_ <= now) {
    pending_.clear();
    drop_absent();
    const bool somebody = members_.empty() || std::any_of(members_.begin(), members_.end(), [](const auto& entry) {
                            return static_cast<bool>(entry.second.join_waiting);
                          });
    somebody ? complete(now) : void(deadline_ = after(now, longest_rebalance()));
  }
  complete_if_ready(now);
  compute_due(now);
}

void Group::drop_silent(Duration now) {
  std::vector<std::string> silent;
  for (const auto& [id, member] : members_) {
    if (!member.join_waiting && !member.sync_waiting && member.expires <= now) silent.push_back(id);
  }
  for (const std::string& id : silent) remove(id, Code::kUnknownMemberId, now);
}

/// Who was told of the new generation and did not ask for its part, the leader among them.
void Group::drop_unsynced(Duration now) {
  std::vector<std::string> absent;
  for (const auto& [id, member] : members_) {
    if (!member.sync_waiting && !member.instance_id) absent.push_back(id);
  }
  for (const std::string& id : absent) remove(id, Code::kUnknownMemberId, now);
  if (state_ == GroupState::kCompleting) rebalance(now);
}

void Group::drop_absent() {
  std::erase_if(members_, [](const auto& entry) { return !entry.second.join_waiting && !entry.second.instance_id; });
}

void Group::compute_due(Duration now) {
  due_ = Duration{INT64_MAX};
  for (const auto& [id, until] : pending_) wake_at(until);
  for (const auto& [id, member] : members_) {
    if (!member.join_waiting && !member.sync_waiting) wake_at(member.expires);
  }
  if (state_ == GroupState::kPreparing) wake_at(now < not_before_ ? not_before_ : deadline_);
  if (state_ == GroupState::kCompleting) wake_at(deadline_);
}

void Group::give_up(Code code) {
  for (auto& [id, member] : members_) {
    answer_join(member, refused(code, id));
    answer_sync(member, refused(code));
  }
}

}  // namespace millrace::server::kafka
