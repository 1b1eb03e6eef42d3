// Groups: the coordinator of all consumer groups of the node. Members live in memory and join again after a restart;
// committed offsets are the journal's, and durable.
//
// Any thread may call. What waits (a rebalance, the disk) is answered by a function that is called once, from any
// thread, and must not call back.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "server/kafka/group.h"
#include "server/kafka/journal.h"

namespace millrace::server::kafka {

class Groups {
 public:
  struct Listed {
    std::string id;
    std::string protocol_type;
    const char* state = "";
  };

  Groups(Env& env, Journal& journal, const GroupLimits& limits) : env_(env), journal_(journal), limits_(limits) {}

  void join(std::string_view group, Join join, Group::JoinDone done);
  void sync(std::string_view group, Sync sync, Group::SyncDone done);
  Code heartbeat(std::string_view group, const Caller& caller);
  Code leave(std::string_view group, const Caller& caller);

  /// `done` is called when the offsets are durable, or refused.
  void commit(std::string_view group, const Caller& caller, const GroupOffsets& offsets,
              std::function<void(Code)> done);
  /// Durable ones.
  GroupOffsets offsets(std::string_view group) const { return journal_.offsets(group); }

  /// Nothing when there is no such group.
  std::optional<GroupDescription> describe(std::string_view group);
  /// By name.
  std::vector<Listed> list();
  /// Forgets its offsets, durably; not while it has members.
  void remove(std::string_view group, std::function<void(Code)> done);

  /// Forgets what was committed for these places until now. Nobody looks whether members read them.
  void remove_offsets(std::string_view group, std::vector<OffsetPlace> places, std::function<void(Code)> done);
  /// Forgets offsets that nobody has come back to for long. Called now and then; writes to the journal.
  void expire();

  /// Ends what time ends. Called every few milliseconds.
  void tick();
  /// Answers all that wait, and lets nobody join any more.
  void stop();

 private:
  Code check(std::string_view group, const Join& join) const;
  Group* find(std::string_view group);
  bool has_members(std::string_view group);
  void expire(std::string_view group, const KeptGroup& kept);
  Group& find_or_make(std::string_view group);
  void drop_if_vacant(std::string_view group);
  std::string make_member_id(const Join& join);
  Duration now() { return env_.clock().monotonic(); }

  Env& env_;
  Journal& journal_;
  const GroupLimits limits_;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, std::unique_ptr<Group>, std::less<>> groups_;  // with members, or about to have some
  bool stopped_ = false;
};

}  // namespace millrace::server::kafka
