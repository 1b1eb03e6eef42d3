// The log with threads and real files: everything appended is there once, and one sync serves many.
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "base/real_env.h"
#include "log_fixture.h"

namespace millrace::log {
namespace {

class ConcurrencyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = (std::filesystem::temp_directory_path() / "log_test_XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    directory_ = path;
    open();
  }
  void TearDown() override {
    log_.reset();
    std::filesystem::remove_all(directory_);
  }
  void open() {
    log_.reset();
    auto opened = Log::open(env_, directory_ + "/log", {.sync_threads = 3});
    ASSERT_TRUE(is_ok(opened));
    log_ = std::move(opened).value();
  }
  std::shared_ptr<Stream> create(const StreamOptions& options) {
    return log_->create_stream(StreamId{1}, "plays", options).value();
  }

  std::string directory_;
  RealEnv env_;
  std::unique_ptr<Log> log_;
};

TEST_F(ConcurrencyTest, ManyProducersAndReaders) {
  constexpr int kProducers = 6;
  constexpr int kEach = 150;
  constexpr int32_t kPartitions = 3;
  std::shared_ptr<Stream> stream = create({.partitions = kPartitions, .segment_bytes = 20000});
  std::atomic<int> producing{kProducers};
  std::vector<std::thread> threads;
  for (int p = 0; p < kProducers; ++p) {
    threads.emplace_back([&, p] {
      for (int i = 0; i < kEach; ++i) {
        Partition& to = stream->partition(PartitionId{(p + i) % kPartitions});
        std::string value = fmt::format("{}/{}", p, i);
        AppendResult at = to.append_and_wait(one(value + std::string(200, '.'))).value();
        EXPECT_GT(to.end_offset(), at.last) << "acked means durable and visible";
      }
      --producing;
    });
  }
  std::vector<std::vector<std::string>> seen(kPartitions);
  for (int32_t p = 0; p < kPartitions; ++p) {
    threads.emplace_back([&, p] {
      const Partition& from = stream->partition(PartitionId{p});
      ReadBatches batches;
      Decompressor decompressor;
      Offset at{0};
      for (;;) {
        bool last_round = producing == 0;
        if (!last_round) from.wait_for_data(at, Duration::from_millis(50));
        do {
          ASSERT_TRUE(is_ok(from.read(at, 3000, batches)));
          for (const StoredBatch& stored : batches.batches()) {
            auto view = RecordBatchView::parse(stored.bytes);
            ASSERT_TRUE(is_ok(view));
            ASSERT_TRUE(is_ok(view->for_each(decompressor, [&](const RecordView& record) {
              seen[static_cast<size_t>(p)].emplace_back(*record.value);
            })));
          }
          at = batches.next_offset();
        } while (!batches.empty());
        if (last_round) return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> all;
  for (const auto& values : seen) all.insert(values.begin(), values.end());
  EXPECT_EQ(all.size(), static_cast<size_t>(kProducers * kEach));
  size_t total = 0;
  for (const auto& values : seen) total += values.size();
  EXPECT_EQ(total, static_cast<size_t>(kProducers * kEach)) << "nothing twice";
  stream.reset();
  open();
  for (int32_t p = 0; p < kPartitions; ++p) {
    EXPECT_EQ(read_values(log_->find("plays")->partition(PartitionId{p})), seen[static_cast<size_t>(p)]);
  }
}

TEST_F(ConcurrencyTest, AsyncAppendsAllCallBackOnce) {
  constexpr int kCount = 500;
  std::shared_ptr<Stream> stream = create({.partitions = 4});
  std::atomic<int> called{0};
  std::atomic<int64_t> last_seen{-1};
  log_->set_durable_listener([&](StreamId, PartitionId partition, Offset end) {
    if (partition.value == 0) last_seen = std::max<int64_t>(last_seen, end.value);
  });
  for (int i = 0; i < kCount; ++i) {
    Partition& first = stream->partition(PartitionId{i % 4});
    Partition& second = stream->partition(PartitionId{(i + 1) % 4});
    PendingAppend appends[] = {{&first, first.append(one(std::to_string(i))).value()},
                               {&second, second.append(one(std::to_string(i))).value()}};
    log_->when_all(appends, [&](std::vector<Result<AppendResult>> results) {
      ASSERT_EQ(results.size(), 2u);
      for (const auto& result : results) EXPECT_TRUE(is_ok(result));
      ++called;
    });
  }
  ASSERT_TRUE(is_ok(log_->close()));  // everything that was queued is durable and told
  EXPECT_EQ(called, kCount);
  EXPECT_EQ(last_seen, kCount / 2);
}

TEST_F(ConcurrencyTest, RetentionBesideReadersAndWriters) {
  std::shared_ptr<Stream> stream = create({.segment_bytes = 5000, .retention_bytes = 20000});
  Partition& partition = stream->partition(PartitionId{0});
  std::atomic<bool> stop{false};
  std::thread cleaner([&] {
    while (!stop) EXPECT_TRUE(is_ok(partition.enforce_retention(env_.clock().now(), partition.end_offset())));
  });
  std::thread reader([&] {
    ReadBatches batches;
    while (!stop) {
      Offset at = partition.begin_offset();
      for (;;) {
        Status status = partition.read(at, 2000, batches);
        if (!status.ok()) {
          EXPECT_EQ(status.error().code, sqlstate::kInvalidParameter) << status.error().message;
          break;
        }
        if (batches.empty()) break;
        for (const StoredBatch& stored : batches.batches()) EXPECT_TRUE(is_ok(RecordBatchView::parse(stored.bytes)));
        at = batches.next_offset();
      }
    }
  });
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(is_ok(partition.append_and_wait(one(std::string(300, 'a')))));
  stop = true;
  cleaner.join();
  reader.join();
  ASSERT_TRUE(is_ok(partition.enforce_retention(env_.clock().now(), partition.end_offset())));
  EXPECT_LE(partition.size_bytes(), 20000U);
  EXPECT_GT(partition.begin_offset(), Offset{0});
  EXPECT_EQ(partition.end_offset(), Offset{400});
}

TEST_F(ConcurrencyTest, AFailedSyncFailsAllThatWaitAndNothingElse) {
  std::shared_ptr<Stream> stream = create({});
  Partition& partition = stream->partition(PartitionId{0});
  ASSERT_TRUE(is_ok(env_.failpoints().configure("log.sync=error(EIO),after=20,times=1")));
  std::atomic<int> acked{0};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) (partition.append_and_wait(one("x")).ok() ? acked : failed)++;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(failed, 0);
  EXPECT_EQ(partition.end_offset().value, acked);
  ASSERT_TRUE(is_ok(partition.reopen()));
  EXPECT_EQ(partition.append_and_wait(one("y"))->first.value, acked);
  stream.reset();
  open();
  EXPECT_EQ(log_->find("plays")->partition(PartitionId{0}).end_offset().value, acked + 1);
}

TEST_F(ConcurrencyTest, StopsInTheMiddleOfWork) {
  for (int round = 0; round < 10; ++round) {
    std::shared_ptr<Stream> stream = round == 0 ? create({.partitions = 2}) : log_->find("plays");
    std::atomic<int64_t> acked{0};
    std::vector<std::thread> threads;
    int64_t before = stream->partition(PartitionId{0}).end_offset().value;
    std::atomic<bool> started{false};
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (;;) {
          Result<AppendResult> result = stream->partition(PartitionId{0}).append_and_wait(one("x"));
          if (!result.ok()) {
            EXPECT_EQ(result.error().code, sqlstate::kUnavailable);
            return;
          }
          ++acked;
          started = true;
          started.notify_all();
        }
      });
    }
    started.wait(false);
    ASSERT_TRUE(is_ok(log_->close()));
    for (std::thread& thread : threads) thread.join();
    stream.reset();
    open();
    EXPECT_EQ(log_->find("plays")->partition(PartitionId{0}).end_offset().value, before + acked);
  }
}

}  // namespace
}  // namespace millrace::log
