#include "log/partition.h"

#include "log_fixture.h"

namespace millrace::log {
namespace {

class PartitionTest : public LogTest {};

TEST_F(PartitionTest, AppendsAreReadBackInOrder) {
  create();
  AppendResult first = partition().append_and_wait(batch_of({"a", "b"})).value();
  AppendResult second = partition().append_and_wait(batch_of({"c"})).value();
  EXPECT_EQ(first.first, Offset{0});
  EXPECT_EQ(first.last, Offset{1});
  EXPECT_EQ(second.first, Offset{2});
  EXPECT_EQ(second.last, Offset{2});
  EXPECT_EQ(partition().end_offset(), Offset{3});
  EXPECT_EQ(read_values(partition()), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(PartitionTest, NothingIsVisibleBeforeItIsDurable) {
  create();
  Ticket ticket = partition().append(one("a")).value();
  EXPECT_EQ(partition().end_offset(), Offset{0});
  EXPECT_TRUE(read_values(partition()).empty());
  ASSERT_TRUE(is_ok(partition().wait(ticket)));
  ASSERT_TRUE(is_ok(partition().wait(ticket))) << "a second wait has the same answer";
  EXPECT_EQ(partition().end_offset(), Offset{1});
}

TEST_F(PartitionTest, OneSyncServesAllThatWait) {
  create();
  std::vector<Ticket> tickets;
  for (int i = 0; i < 100; ++i) tickets.push_back(partition().append(one(std::to_string(i))).value());
  uint64_t before = env_.files().changes();
  ASSERT_TRUE(is_ok(partition().sync()));
  EXPECT_EQ(env_.files().changes() - before, 2U) << "one append and one sync";
  for (int i = 0; i < 100; ++i) EXPECT_EQ(partition().wait(tickets[static_cast<size_t>(i)])->first, Offset{i});
}

TEST_F(PartitionTest, AppendTimeNeverFalls) {
  create();
  Timestamp first = partition().append_and_wait(one("a"))->append_time;
  env_.clock().jump_wall(Duration::from_seconds(-3600));
  EXPECT_EQ(partition().append_and_wait(one("b"))->append_time, first);
  reopen();
  EXPECT_EQ(partition().last_append_time(), first);
  EXPECT_EQ(partition().append_and_wait(one("c"))->append_time, first);
  env_.clock().jump_wall(Duration::from_seconds(7200));
  EXPECT_EQ(partition().append_and_wait(one("d"))->append_time, first + Duration::from_seconds(3600));
}

TEST_F(PartitionTest, ReadsFromTheMiddleReturnTheWholeBatch) {
  create();
  ASSERT_TRUE(is_ok(partition().append_and_wait(batch_of({"a", "b", "c"}))));
  ASSERT_TRUE(is_ok(partition().append_and_wait(batch_of({"d"}))));
  ReadBatches batches = partition().read(Offset{1}, 1).value();
  ASSERT_EQ(batches.batches().size(), 1U) << "at least one batch, however few bytes were asked for";
  EXPECT_EQ(batches.batches()[0].base_offset, Offset{0});
  EXPECT_EQ(batches.next_offset(), Offset{3});
  EXPECT_TRUE(partition().read(Offset{4}, 1000)->empty());
  EXPECT_EQ(partition().read(Offset{5}, 1000).error().code, sqlstate::kInvalidParameter);
  EXPECT_EQ(partition().read(Offset{-1}, 1000).error().code, sqlstate::kInvalidParameter);
}

TEST_F(PartitionTest, AReaderFollowsTheEnd) {
  create({.segment_bytes = 4096});
  ReadBatches batches;
  std::vector<std::string> seen;
  Offset at{0};
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::to_string(i) + std::string(100, '.')))));
    ASSERT_TRUE(is_ok(partition().read(at, 1 << 20, batches)));
    EXPECT_EQ(batches.batches().size(), 1U);
    at = batches.next_offset();
    ASSERT_TRUE(is_ok(partition().read(at, 1 << 20, batches)));
    EXPECT_TRUE(batches.empty());
    EXPECT_EQ(batches.next_offset(), at);
  }
  EXPECT_EQ(at, Offset{200});
}

TEST_F(PartitionTest, RefusesWhatIsNoBatch) {
  create();
  EXPECT_FALSE(partition().append("").ok());
  EXPECT_FALSE(partition().append("hello").ok());
  std::string damaged = one("a");
  damaged.back() ^= 1;
  EXPECT_EQ(partition().append(damaged).error().code, sqlstate::kDataCorrupted);
  std::string gap = batch_of({"a", "b"});
  gap[26] = 5;  // last offset delta
  EXPECT_FALSE(partition().append(gap).ok());
  EXPECT_EQ(partition().end_offset(), Offset{0});
  EXPECT_TRUE(is_ok(partition().append_and_wait(one("good"))));
}

TEST_F(PartitionTest, SegmentsRollBySizeAndAge) {
  create({.segment_bytes = 4096, .segment_age = Duration::from_seconds(60)});
  ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::string(3000, 'a')))));
  ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::string(3000, 'b')))));
  EXPECT_TRUE(*env_.files().exists(segment_path(1)));
  env_.clock().advance(Duration::from_seconds(61));
  ASSERT_TRUE(is_ok(partition().append_and_wait(one("c"))));
  EXPECT_TRUE(*env_.files().exists(segment_path(2)));
  ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::string(9000, 'd')))))
      << "a batch may be larger than a segment";
  EXPECT_EQ(read_values(partition()).size(), 4U);
  reopen();
  EXPECT_EQ(read_values(partition()).size(), 4U);
}

TEST_F(PartitionTest, FindsOffsetsByAppendTime) {
  create({.segment_bytes = 4096});
  Timestamp start = env_.clock().now();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(is_ok(partition().append_and_wait(batch_of({std::string(200, 'a'), "b"}))));
    env_.clock().advance(Duration::from_seconds(10));
  }
  for (int i = 0; i < 100; ++i) {
    Timestamp time = start + Duration::from_seconds(10 * i);
    EXPECT_EQ(partition().offset_at_or_after(time).value(), Offset{2 * i});
    EXPECT_EQ(partition().offset_at_or_after(time - Duration{1}).value(), Offset{2 * i});
    EXPECT_EQ(partition().offset_at_or_after(time + Duration{1}).value(), Offset{2 * (i + 1)});
  }
  EXPECT_EQ(partition().offset_at_or_after(start - Duration::from_seconds(1000)).value(), Offset{0});
}

TEST_F(PartitionTest, LargeSegmentsAreSearchedThroughTheIndex) {
  create({.segment_bytes = 64 << 20});
  // About 6 MB in one segment: more than twenty index entries.
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(is_ok(partition().append_and_wait(batch_of({std::to_string(i), std::string(20000, 'x')}))));
    env_.clock().advance(Duration{1000});
  }
  for (bool again : {false, true}) {
    if (again) reopen();
    for (int i = 0; i < 300; i += 7) {
      ReadBatches batches = partition().read(Offset{2 * i + 1}, 1).value();
      ASSERT_EQ(batches.batches().size(), 1U);
      EXPECT_EQ(batches.batches()[0].base_offset, Offset{2 * i});
      EXPECT_EQ(partition().offset_at_or_after(SimulatedClock::kStart + Duration{1000 * i}).value(), Offset{2 * i});
    }
  }
}

TEST_F(PartitionTest, ARetryIsStoredOnce) {
  create();
  AppendResult first = partition().append_and_wait(batch_of({"a", "b"}), {.idempotency_hash = 99}).value();
  EXPECT_FALSE(first.duplicate);
  AppendResult again = partition().append_and_wait(batch_of({"a", "b"}), {.idempotency_hash = 99}).value();
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.first, first.first);
  EXPECT_EQ(again.last, first.last);
  EXPECT_EQ(partition().end_offset(), Offset{2});
  EXPECT_EQ(partition().find_recent_idempotent(99)->last, Offset{1});
  EXPECT_FALSE(partition().find_recent_idempotent(98).has_value());
  reopen();
  EXPECT_TRUE(partition().append_and_wait(batch_of({"a", "b"}), {.idempotency_hash = 99})->duplicate);
}

TEST_F(PartitionTest, ARetryWhileTheFirstIsQueuedWaitsForIt) {
  create();
  Ticket first = partition().append(one("a"), {.idempotency_hash = 5}).value();
  Ticket retry = partition().append(one("a"), {.idempotency_hash = 5}).value();
  EXPECT_EQ(retry.first(), first.first());
  EXPECT_TRUE(partition().wait(retry)->duplicate);
  EXPECT_EQ(partition().end_offset(), Offset{1});
}

TEST_F(PartitionTest, TheIdempotencyWindowIsBounded) {
  create({.segment_bytes = 4096, .idempotency_window = 50});
  for (uint64_t i = 1; i <= 500; ++i) {
    ASSERT_TRUE(is_ok(partition().append_and_wait(one("x"), {.idempotency_hash = i})));
  }
  for (bool again : {false, true}) {
    if (again) reopen();
    for (uint64_t i = 1; i <= 500; ++i) EXPECT_EQ(partition().find_recent_idempotent(i).has_value(), i > 450) << i;
  }
}

TEST_F(PartitionTest, ListenerHearsOfDurableEnds) {
  create();
  std::vector<int64_t> ends;
  log_->set_durable_listener([&](StreamId stream, PartitionId id, Offset end) {
    EXPECT_EQ(stream, StreamId{1});
    EXPECT_EQ(id, PartitionId{0});
    ends.push_back(end.value);
  });
  ASSERT_TRUE(is_ok(partition().append(batch_of({"a", "b"}))));
  EXPECT_TRUE(ends.empty());
  ASSERT_TRUE(is_ok(partition().sync()));
  ASSERT_TRUE(is_ok(partition().append_and_wait(one("c"))));
  EXPECT_EQ(ends, (std::vector<int64_t>{2, 3}));
}

TEST_F(PartitionTest, RetentionByAppendTime) {
  create({.segment_bytes = 4096, .retention = Duration::from_seconds(100)});
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::string(3000, 'a')))));
    env_.clock().advance(Duration::from_seconds(20));
  }
  // The i-th was appended at 20 i, now is 200: those before 100 go, as far as nobody needs them.
  EXPECT_GT(partition().enforce_retention(env_.clock().now(), Offset{2}).value(), 0U);
  EXPECT_EQ(partition().begin_offset(), Offset{2});
  EXPECT_FALSE(*env_.files().exists(segment_path(1)));
  EXPECT_FALSE(*env_.files().exists(index_path(1)));
  EXPECT_EQ(partition().read(Offset{1}, 100).error().code, sqlstate::kInvalidParameter);
  ASSERT_TRUE(is_ok(partition().enforce_retention(env_.clock().now(), Offset{10})));
  EXPECT_EQ(partition().begin_offset(), Offset{5});
  reopen();
  EXPECT_EQ(partition().begin_offset(), Offset{5});
  EXPECT_EQ(read_values(partition()).size(), 5U);
  // Even the segment that is written to goes, and the end is not forgotten.
  env_.clock().advance(Duration::from_seconds(1000));
  ASSERT_TRUE(is_ok(partition().enforce_retention(env_.clock().now(), Offset{10})));
  EXPECT_EQ(partition().begin_offset(), Offset{10});
  reopen();
  EXPECT_EQ(partition().end_offset(), Offset{10});
  EXPECT_EQ(partition().append_and_wait(one("z"))->first, Offset{10});
}

TEST_F(PartitionTest, RetentionBySize) {
  create({.segment_bytes = 4096, .retention_bytes = 10000});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::string(3000, 'a')))));
  ASSERT_TRUE(is_ok(partition().enforce_retention(env_.clock().now(), Offset{10})));
  EXPECT_LE(partition().size_bytes(), 10000U);
  EXPECT_EQ(partition().begin_offset(), Offset{7});
}

TEST_F(PartitionTest, AReaderKeepsWhatRetentionDeletes) {
  create({.segment_bytes = 4096, .retention_bytes = 1});
  for (int i = 0; i < 30; ++i)
    ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::to_string(i) + std::string(500, 'a')))));
  ReadBatches batches;
  ASSERT_TRUE(is_ok(partition().read(Offset{0}, 600, batches)));
  std::string first(batches.batches()[0].bytes);
  ASSERT_TRUE(is_ok(partition().enforce_retention(env_.clock().now(), Offset{30})));
  EXPECT_EQ(batches.batches()[0].bytes, first);
  EXPECT_FALSE(partition().read(batches.next_offset(), 600, batches).ok());
  ASSERT_TRUE(is_ok(partition().read(partition().begin_offset(), 600, batches)));
  EXPECT_FALSE(batches.empty());
}

TEST_F(PartitionTest, TruncationCutsToABatchEnd) {
  create({.segment_bytes = 4096});
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(is_ok(partition().append_and_wait(batch_of({std::to_string(i), std::string(500, 'a')}),
                                                  {.idempotency_hash = 1000U + static_cast<unsigned>(i)})));
  }
  EXPECT_FALSE(partition().truncate_to(Offset{31}).ok()) << "inside a batch";
  EXPECT_FALSE(partition().truncate_to(Offset{81}).ok()) << "behind the end";
  EXPECT_EQ(partition().end_offset(), Offset{80}) << "a wrong place changes nothing";
  for (int64_t end : {80, 62, 30, 2, 0}) {
    ASSERT_TRUE(is_ok(partition().truncate_to(Offset{end})));
    EXPECT_EQ(partition().end_offset(), Offset{end});
    EXPECT_EQ(read_values(partition()).size(), static_cast<size_t>(end));
    EXPECT_EQ(partition().find_recent_idempotent(1000 + 15).has_value(), end > 30);
    reopen();
    EXPECT_EQ(partition().end_offset(), Offset{end});
    EXPECT_EQ(partition().find_recent_idempotent(1000 + 15).has_value(), end > 30);
    EXPECT_EQ(partition().append_and_wait(batch_of({"n", "m"}))->first, Offset{end});
    ASSERT_TRUE(is_ok(partition().truncate_to(Offset{end})));
  }
}

TEST_F(PartitionTest, AsyncAppendsCallBack) {
  create();
  std::optional<Result<AppendResult>> outcome;
  Ticket ticket = partition().append(one("a")).value();
  auto note = [&](Result<AppendResult> result) { outcome = std::move(result); };
  partition().when_settled(ticket, note);
  EXPECT_FALSE(outcome.has_value()) << "nobody has synced";
  partition().sync_queued();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ((*outcome)->first, Offset{0});
  outcome.reset();
  partition().when_settled(ticket, note);
  ASSERT_TRUE(outcome.has_value()) << "it was settled before";
  EXPECT_EQ((*outcome)->first, Offset{0});
  EXPECT_EQ(partition().end_offset(), Offset{1});
}

TEST_F(PartitionTest, AClosedPartitionRefuses) {
  create();
  std::shared_ptr<Stream> held = log_->find("plays");
  Ticket queued = held->partition(PartitionId{0}).append(one("a")).value();
  ASSERT_TRUE(is_ok(log_->close()));
  EXPECT_TRUE(is_ok(held->partition(PartitionId{0}).wait(queued))) << "closing made it durable";
  EXPECT_EQ(held->partition(PartitionId{0}).append(one("b")).error().code, sqlstate::kUnavailable);
  EXPECT_EQ(held->partition(PartitionId{0}).read(Offset{0}, 10).error().code, sqlstate::kUnavailable);
  held.reset();
  reopen();
  EXPECT_EQ(read_values(partition()), (std::vector<std::string>{"a"}));
}

}  // namespace
}  // namespace millrace::log
