// The state machine of a consumer group, with time in the test's hand.
#include <gtest/gtest.h>

#include "server/kafka/group.h"

namespace millrace::server::kafka {
namespace {

constexpr Duration kSession = Duration::from_seconds(10);
constexpr Duration kRebalance = Duration::from_seconds(60);

class KafkaGroup : public testing::Test {
 protected:
  /// What a member was told last; nothing while it waits.
  struct Told {
    std::optional<Joined> joined;
    std::optional<Synced> synced;
  };
  using Member = std::shared_ptr<Told>;

  Join asking(std::string id, std::vector<Protocol> protocols = {{"range", "m"}}) {
    Join join;
    join.member_id = std::move(id);
    join.client_id = "c";
    join.session_timeout = kSession;
    join.rebalance_timeout = kRebalance;
    join.protocol_type = "consumer";
    join.protocols = std::move(protocols);
    return join;
  }
  Member join(Join asked) {
    auto told = std::make_shared<Told>();
    group.join(std::move(asked), now, [told](Joined joined) { told->joined = std::move(joined); });
    return told;
  }
  Member join(std::string id = "") { return join(asking(std::move(id))); }
  void sync(const Member& member, std::map<std::string, std::string, std::less<>> assignments = {}) {
    member->synced.reset();
    Sync asked{caller(member), "consumer", "range", std::move(assignments)};
    group.sync(std::move(asked), now, [member](Synced synced) { member->synced = std::move(synced); });
  }
  /// Joins again under the id it has.
  void rejoin(const Member& member) {
    Member again = join(asking(member->joined->member_id));
    *member = *again;
    waiting.emplace_back(member, again);
  }
  /// Those that rejoined are told in their first place too.
  void settle() {
    for (auto& [member, again] : waiting) *member = *again;
  }
  Caller caller(const Member& member) const {
    return {member->joined->member_id, std::nullopt, member->joined->generation};
  }
  void pass(Duration time) {
    now.micros += time.micros;
    group.tick(now);
    settle();
  }
  /// Two members, stable, the first the leader.
  std::pair<Member, Member> stable_pair() {
    Member a = join();
    Member b = join();
    pass(limits.first_join_delay);
    pass(limits.first_join_delay);
    sync(b);
    sync(a, {{a->joined->member_id, "0"}, {b->joined->member_id, "1"}});
    EXPECT_EQ(group.state(), GroupState::kStable);
    return {a, b};
  }

  GroupLimits limits;
  int ids = 0;
  Group group{limits, [this](const Join& join) { return join.client_id + std::to_string(++ids); }};
  Duration now{1000};
  std::vector<std::pair<Member, Member>> waiting;
};

TEST_F(KafkaGroup, MembersJoinTheLeaderAssignsAndAllGetTheirPart) {
  Member a = join();
  pass(Duration{limits.first_join_delay.micros / 2});
  Member b = join();
  pass(Duration{limits.first_join_delay.micros / 2});
  EXPECT_FALSE(a->joined) << "the second one's coming made the wait longer";
  pass(limits.first_join_delay);
  ASSERT_TRUE(a->joined && b->joined);
  EXPECT_EQ(a->joined->code, Code::kNone);
  EXPECT_EQ(a->joined->generation, 1);
  EXPECT_EQ(a->joined->leader, a->joined->member_id);
  EXPECT_EQ(a->joined->protocol, "range");
  ASSERT_EQ(a->joined->members.size(), 2u);
  EXPECT_EQ(a->joined->members[1].metadata, "m");
  EXPECT_TRUE(b->joined->members.empty());
  sync(b);
  EXPECT_FALSE(b->synced);
  sync(a, {{a->joined->member_id, "x"}, {b->joined->member_id, "y"}});
  EXPECT_EQ(a->synced->assignment, "x");
  EXPECT_EQ(b->synced->assignment, "y");
  EXPECT_EQ(group.heartbeat(caller(b), now), Code::kNone);
  EXPECT_EQ(group.describe().members.size(), 2u);
}

TEST_F(KafkaGroup, AThirdMemberMakesTheOthersJoinAgain) {
  auto [a, b] = stable_pair();
  Member c = join();
  EXPECT_EQ(group.heartbeat(caller(a), now), Code::kRebalanceInProgress);
  sync(a);
  EXPECT_EQ(a->synced->code, Code::kRebalanceInProgress);
  EXPECT_EQ(group.check_commit(caller(a), now), Code::kNone) << "what it did before it gives up its partitions counts";
  const Caller before = caller(a);
  const std::string id(before.member_id);
  rejoin(a);
  EXPECT_FALSE(a->joined);
  rejoin(b);
  settle();
  ASSERT_TRUE(a->joined && b->joined && c->joined);
  EXPECT_EQ(c->joined->generation, 2);
  EXPECT_EQ(a->joined->members.size(), 3u);
  EXPECT_EQ(group.heartbeat({id, std::nullopt, 1}, now), Code::kIllegalGeneration);
  EXPECT_EQ(group.check_commit({id, std::nullopt, 1}, now), Code::kIllegalGeneration);
  EXPECT_EQ(group.check_commit(caller(a), now), Code::kRebalanceInProgress);
}

TEST_F(KafkaGroup, ASilentMemberIsOutAfterItsSessionTimeout) {
  auto [a, b] = stable_pair();
  pass(Duration{kSession.micros - 1});
  EXPECT_EQ(group.heartbeat(caller(a), now), Code::kNone);
  EXPECT_EQ(group.state(), GroupState::kStable);
  pass(Duration{1});
  EXPECT_EQ(group.state(), GroupState::kPreparing);
  EXPECT_EQ(group.heartbeat(caller(b), now), Code::kUnknownMemberId);
  EXPECT_EQ(group.heartbeat(caller(a), now), Code::kRebalanceInProgress);
  rejoin(a);
  settle();
  EXPECT_EQ(a->joined->generation, 2);
  EXPECT_EQ(a->joined->members.size(), 1u);
}

TEST_F(KafkaGroup, WhoDoesNotJoinInTimeIsOut) {
  auto [a, b] = stable_pair();
  Member c = join();
  rejoin(a);
  for (int i = 0; i < 60; ++i) {
    EXPECT_NE(group.heartbeat(caller(b), now), Code::kUnknownMemberId);
    EXPECT_FALSE(c->joined);
    pass(Duration::from_seconds(1));
  }
  ASSERT_TRUE(a->joined && c->joined);
  EXPECT_EQ(a->joined->members.size(), 2u);
  EXPECT_EQ(group.heartbeat(caller(b), now), Code::kUnknownMemberId);
}

TEST_F(KafkaGroup, ALeaderThatDoesNotAssignIsReplaced) {
  Member a = join();
  Member b = join();
  pass(limits.first_join_delay);
  pass(limits.first_join_delay);
  sync(b);
  pass(kSession);  // nothing is heard of the leader; the other one's answer waits
  EXPECT_EQ(b->synced->code, Code::kRebalanceInProgress);
  rejoin(b);
  settle();
  EXPECT_EQ(b->joined->leader, b->joined->member_id);
  EXPECT_EQ(group.heartbeat(caller(a), now), Code::kUnknownMemberId);
}

TEST_F(KafkaGroup, TheLastToLeaveLeavesItEmpty) {
  auto [a, b] = stable_pair();
  EXPECT_EQ(group.leave(caller(b), now), Code::kNone);
  EXPECT_EQ(group.leave(caller(b), now), Code::kUnknownMemberId);
  EXPECT_EQ(group.state(), GroupState::kPreparing);
  EXPECT_EQ(group.leave(caller(a), now), Code::kNone);
  EXPECT_EQ(group.state(), GroupState::kEmpty);
  EXPECT_TRUE(group.vacant());
  EXPECT_EQ(group.check_commit({"", std::nullopt, -1}, now), Code::kNone);
}

TEST_F(KafkaGroup, CommitsOfStrangersAreRefusedWhileItHasMembers) {
  auto [a, b] = stable_pair();
  EXPECT_EQ(group.check_commit(caller(a), now), Code::kNone);
  EXPECT_EQ(group.check_commit({"", std::nullopt, -1}, now), Code::kUnknownMemberId);
  EXPECT_EQ(group.check_commit({"who", std::nullopt, 1}, now), Code::kUnknownMemberId);
}

TEST_F(KafkaGroup, ANewMemberIsGivenItsIdFirst) {
  Join asked = asking("");
  asked.asks_twice = true;
  Member a = join(asked);
  ASSERT_EQ(a->joined->code, Code::kMemberIdRequired);
  EXPECT_FALSE(group.vacant());
  asked.member_id = a->joined->member_id;
  Member again = join(asked);
  pass(limits.first_join_delay);
  EXPECT_EQ(again->joined->code, Code::kNone);
  EXPECT_EQ(again->joined->member_id, asked.member_id);
  EXPECT_EQ(join("nobody")->joined->code, Code::kUnknownMemberId);
}

TEST_F(KafkaGroup, AnIdThatNobodyUsesIsForgotten) {
  Join asked = asking("");
  asked.asks_twice = true;
  Member a = join(asked);
  pass(kSession);
  EXPECT_TRUE(group.vacant());
  EXPECT_EQ(join(a->joined->member_id)->joined->code, Code::kUnknownMemberId);
}

TEST_F(KafkaGroup, MembersWithoutAProtocolInCommonAreRefused) {
  Member a = join(asking("", {{"range", "1"}, {"sticky", "2"}}));
  EXPECT_EQ(join(asking("", {{"other", ""}}))->joined->code, Code::kInconsistentGroupProtocol);
  Join connect = asking("");
  connect.protocol_type = "connect";
  EXPECT_EQ(join(connect)->joined->code, Code::kInconsistentGroupProtocol);
  Member b = join(asking("", {{"sticky", "3"}}));
  pass(limits.first_join_delay);
  pass(limits.first_join_delay);
  EXPECT_EQ(a->joined->protocol, "sticky");
  EXPECT_EQ(a->joined->members[1].metadata, "3");
}

TEST_F(KafkaGroup, AMemberThatAsksAgainGetsTheAnswerThatItLost) {
  auto [a, b] = stable_pair();
  rejoin(b);
  settle();
  ASSERT_TRUE(b->joined);
  EXPECT_EQ(b->joined->generation, 1);
  EXPECT_EQ(group.state(), GroupState::kStable);
  sync(b);
  EXPECT_EQ(b->synced->assignment, "1");
  rejoin(a);  // the leader, however, wants to assign anew
  EXPECT_EQ(group.state(), GroupState::kPreparing);
}

TEST_F(KafkaGroup, AStaticMemberComesBackToItsPartitionsAndTheOldOneIsFenced) {
  Join asked = asking("");
  asked.instance_id = "i";
  Member a = join(asked);
  pass(limits.first_join_delay);
  sync(a, {{a->joined->member_id, "mine"}});
  Member again = join(asked);
  ASSERT_TRUE(again->joined);
  EXPECT_EQ(again->joined->generation, 1);
  EXPECT_NE(again->joined->member_id, a->joined->member_id);
  EXPECT_TRUE(again->joined->members.empty());
  sync(again);
  EXPECT_EQ(again->synced->assignment, "mine");
  EXPECT_EQ(group.heartbeat({a->joined->member_id, "i", 1}, now), Code::kFencedInstanceId);
  EXPECT_EQ(group.heartbeat({again->joined->member_id, "i", 1}, now), Code::kNone);
  EXPECT_EQ(group.leave({"", "i"}, now), Code::kNone);
  EXPECT_TRUE(group.vacant());
}

TEST_F(KafkaGroup, MembersAreBounded) {
  limits.members_max = 2;
  join();
  join();
  EXPECT_EQ(join()->joined->code, Code::kGroupMaxSizeReached);
}

TEST_F(KafkaGroup, WhoWaitsIsAnsweredWhenTheNodeStops) {
  auto [a, b] = stable_pair();
  rejoin(a);
  Member c = join();
  group.give_up(Code::kCoordinatorNotAvailable);
  settle();
  EXPECT_EQ(a->joined->code, Code::kCoordinatorNotAvailable);
  EXPECT_EQ(c->joined->code, Code::kCoordinatorNotAvailable);
}

}  // namespace
}  // namespace millrace::server::kafka
