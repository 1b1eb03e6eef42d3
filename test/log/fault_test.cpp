// Disks that fail: nothing is acked that is not kept, and the log goes on as soon as it can.
#include <cerrno>

#include "base/failpoints.h"
#include "log_fixture.h"

namespace millrace::log {
namespace {

class FaultTest : public LogTest {
 protected:
  void fail(FileOperation operation, int errno_value, std::string path_part = ".seg", uint64_t after = 0,
            uint64_t times = 1) {
    env_.files().inject({.operation = operation,
                         .path_part = std::move(path_part),
                         .errno_value = errno_value,
                         .after = after,
                         .times = times});
  }
};

TEST_F(FaultTest, AFailedSyncStopsAppendsUntilReopened) {
  create();
  ASSERT_TRUE(is_ok(partition().append_and_wait(one("kept"))));
  fail(FileOperation::kSync, EIO);
  Ticket first = partition().append(one("lost 1")).value();
  Ticket second = partition().append(one("lost 2"), {.idempotency_hash = 4}).value();
  EXPECT_EQ(partition().wait(first).error().code, sqlstate::kIoError);
  EXPECT_FALSE(partition().wait(second).ok());
  EXPECT_FALSE(partition().find_recent_idempotent(4).has_value());
  EXPECT_TRUE(partition().failure().has_value());
  // The disk is well again, but what it holds is not known: no append before the files were opened again.
  EXPECT_FALSE(partition().append(one("refused")).ok());
  EXPECT_FALSE(partition().sync().ok());
  EXPECT_EQ(read_values(partition()), (std::vector<std::string>{"kept"})) << "reading what is durable goes on";
  ASSERT_TRUE(is_ok(partition().reopen()));
  EXPECT_FALSE(partition().failure().has_value());
  EXPECT_EQ(partition().append_and_wait(one("after"))->first, Offset{1});
  env_.power_cut(Survival::kNothing);
  log_.reset();
  env_.restart();
  open();
  EXPECT_EQ(read_values(partition()), (std::vector<std::string>{"kept", "after"}));
}

TEST_F(FaultTest, AFullDiskIsToldAndLeft) {
  create();
  ASSERT_TRUE(is_ok(partition().append_and_wait(one("kept"))));
  env_.files().set_capacity(env_.files().used_bytes() + 300);
  Result<AppendResult> refused = partition().append_and_wait(one(std::string(1000, 'x')));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, sqlstate::kDiskFull);
  EXPECT_FALSE(partition().failure().has_value());
  EXPECT_EQ(partition().append_and_wait(one("small"))->first, Offset{1}) << "what fits is taken";
  EXPECT_FALSE(partition().append_and_wait(one(std::string(1000, 'x'))).ok());
  env_.files().set_capacity(1 << 30);
  EXPECT_EQ(partition().append_and_wait(one("large"))->first, Offset{2});
  env_.power_cut();
  log_.reset();
  env_.restart();
  open();
  EXPECT_EQ(read_values(partition()), (std::vector<std::string>{"kept", "small", "large"}));
}

TEST_F(FaultTest, AFullDiskWhileASegmentIsStarted) {
  for (uint64_t after = 0; after < 3; ++after) {
    SCOPED_TRACE(after);
    log_.reset();
    ASSERT_TRUE(is_ok(env_.files().remove_recursively("data")));
    open();
    create({.segment_bytes = 4096});
    ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::string(3000, 'a')))));
    fail(after == 0 ? FileOperation::kOpen : FileOperation::kAppend, ENOSPC, segment_path(1), after == 2 ? 1 : 0);
    EXPECT_EQ(partition().append_and_wait(one(std::string(3000, 'b'))).error().code, sqlstate::kDiskFull);
    EXPECT_EQ(partition().append_and_wait(one(std::string(3000, 'c')))->first, Offset{1});
    env_.power_cut();
    log_.reset();
    env_.restart();
    open();
    EXPECT_EQ(read_values(partition()).size(), 2U);
    EXPECT_EQ(read_values(partition())[1][0], 'c');
  }
}

TEST_F(FaultTest, AFailedDirectorySyncWhileASegmentIsStarted) {
  for (int errno_value : {EIO, ENOSPC}) {
    SCOPED_TRACE(errno_value);
    log_.reset();
    ASSERT_TRUE(is_ok(env_.files().remove_recursively("data")));
    open();
    create({.segment_bytes = 4096});
    ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::string(3000, 'a')))));
    fail(FileOperation::kSyncDirectory, errno_value, "");
    EXPECT_FALSE(partition().append_and_wait(one(std::string(3000, 'b'))).ok());
    EXPECT_EQ(partition().failure().has_value(), errno_value == EIO);
    ASSERT_TRUE(is_ok(partition().reopen()));
    // The next segment's file exists: a small batch must not go into the old one any more.
    EXPECT_EQ(partition().append_and_wait(one("c"))->first, Offset{1});
    env_.power_cut(Survival::kEverything);
    log_.reset();
    env_.restart();
    auto opened = Log::open(env_, "data/log");
    ASSERT_TRUE(is_ok(opened));
    log_ = std::move(opened).value();
    EXPECT_EQ(read_values(partition()).size(), 2U);
  }
}

/// A fixed run on one partition; returns which values were acked. Any step may fail.
std::vector<std::string> run_workload(Log& log) {
  std::vector<std::string> acked;
  std::shared_ptr<Stream> stream = log.find("plays");
  if (!stream) return acked;
  Partition& partition = stream->partition(PartitionId{0});
  int64_t number = partition.end_offset().value;
  for (int group = 0; group < 12; ++group) {
    std::vector<std::pair<Ticket, std::string>> waiting;
    for (int i = 0; i <= group % 3; ++i) {
      std::string value = fmt::format("{}:{}", number++, std::string(static_cast<size_t>(group * 67), 'x'));
      Result<Ticket> ticket = partition.append(one(value));
      if (!ticket.ok()) {
        if (!partition.reopen().ok()) return acked;
        continue;
      }
      waiting.emplace_back(*ticket, value);
    }
    for (const auto& [ticket, value] : waiting) {
      if (partition.wait(ticket).ok()) acked.push_back(value);
    }
    if (group == 7) (void)partition.enforce_retention(Timestamp{INT64_MAX / 2}, Offset{0});
  }
  return acked;
}

/// Every acked value must be there, in order.
void expect_all_there(const std::vector<std::string>& acked, const std::vector<std::string>& stored) {
  size_t at = 0;
  for (const std::string& value : acked) {
    while (at < stored.size() && stored[at] != value) ++at;
    ASSERT_LT(at, stored.size()) << "acked and lost: " << value.substr(0, 10) << " of " << acked.size() << ", stored "
                                 << stored.size();
  }
}

TEST(FaultSweep, APowerCutBeforeEveryChange) {
  uint64_t runs = 0;
  for (Survival survival : {Survival::kSeeded, Survival::kNothing, Survival::kEverything}) {
    for (uint64_t seed = 0; seed < (survival == Survival::kSeeded ? 12U : 1U); ++seed) {
      bool finished = false;
      for (uint64_t n = 0; !finished; ++n, ++runs) {
        SimulatedEnv env(seed * 1000 + n);
        std::vector<std::string> acked;
        {
          auto log = Log::open(env, "data/log").value();
          ASSERT_TRUE(is_ok(log->create_stream(StreamId{1}, "plays", {.segment_bytes = 4096})));
          env.files().power_cut_after(n, survival);
          acked = run_workload(*log);
          (void)log->close();
        }
        finished = !env.files().down();
        if (finished) env.power_cut(survival);
        env.restart();
        auto log = Log::open(env, "data/log");
        ASSERT_TRUE(is_ok(log)) << "seed " << seed << " change " << n;
        expect_all_there(acked, read_values((*log)->find("plays")->partition(PartitionId{0})));
        // And it goes on, and survives again.
        acked = run_workload(**log);
        EXPECT_GT(acked.size(), 20U);
        env.power_cut(survival);
        log->reset();
        env.restart();
        log = Log::open(env, "data/log");
        ASSERT_TRUE(is_ok(log)) << "seed " << seed << " change " << n;
        expect_all_there(acked, read_values((*log)->find("plays")->partition(PartitionId{0})));
        if (::testing::Test::HasFailure()) FAIL() << "seed " << seed << " change " << n;
      }
    }
  }
  EXPECT_GT(runs, 500U);
}

TEST(FaultSweep, EveryOperationFailsOnce) {
  for (int errno_value : {EIO, ENOSPC}) {
    for (FileOperation operation : {FileOperation::kOpen, FileOperation::kAppend, FileOperation::kSync,
                                    FileOperation::kTruncate, FileOperation::kSyncDirectory, FileOperation::kRemove}) {
      for (uint64_t n = 0; n < 40; ++n) {
        SimulatedEnv env(n);
        auto log = Log::open(env, "data/log").value();
        ASSERT_TRUE(is_ok(log->create_stream(StreamId{1}, "plays", {.segment_bytes = 4096})));
        env.files().inject(
            {.operation = operation, .path_part = "", .errno_value = errno_value, .after = n, .times = 1 + n % 2});
        std::vector<std::string> acked = run_workload(*log);
        env.files().clear_faults();
        std::vector<std::string> again = run_workload(*log);
        acked.insert(acked.end(), again.begin(), again.end());
        EXPECT_GT(acked.size(), 20U);
        env.power_cut();
        log.reset();
        env.restart();
        auto reopened = Log::open(env, "data/log");
        ASSERT_TRUE(is_ok(reopened)) << "operation " << static_cast<int>(operation) << " n " << n;
        expect_all_there(acked, read_values((*reopened)->find("plays")->partition(PartitionId{0})));
        if (::testing::Test::HasFailure())
          FAIL() << "operation " << static_cast<int>(operation) << " errno " << errno_value << " n " << n;
      }
    }
  }
}

}  // namespace
}  // namespace millrace::log
