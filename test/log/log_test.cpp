#include "log/log.h"

#include "base/sealed_text.h"
#include "log/stream_file.h"
#include "log_fixture.h"

namespace millrace::log {
namespace {

class StreamsTest : public LogTest {};

TEST_F(StreamsTest, AreFoundAgain) {
  open();
  StreamOptions options{.partitions = 3,
                        .segment_bytes = 8192,
                        .segment_age = Duration::from_seconds(5),
                        .retention_bytes = 1 << 20,
                        .retention = Duration::from_seconds(99),
                        .idempotency_window = 12};
  ASSERT_TRUE(is_ok(log_->create_stream(StreamId{7}, "My \"odd\" näme\n%", options)));
  ASSERT_TRUE(is_ok(log_->create_stream(StreamId{3}, "plays", {})));
  reopen();
  ASSERT_EQ(log_->streams().size(), 2U);
  EXPECT_EQ(log_->streams()[0]->id(), StreamId{3});
  std::shared_ptr<Stream> odd = log_->find("My \"odd\" näme\n%");
  ASSERT_NE(odd, nullptr);
  EXPECT_EQ(odd, log_->find(StreamId{7}));
  EXPECT_EQ(odd->options(), options);
  EXPECT_EQ(odd->partition_count(), 3);
  EXPECT_EQ(odd->partition(PartitionId{2}).id(), PartitionId{2});
  EXPECT_EQ(log_->find("nothing"), nullptr);
}

TEST_F(StreamsTest, NamesAndIdsAreUnique) {
  create();
  EXPECT_EQ(log_->create_stream(StreamId{2}, "plays", {}).error().code, sqlstate::kDuplicateTable);
  EXPECT_FALSE(log_->create_stream(StreamId{1}, "other", {}).ok());
  EXPECT_FALSE(log_->create_stream(StreamId{2}, "other", {.partitions = 0}).ok());
  EXPECT_EQ(log_->streams().size(), 1U);
}

TEST_F(StreamsTest, DroppingDeletes) {
  create();
  std::shared_ptr<Stream> held = log_->find("plays");
  ASSERT_TRUE(is_ok(held->partition(PartitionId{0}).append_and_wait(one("a"))));
  ASSERT_TRUE(is_ok(log_->drop_stream(StreamId{1})));
  EXPECT_EQ(log_->find("plays"), nullptr);
  EXPECT_FALSE(*env_.files().exists("data/log/00000001"));
  EXPECT_FALSE(held->partition(PartitionId{0}).append(one("b")).ok());
  EXPECT_EQ(log_->drop_stream(StreamId{1}).error().code, sqlstate::kUndefinedTable);
  create();
  EXPECT_EQ(partition().end_offset(), Offset{0});
}

TEST_F(StreamsTest, CreationAndDropAreAllOrNothing) {
  // The machine dies before the n-th change of a run that creates one stream and drops another, for every n.
  bool finished = false;
  for (uint64_t n = 0; !finished; ++n) {
    SimulatedEnv env(n);
    {
      auto log = Log::open(env, "data/log").value();
      ASSERT_TRUE(is_ok(log->create_stream(StreamId{1}, "old", {.partitions = 2})));
      ASSERT_TRUE(is_ok(log->find("old")->partition(PartitionId{1}).append_and_wait(one("kept"))));
    }
    bool created = false;
    bool dropped = false;
    {
      env.files().power_cut_after(n);
      auto opened = Log::open(env, "data/log");
      if (opened.ok()) {
        created = (*opened)->create_stream(StreamId{2}, "new", {.partitions = 2}).ok();
        dropped = created && (*opened)->drop_stream(StreamId{1}).ok();
      }
    }
    finished = !env.files().down();
    if (finished) {
      EXPECT_TRUE(created && dropped);
      env.power_cut();
    }
    env.restart();
    auto opened = Log::open(env, "data/log");
    ASSERT_TRUE(is_ok(opened)) << n;
    auto old_stream = (*opened)->find("old");
    auto new_stream = (*opened)->find("new");
    EXPECT_TRUE(!created || new_stream != nullptr) << n;
    EXPECT_TRUE(!dropped || old_stream == nullptr) << n;
    if (!created) {
      ASSERT_NE(old_stream, nullptr) << n;
      EXPECT_EQ(read_values(old_stream->partition(PartitionId{1})), (std::vector<std::string>{"kept"}));
    }
    if (new_stream) {
      EXPECT_EQ(new_stream->partition(PartitionId{1}).append_and_wait(one("x"))->first, Offset{0});
    } else {
      EXPECT_TRUE(is_ok((*opened)->create_stream(StreamId{2}, "new", {.partitions = 2})));
    }
    ASSERT_LT(n, 200U) << "the run should have ended by itself";
  }
}

TEST_F(StreamsTest, ADamagedStreamFileIsNamed) {
  create();
  log_.reset();
  const std::string path = "data/log/00000001/stream";
  const std::string good = env_.files().read_all(path).value();
  std::string bad = good;
  bad[bad.find("partitions 1") + 11] = '2';
  overwrite(path, bad);
  auto opened = Log::open(env_, "data/log");
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, sqlstate::kDataCorrupted);
  EXPECT_NE(opened.error().message.find(path), std::string::npos) << opened.error().message;
  const size_t first = good.find('\n') + 1;
  overwrite(path, seal_text("millrace-stream 3\n" + good.substr(first, good.rfind("crc32c ") - first)));
  EXPECT_EQ(Log::open(env_, "data/log").error().code, sqlstate::kNotSupported);
  overwrite(path, good);
  EXPECT_TRUE(is_ok(Log::open(env_, "data/log")));
}

TEST_F(StreamsTest, AnyCutOrFlippedStreamFileIsRefused) {
  const std::string good = encode_stream_file({StreamId{9}, "pl ays", {.retention = Duration{5}}});
  ASSERT_TRUE(is_ok(decode_stream_file(good)));
  EXPECT_EQ(decode_stream_file(good)->name, "pl ays");
  for (size_t i = 0; i < good.size(); ++i) {
    EXPECT_FALSE(decode_stream_file(std::string_view(good).substr(0, i)).ok()) << i;
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(decode_stream_file(bad).ok()) << i;
  }
}

TEST_F(StreamsTest, ManyPartitionsSyncTogether) {
  create({.partitions = 4});
  std::shared_ptr<Stream> stream = log_->find("plays");
  std::vector<PendingAppend> appends;
  std::vector<Partition*> partitions;
  for (int32_t i = 0; i < 4; ++i) {
    Partition& to = stream->partition(PartitionId{i});
    appends.push_back({&to, to.append(one(std::to_string(i))).value()});
    partitions.push_back(&to);
  }
  for (const Result<AppendResult>& result : log_->wait_all(appends)) EXPECT_TRUE(is_ok(result));
  for (Partition* to : partitions) ASSERT_TRUE(is_ok(to->append(one("again"))));
  ASSERT_TRUE(is_ok(log_->sync(partitions)));
  for (Partition* to : partitions) EXPECT_EQ(to->end_offset(), Offset{2});
}

}  // namespace
}  // namespace millrace::log
