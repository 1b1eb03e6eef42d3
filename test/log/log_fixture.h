// What the tests of the log share: building small batches and reading a partition back.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/simulated_env.h"
#include "log/log.h"

namespace millrace::log {

/// Shows the error when a Status or Result is not good.
template <typename R>
::testing::AssertionResult is_ok(const R& result) {
  if (result.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().code << " " << result.error().message;
}

inline std::string batch_of(const std::vector<std::string>& values, Compression compression = Compression::kNone) {
  RecordBatchBuilder builder;
  for (const std::string& value : values) builder.add(std::nullopt, value, 0);
  return builder.finish(compression).value();
}

inline std::string one(const std::string& value) { return batch_of(std::vector<std::string>{value}); }

/// All values from `from` to the end, in reads of `max_bytes`; checks that offsets have no gap and times do not fall.
inline std::vector<std::string> read_values(const Partition& partition, Offset from, size_t max_bytes = 1000) {
  std::vector<std::string> values;
  ReadBatches batches;
  Decompressor decompressor;
  Offset at = from;
  Timestamp time{0};
  for (;;) {
    Status status = partition.read(at, max_bytes, batches);
    EXPECT_TRUE(is_ok(status));
    if (!status.ok() || batches.empty()) return values;
    for (const StoredBatch& stored : batches.batches()) {
      EXPECT_EQ(stored.base_offset, at);
      EXPECT_GE(stored.append_time, time);
      time = stored.append_time;
      Result<RecordBatchView> view = RecordBatchView::parse(stored.bytes);
      EXPECT_TRUE(is_ok(view));
      if (!view.ok()) return values;
      EXPECT_EQ(view->base_offset(), stored.base_offset);
      EXPECT_EQ(view->record_count(), stored.offset_count);
      EXPECT_TRUE(
          is_ok(view->for_each(decompressor, [&](const RecordView& record) { values.emplace_back(*record.value); })));
      at = stored.end_offset();
    }
    EXPECT_EQ(batches.next_offset(), at);
  }
}

inline std::vector<std::string> read_values(const Partition& partition) {
  return read_values(partition, partition.begin_offset());
}

/// A log with one stream of one partition, on a simulated disk.
class LogTest : public ::testing::Test {
 protected:
  void open() {
    Result<std::unique_ptr<Log>> opened = Log::open(env_, "data/log");
    ASSERT_TRUE(is_ok(opened));
    log_ = std::move(opened).value();
  }
  void create(const StreamOptions& options = {}) {
    if (!log_) open();
    ASSERT_TRUE(is_ok(log_->create_stream(StreamId{1}, "plays", options)));
  }
  /// As after a clean stop.
  void reopen() {
    log_.reset();
    open();
  }
  Partition& partition() { return log_->find(StreamId{1})->partition(PartitionId{0}); }
  std::string segment_path(int64_t base) { return fmt::format("data/log/00000001/0/{:020}.seg", base); }
  std::string index_path(int64_t base) { return fmt::format("data/log/00000001/0/{:020}.idx", base); }
  /// Changes a file of the log behind its back.
  void overwrite(const std::string& path, const std::string& bytes) {
    auto file = env_.files().create(path).value();
    ASSERT_TRUE(is_ok(file->append(bytes)));
    ASSERT_TRUE(is_ok(file->sync()));
  }

  SimulatedEnv env_{7};
  std::unique_ptr<Log> log_;
};

}  // namespace millrace::log
