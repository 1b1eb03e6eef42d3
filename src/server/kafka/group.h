// Group: the members of one consumer group and what they agree on, in Kafka's classic protocol (KIP-62 sessions,
// KIP-345 static members, KIP-394 known ids).
//
//   Empty → Preparing    somebody joined or left: all members must join again, within the longest rebalance timeout
//   Preparing → Completing   all are there, or the time is over and who is missing is out: the generation grows, the
//                        leader is told the members
//   Completing → Stable  the leader sent the assignments, and each gets its own
//   Stable → Preparing   again, when a member comes, leaves, falls silent for its session timeout or subscribes anew
//
// Pure: it has no clock, thread or lock. Its owner tells it the time (monotonic) and calls `tick` when `due` has come.
// Answers that wait are functions that it is given; each is called once, and may not call back.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "server/kafka/errors.h"
#include "server/kafka/group_limits.h"

namespace millrace::server::kafka {

enum class GroupState : uint8_t { kEmpty, kPreparing, kCompleting, kStable };
/// As Kafka's tools name it.
const char* name_of(GroupState state);

/// A way of assigning that a member knows, and what it says to whoever assigns.
struct Protocol {
  std::string name;
  std::string metadata;
  bool operator==(const Protocol&) const = default;
};

struct Join {
  std::string member_id;                   ///< empty: new
  std::optional<std::string> instance_id;  ///< of a static member
  std::string client_id;
  std::string client_host;
  Duration session_timeout;
  Duration rebalance_timeout;
  std::string protocol_type;
  std::vector<Protocol> protocols;  ///< the one liked best first
  bool asks_twice = false;          ///< a new member is given its id first, and joins with it (KIP-394)
};

struct Joined {
  struct Member {
    std::string id;
    std::optional<std::string> instance_id;
    std::string metadata;
  };
  Code code = Code::kNone;
  int32_t generation = -1;
  std::string protocol_type;
  std::string protocol;
  std::string leader;
  std::string member_id;
  std::vector<Member> members;  ///< for the leader only
};

/// Who asks, after it joined.
struct Caller {
  std::string_view member_id;
  std::optional<std::string_view> instance_id;
  int32_t generation = -1;
};

struct Sync {
  Caller caller;
  std::optional<std::string_view> protocol_type;
  std::optional<std::string_view> protocol;
  std::map<std::string, std::string, std::less<>> assignments;  ///< by member; from the leader
};

struct Synced {
  Code code = Code::kNone;
  std::string protocol_type;
  std::string protocol;
  std::string assignment;
};

struct GroupDescription {
  struct Member {
    std::string id;
    std::optional<std::string> instance_id;
    std::string client_id;
    std::string client_host;
    std::string metadata;
    std::string assignment;
  };
  GroupState state = GroupState::kEmpty;
  std::string protocol_type;
  std::string protocol;
  std::vector<Member> members;
};

class Group {
 public:
  using JoinDone = std::function<void(Joined)>;
  using SyncDone = std::function<void(Synced)>;

  /// `make_id` gives ids that nobody had before. The limits outlive it.
  Group(const GroupLimits& limits, std::function<std::string(const Join&)> make_id)
      : limits_(limits), make_id_(std::move(make_id)) {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  void join(Join join, Duration now, JoinDone done);
  void sync(Sync sync, Duration now, SyncDone done);
  Code heartbeat(const Caller& caller, Duration now);
  /// A static member may be named by its instance alone.
  Code leave(const Caller& caller, Duration now);
  /// Whether this caller may commit offsets now.
  Code check_commit(const Caller& caller, Duration now);

  void tick(Duration now);
  /// Nothing happens by time alone before.
  Duration due() const { return due_; }
  /// Answers all that wait: with this.
  void give_up(Code code);

  /// Nobody is in it or about to be.
  bool vacant() const { return members_.empty() && pending_.empty(); }
  bool has_members() const { return !members_.empty(); }
  GroupState state() const { return state_; }
  int32_t generation() const { return generation_; }
  const std::string& protocol_type() const { return protocol_type_; }
  GroupDescription describe() const;

 private:
  struct Member {
    std::string id;
    std::optional<std::string> instance_id;
    std::string client_id;
    std::string client_host;
    Duration session_timeout;
    Duration rebalance_timeout;
    std::vector<Protocol> protocols;
    std::string assignment;
    Duration expires;       ///< when nothing is heard of it; not while an answer waits
    JoinDone join_waiting;  ///< set: it has joined the rebalance under way
    SyncDone sync_waiting;

    const std::string& metadata_of(std::string_view protocol) const;
  };
  using Members = std::map<std::string, Member, std::less<>>;

  // Looking.
  Code find(const Caller& caller, Member*& member);
  Code find_current(const Caller& caller, Member*& member);
  bool fits(const Join& join) const;
  bool all_know(std::string_view protocol) const;
  bool all_joined() const;
  Duration longest_rebalance() const;
  std::string elect_protocol() const;
  Joined joined(const Member& member) const;
  Synced synced(const Member& member) const;

  // Changing.
  void join_new(Join join, Duration now, JoinDone done);
  void join_again(Member& member, Join join, Duration now, JoinDone done);
  void add(Join join, std::string id, Duration now, JoinDone done);
  void replace_static(Join join, Duration now, JoinDone done);
  static void update(Member& member, Join join);
  void remove(std::string_view id, Code answer, Duration now);
  void await_join(Member& member, JoinDone done);
  void answer_join(Member& member, Joined answer);
  void answer_sync(Member& member, Synced answer);
  void touch(Member& member, Duration now);
  void rebalance(Duration now);
  void complete_if_ready(Duration now);
  void complete(Duration now);
  void drop_absent();
  void drop_silent(Duration now);
  void drop_unsynced(Duration now);
  void wake_at(Duration time) { due_ = std::min(due_, time); }
  void compute_due(Duration now);

  const GroupLimits& limits_;
  const std::function<std::string(const Join&)> make_id_;
  GroupState state_ = GroupState::kEmpty;
  int32_t generation_ = 0;
  std::string protocol_type_;
  std::string protocol_;
  std::string leader_;
  Members members_;
  std::map<std::string, std::string, std::less<>> instances_;  ///< member by its instance
  std::map<std::string, Duration, std::less<>> pending_;       ///< ids given out and not used yet: until when
  Duration deadline_;                                          ///< of the phase, when preparing or completing
  Duration not_before_;                                        ///< preparing does not end earlier
  Duration due_{INT64_MAX};
};

}  // namespace millrace::server::kafka
