// Idempotent producers: what is sent again is stored once, gaps are refused, and a restart forgets nothing.
#include <gtest/gtest.h>

#include <cerrno>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/simulated_env.h"
#include "log/log.h"
#include "log/producer_window.h"

namespace millrace::log {
namespace {

constexpr StreamId kStream{3};

/// A batch as an idempotent producer makes it.
std::string batch_of(int64_t producer, int16_t epoch, int32_t sequence, int32_t records = 1,
                     std::string_view key = "k") {
  RecordBatchBuilder builder;
  for (int32_t i = 0; i < records; ++i) builder.add(key, "v", 0);
  std::string batch = std::move(builder.finish()).value();
  store_big(batch.data() + 43, producer);
  store_big(batch.data() + 51, epoch);
  store_big(batch.data() + 53, sequence);
  store_big(batch.data() + 17, crc32c(std::string_view(batch).substr(21)));
  return batch;
}

class ProducerWindowTest : public testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    log = std::move(Log::open(env, "log")).value();
    stream = log->find(kStream);
    if (!stream) stream = std::move(log->create_stream(kStream, "s", options)).value();
    partition = &stream->partition(PartitionId(0));
  }
  void restart(bool clean) {
    if (clean) {
      ASSERT_TRUE(log->close().ok());
    } else {
      env.power_cut();
    }
    stream.reset();
    log.reset();
    if (!clean) env.restart();
    open();
  }
  Result<AppendResult> append(std::string batch) { return partition->append_and_wait(std::move(batch)); }
  void expect_stored(std::string batch, int64_t offset, bool duplicate) {
    auto result = append(std::move(batch));
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(result->first, Offset(offset));
    EXPECT_EQ(result->duplicate, duplicate);
  }
  void expect_refused(std::string batch, std::string_view code) {
    auto result = append(std::move(batch));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, code) << result.error().message;
  }

  SimulatedEnv env{11};
  StreamOptions options{.segment_bytes = 4096};  // some thirty batches
  std::unique_ptr<Log> log;
  std::shared_ptr<Stream> stream;
  Partition* partition = nullptr;
};

TEST_F(ProducerWindowTest, TheLastFiveAreAnsweredWithTheirOldOffsets) {
  for (int32_t i = 0; i < 8; ++i) expect_stored(batch_of(7, 0, 2 * i, 2), 2 * i, false);
  for (int32_t i = 3; i < 8; ++i) expect_stored(batch_of(7, 0, 2 * i, 2), 2 * i, true);
  EXPECT_EQ(partition->end_offset(), Offset(16));
  expect_refused(batch_of(7, 0, 0, 2), kSequenceGap);
  expect_refused(batch_of(7, 0, 18, 2), kSequenceGap);
  expect_refused(batch_of(7, 0, 14, 1), kSequenceGap);  // not the same batch
  expect_stored(batch_of(7, 0, 16), 16, false);
}

TEST_F(ProducerWindowTest, AQueuedBatchThatIsSentAgainWaitsForTheFirst) {
  auto first = partition->append(batch_of(7, 0, 0, 3));
  auto again = partition->append(batch_of(7, 0, 0, 3));
  ASSERT_TRUE(first.ok() && again.ok());
  auto result = partition->wait(*again);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->duplicate);
  EXPECT_EQ(result->last, Offset(2));
  EXPECT_EQ(partition->end_offset(), Offset(3));
}

TEST_F(ProducerWindowTest, EpochsAndTheEndOfTheNumbers) {
  expect_stored(batch_of(7, 0, INT32_MAX - 1, 2), 0, false);  // nobody knows it: any number
  expect_stored(batch_of(7, 0, 0), 2, false);
  expect_refused(batch_of(7, 1, 4), kSequenceGap);
  expect_stored(batch_of(7, 1, 0), 3, false);
  expect_refused(batch_of(7, 0, 1), kFencedProducer);
  expect_refused(batch_of(7, -1, 0), sqlstate::kInvalidParameter);
  expect_stored(batch_of(8, 0, 0), 4, false);
}

TEST_F(ProducerWindowTest, ARestartForgetsNothing) {
  int64_t offset = 0;
  expect_stored(batch_of(9, 2, 0), offset++, false);
  for (int32_t i = 0; i < 100; ++i) expect_stored(batch_of(7, 0, i), offset++, false);
  for (bool clean : {true, false, true, false}) {
    restart(clean);
    expect_stored(batch_of(9, 2, 0), 0, true);
    const auto next = static_cast<int32_t>(offset) - 1;
    for (int32_t i = next - 5; i < next; ++i) expect_stored(batch_of(7, 0, i), i + 1, true);
    expect_refused(batch_of(7, 0, next + 1), kSequenceGap);
    expect_refused(batch_of(9, 1, 0), kFencedProducer);
    expect_stored(batch_of(7, 0, next), offset++, false);
  }
}

TEST_F(ProducerWindowTest, WhatTheDiskRefusedIsNotRemembered) {
  for (int32_t i = 0; i < 6; ++i) expect_stored(batch_of(7, 0, i), i, false);
  env.files().inject({FileOperation::kSync, ".seg", EIO});
  std::vector<Ticket> tickets;
  for (int32_t i = 6; i < 13; ++i) tickets.push_back(std::move(partition->append(batch_of(7, 0, i))).value());
  for (const Ticket& ticket : tickets) EXPECT_FALSE(partition->wait(ticket).ok());
  ASSERT_TRUE(partition->reopen().ok());
  expect_refused(batch_of(7, 0, 7), kSequenceGap);
  expect_stored(batch_of(7, 0, 5), 5, true);
  expect_stored(batch_of(7, 0, 6), 6, false);
}

TEST_F(ProducerWindowTest, ProducersAreBounded) {
  ProducerWindow window(8);
  for (int64_t id = 0; id < 100; ++id) window.add({{id, 0, 0}, Offset(id), 1}, Offset(id));
  EXPECT_LE(window.size(), 8u);
  EXPECT_TRUE((*window.find({{99, 0, 0}, {}, 1})).has_value());
  EXPECT_FALSE((*window.find({{0, 0, 0}, {}, 1})).has_value());
}

TEST_F(ProducerWindowTest, OfManyMarksTheLastOfEachStay) {
  std::vector<ProducerMark> marks;
  for (int32_t i = 0; i < 100; ++i) marks.push_back({{i % 3, 0, i / 3}, Offset(i), 1});
  keep_last_of_each(marks);
  ASSERT_EQ(marks.size(), 15u);
  EXPECT_EQ(marks.front().first, Offset(85));
  EXPECT_EQ(marks.back().first, Offset(99));
}

}  // namespace
}  // namespace millrace::log
