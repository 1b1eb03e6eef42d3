// The journal of the Kafka listener: what was committed is there after a power cut, and snapshots lose nothing.
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "base/simulated_env.h"
#include "server/kafka/groups.h"
#include "server/kafka/journal.h"

namespace millrace::server::kafka {
namespace {

constexpr StreamId kStream{5};

class KafkaJournal : public testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    log = std::move(log::Log::open(env, "log")).value();
    auto stream = log->find(kStream);
    if (!stream) stream = std::move(log->create_stream(kStream, "_kafka", journal_stream_options())).value();
    partition = &stream->partition(PartitionId(0));
    auto opened = Journal::open(env, stream, limits);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    journal = std::move(opened).value();
  }
  void close() {
    journal.reset();
    log.reset();
  }
  void cut_power() {
    env.power_cut();
    close();
    env.restart();
    open();
  }
  GroupOffsets at(uint32_t stream, int64_t offset, std::string metadata = "") {
    return {{{StreamId(stream), PartitionId(0)}, {Offset(offset), -1, env.clock().now(), std::move(metadata)}}};
  }
  Status commit(std::string_view group, const GroupOffsets& offsets) {
    std::optional<Status> outcome;
    journal->commit(group, offsets, [&](Status status) { outcome = std::move(status); });
    EXPECT_TRUE(outcome) << "single-threaded: durable at once";
    return *outcome;
  }

  SimulatedEnv env{7};
  Journal::Limits limits;
  std::unique_ptr<log::Log> log;
  log::Partition* partition = nullptr;
  std::unique_ptr<Journal> journal;
};

TEST_F(KafkaJournal, WhatWasCommittedIsThereAfterAPowerCut) {
  GroupOffsets first = at(1, 10, "note");
  first.merge(at(2, 20));
  ASSERT_TRUE(commit("g", first).ok());
  ASSERT_TRUE(commit("h", at(1, 5)).ok());
  ASSERT_TRUE(commit("g", at(1, 11)).ok());
  ASSERT_TRUE(commit("gone", at(1, 1)).ok());
  journal->forget("gone", [](const Status& status) { EXPECT_TRUE(status.ok()); });
  first.insert_or_assign({StreamId(1), PartitionId(0)}, at(1, 11).begin()->second);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(journal->offsets("g"), first);
    EXPECT_EQ(journal->groups(), (std::vector<std::string>{"g", "h"}));
    cut_power();
  }
}

TEST_F(KafkaJournal, OffsetsThatAreTakenAwayStayAwayAndNewerOnesStay) {
  GroupOffsets both = at(1, 10);
  both.merge(at(2, 20));
  ASSERT_TRUE(commit("g", both).ok());
  const Timestamp until = env.clock().now();
  env.clock().advance(Duration::from_seconds(1));
  ASSERT_TRUE(commit("g", at(2, 21)).ok());
  journal->remove("g", {{StreamId(1), PartitionId(0)}, {StreamId(2), PartitionId(0)}}, until, [](const Status&) {});
  journal->mark_idle("g", until, [](const Status&) {});
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(journal->offsets("g").size(), 1u);
    EXPECT_EQ(journal->offsets("g").begin()->second.offset, Offset(21));
    EXPECT_EQ(journal->kept("g").idle_since, until);
    cut_power();
  }
  ASSERT_TRUE(journal->snapshot([](StreamId) { return true; }).ok());
  cut_power();
  EXPECT_EQ(journal->kept("g").idle_since, until);
  journal->remove("g", {{StreamId(2), PartitionId(0)}}, env.clock().now(), [](const Status&) {});
  EXPECT_TRUE(journal->groups().empty());
}

TEST_F(KafkaJournal, OffsetsExpireAfterTheGroupIsEmptyAndTheyAreOld) {
  GroupLimits groups_limits;
  groups_limits.offset_retention = Duration::from_seconds(3600);
  auto pass = [&](int64_t seconds) {
    env.clock().advance(Duration::from_seconds(seconds));
    Groups(env, *journal, groups_limits).expire();
  };
  ASSERT_TRUE(commit("g", at(1, 10)).ok());
  pass(7200);  // from here on it is known to be empty, however old the offset is
  pass(3000);
  ASSERT_TRUE(commit("g", at(2, 5)).ok());
  cut_power();
  EXPECT_EQ(journal->offsets("g").size(), 2u);
  pass(700);
  ASSERT_EQ(journal->offsets("g").size(), 1u) << "the newer one stays";
  EXPECT_EQ(journal->offsets("g").begin()->first.stream, StreamId(2));
  pass(3000);
  EXPECT_TRUE(journal->groups().empty());
}

TEST_F(KafkaJournal, OffsetsOfAGroupWithMembersDoNotExpire) {
  GroupLimits groups_limits;
  groups_limits.offset_retention = Duration::from_seconds(60);
  groups_limits.first_join_delay = Duration();
  Groups groups(env, *journal, groups_limits);
  ASSERT_TRUE(commit("g", at(1, 10)).ok());
  groups.expire();
  Join join;
  join.session_timeout = Duration::from_seconds(1800);
  join.rebalance_timeout = join.session_timeout;
  join.protocol_type = "consumer";
  join.protocols = {{"range", "m"}};
  std::string member;
  groups.join("g", join, [&](Joined joined) { member = joined.member_id; });
  for (int i = 0; i < 3; ++i) {
    env.clock().advance(Duration::from_seconds(100));
    groups.expire();
  }
  EXPECT_EQ(journal->groups().size(), 1u);
  ASSERT_EQ(groups.leave("g", {member, std::nullopt}), Code::kNone);
  groups.expire();
  EXPECT_EQ(journal->groups().size(), 1u) << "it lost its last member just now";
  env.clock().advance(Duration::from_seconds(61));
  groups.expire();
  EXPECT_TRUE(journal->groups().empty());
}

TEST_F(KafkaJournal, ASnapshotKeepsWhatCountsAndLetsGoOfTheRest) {
  limits.snapshot_bytes_min = 1 << 20;
  close();
  open();
  const std::string metadata(4000, 'm');
  int64_t offset = 0;
  while (!journal->wants_snapshot()) ASSERT_TRUE(commit("g", at(1, ++offset, metadata)).ok());
  for (int round = 0; round < 8; ++round) {
    ASSERT_TRUE(commit("dropped", at(9, 1)).ok());
    ASSERT_TRUE(journal->snapshot([](StreamId stream) { return stream != StreamId(9); }).ok());
    EXPECT_FALSE(journal->wants_snapshot());
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(commit("g", at(1, ++offset, metadata)).ok());
    ASSERT_TRUE(commit("h" + std::to_string(round), at(2, round)).ok());
  }
  EXPECT_GT(partition->begin_offset(), Offset(0));
  EXPECT_LT(partition->size_bytes(), uint64_t{10} << 20);
  cut_power();
  EXPECT_EQ(journal->offsets("g").begin()->second.offset, Offset(offset));
  EXPECT_EQ(journal->groups().size(), 9u) << "g and the eight; what was of a stream that is gone went with it";
}

TEST_F(KafkaJournal, AFailedDiskRefusesAndForgetsNothing) {
  ASSERT_TRUE(commit("g", at(1, 1)).ok());
  env.files().inject({FileOperation::kSync, "log", EIO});
  EXPECT_FALSE(commit("g", at(1, 2)).ok());
  EXPECT_EQ(journal->offsets("g").begin()->second.offset, Offset(1));
  ASSERT_TRUE(commit("g", at(1, 3)).ok()) << "the partition is opened again";
  cut_power();
  EXPECT_EQ(journal->offsets("g").begin()->second.offset, Offset(3));
}

TEST_F(KafkaJournal, OffsetsAreBounded) {
  limits.bytes_max = 1000;
  close();
  open();
  Status refused;
  for (uint32_t i = 1; refused.ok() && i < 100; ++i) refused = commit("g", at(i, 1));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, sqlstate::kTooLarge);
  EXPECT_TRUE(commit("g", at(1, 2)).ok()) << "what is there may move on";
}

TEST_F(KafkaJournal, ProducerIdsAreNeverGivenOutTwice) {
  std::set<int64_t> given;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 1200; ++i) {
      journal->take_producer_id([&](const Result<int64_t>& id) {
        ASSERT_TRUE(id.ok());
        EXPECT_TRUE(given.insert(*id).second) << *id;
      });
    }
    if (round == 1) {
      ASSERT_TRUE(journal->snapshot([](StreamId) { return true; }).ok());
    }
    cut_power();
  }
  EXPECT_EQ(given.size(), 4800u);
}

TEST_F(KafkaJournal, AGroupOfBeforeTheCutJoinsAgain) {
  Groups groups(env, *journal, {});
  auto outcome = [](Code& code) { return [&code](Code told) { code = told; }; };
  Code code = Code::kUnknownServerError;
  groups.commit("g", {"", std::nullopt, -1}, at(1, 4), outcome(code));
  EXPECT_EQ(code, Code::kNone);
  EXPECT_EQ(groups.list().size(), 1u);
  groups.commit("g", {"somebody", std::nullopt, 3}, at(1, 3), outcome(code));
  EXPECT_EQ(code, Code::kIllegalGeneration);
  EXPECT_EQ(groups.heartbeat("g", {"somebody", std::nullopt, 3}), Code::kUnknownMemberId);
  EXPECT_EQ(groups.offsets("g").begin()->second.offset, Offset(4));
  groups.remove("g", outcome(code));
  EXPECT_EQ(code, Code::kNone);
  groups.remove("g", outcome(code));
  EXPECT_EQ(code, Code::kGroupIdNotFound);
  EXPECT_FALSE(groups.describe("g"));
}

}  // namespace
}  // namespace millrace::server::kafka
