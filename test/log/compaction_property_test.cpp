// Random keyed appends, tombstones, compactions, stops, kills and power cuts, against a model in memory; and a power
// cut before every change that a compaction makes.
#include <map>

#include "log/compaction.h"
#include "log/verify.h"
#include "log_fixture.h"

namespace millrace::log {
namespace {

using Values = std::map<std::string, std::string>;

std::string keyed(const std::string& key, const std::optional<std::string>& value, RecordBatchBuilder& builder) {
  builder.add(key, value, {}, 0);
  return key;
}

/// What a reader of all makes of it, and how many records there are.
std::pair<Values, size_t> read_values_by_key(const Partition& partition) {
  Values values;
  size_t records = 0;
  ReadBatches read;
  Decompressor decompressor;
  int64_t last = -1;
  for (Offset at = partition.begin_offset(); at < partition.end_offset(); at = read.next_offset()) {
    Status status = partition.read(at, 2000, read);
    EXPECT_TRUE(is_ok(status));
    if (!status.ok()) break;
    for (const StoredBatch& stored : read.batches()) {
      EXPECT_TRUE(is_ok(RecordBatchView::parse(stored.bytes)->for_each(decompressor, [&](const RecordView& record) {
        ++records;
        EXPECT_GT(stored.base_offset.value + record.offset_delta, last);
        last = stored.base_offset.value + record.offset_delta;
        if (record.value) {
          values[std::string(*record.key)] = std::string(*record.value);
        } else {
          values.erase(std::string(*record.key));
        }
      })));
    }
  }
  return {std::move(values), records};
}

Status compact(Partition& partition, const CompactionBounds& bounds, uint64_t pieces_max, CompactionReport& report) {
  KafkaKeys keys;
  Compaction compaction(partition, keys, bounds);
  for (uint64_t i = 0; i < pieces_max; ++i) {
    MR_ASSIGN(bool more, compaction.advance());
    report = compaction.report();
    if (!more) break;
  }
  return {};
}

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : env_(seed), random_(seed) {
    options_.segment_bytes = 4096 + random_.below(8000);
    options_.idempotency_window = static_cast<uint32_t>(random_.below(20));
    options_.compaction = CompactionOptions{Duration::from_millis(static_cast<int64_t>(random_.below(3000))),
                                            Duration::from_millis(static_cast<int64_t>(random_.below(60000)))};
    keys_ = 1 + random_.below(60);
    log_ = Log::open(env_, "data/log").value();
    stream_ = log_->create_stream(StreamId{1}, "titles", options_).value();
  }

  void steps(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
      env_.clock().advance(Duration::from_millis(static_cast<int64_t>(random_.below(2000))));
      uint64_t dice = random_.below(100);
      if (dice < 75) {
        append();
      } else if (dice < 92) {
        compact_some();
      } else if (dice < 94) {
        reopen(false, false);
      } else if (dice < 97) {
        reopen(true, false);
      } else {
        reopen(true, true);
      }
    }
    check();
  }

  uint64_t removed = 0;
  uint64_t appended = 0;

 private:
  Partition& partition() { return stream_->partition(PartitionId{0}); }

  void append() {
    RecordBatchBuilder builder;
    Values before = model_;
    for (uint64_t i = 0; i <= random_.below(5); ++i) {
      std::string key = "k" + std::to_string(random_.below(keys_));
      std::optional<std::string> value;
      if (random_.below(6) != 0) value = fmt::format("{}:{}", ++made_, std::string(random_.below(900), 'v'));
      keyed(key, value, builder);
      if (value) {
        model_[key] = *value;
      } else {
        model_.erase(key);
      }
    }
    auto compression = static_cast<Compression>(std::array{0, 3, 4}[random_.below(3)]);
    uint64_t mark = random_.below(3) == 0 ? 1 + random_.below(1000000) : 0;
    appended += static_cast<uint64_t>(builder.record_count());
    auto result = partition().append_and_wait(builder.finish(compression).value(), {.idempotency_hash = mark});
    ASSERT_TRUE(is_ok(result));
    EXPECT_FALSE(result->duplicate);
    if (mark != 0 && options_.idempotency_window > 0) newest_mark_ = {mark, result->first};
  }

  void compact_some() {
    int64_t end = partition().end_offset().value;
    CompactionBounds bounds{.end = Offset{static_cast<int64_t>(random_.below(static_cast<uint64_t>(end + 1)))},
                            .now = env_.clock().now(),
                            .map_bytes = 40000 + random_.below(20000),
                            .dirty_percent = static_cast<uint32_t>(random_.below(100))};
    CompactionReport report;
    ASSERT_TRUE(is_ok(compact(partition(), bounds, 1 + random_.below(30), report)));
    removed += report.records_removed;
    check();
  }

  void reopen(bool die, bool cut) {
    if (die && cut) {
      // Somewhere within a compaction.
      env_.files().power_cut_after(random_.below(12));
      CompactionReport report;
      (void)compact(partition(), {.end = partition().end_offset(), .now = env_.clock().now(), .dirty_percent = 0}, 100,
                    report);
      if (!env_.files().down()) env_.power_cut();
    } else if (die) {
      env_.crash();
    }
    stream_.reset();
    log_.reset();
    if (die) env_.restart();
    auto opened = Log::open(env_, "data/log");
    ASSERT_TRUE(is_ok(opened));
    log_ = std::move(opened).value();
    stream_ = log_->find(StreamId{1});
    ASSERT_TRUE(stream_ != nullptr);
    EXPECT_EQ(stream_->options(), options_);
    check();
  }

  void check() {
    auto [values, records] = read_values_by_key(partition());
    EXPECT_EQ(values, model_);
    EXPECT_EQ(partition().end_offset().value, static_cast<int64_t>(appended));
    if (newest_mark_) {
      auto range = partition().find_recent_idempotent(newest_mark_->first);
      ASSERT_TRUE(range.has_value());
      EXPECT_EQ(range->first, newest_mark_->second);
    }
    auto verified = verify_log(env_, "data/log");
    ASSERT_TRUE(is_ok(verified));
    for (const Damage& damage : verified->damages) {
      if (!damage.path.ends_with(".idx")) ADD_FAILURE() << damage.path << ": " << damage.what;
    }
  }

  SimulatedEnv env_;
  SeededRandom random_;
  StreamOptions options_;
  uint64_t keys_ = 1;
  uint64_t made_ = 0;
  Values model_;
  std::optional<std::pair<uint64_t, Offset>> newest_mark_;
  std::unique_ptr<Log> log_;
  std::shared_ptr<Stream> stream_;
};

TEST(CompactionProperty, AReaderSeesTheLastValueOfEachKey) {
  uint64_t removed = 0;
  uint64_t appended = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    RandomRun run(seed);
    run.steps(150);
    removed += run.removed;
    appended += run.appended;
    if (::testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
  RecordProperty("removed", static_cast<int>(removed));
  EXPECT_GT(removed * 3, appended) << "of " << appended;
}

TEST(CompactionProperty, APowerCutBeforeEveryChange) {
  uint64_t runs = 0;
  for (Survival survival : {Survival::kSeeded, Survival::kNothing, Survival::kEverything}) {
    for (uint64_t seed = 0; seed < (survival == Survival::kSeeded ? 8U : 1U); ++seed) {
      bool finished = false;
      for (uint64_t n = 0; !finished; ++n, ++runs) {
        SimulatedEnv env(seed * 1000 + n);
        auto log = Log::open(env, "data/log").value();
        StreamOptions options{.segment_bytes = 4096, .compaction = CompactionOptions()};
        Partition* partition = &log->create_stream(StreamId{1}, "titles", options).value()->partition(PartitionId{0});
        for (int i = 0; i < 40; ++i) {
          RecordBatchBuilder builder;
          keyed("key" + std::to_string(i % 7), std::to_string(i) + std::string(600, 'x'), builder);
          ASSERT_TRUE(is_ok(partition->append_and_wait(builder.finish().value())));
          // Then there is a compacted segment that the next compaction joins with others.
          CompactionReport report;
          CompactionBounds bounds{.end = partition->end_offset(), .now = env.clock().now()};
          if (i == 20) {
            ASSERT_TRUE(is_ok(compact(*partition, bounds, 100, report)));
          }
        }
        auto before = read_values_by_key(*partition);
        env.files().power_cut_after(n, survival);
        CompactionReport report;
        CompactionBounds bounds{.end = partition->end_offset(), .now = env.clock().now(), .dirty_percent = 0};
        (void)compact(*partition, bounds, 100, report);
        finished = !env.files().down();
        if (finished) env.power_cut(survival);
        log.reset();
        env.restart();
        auto verified = verify_log(env, "data/log");  // before recovery removes what is left over
        ASSERT_TRUE(is_ok(verified));
        for (const Damage& damage : verified->damages) {
          if (!damage.path.ends_with(".idx")) ADD_FAILURE() << damage.path << ": " << damage.what;
        }
        auto opened = Log::open(env, "data/log");
        ASSERT_TRUE(is_ok(opened)) << "seed " << seed << " change " << n;
        log = std::move(opened).value();
        partition = &log->find("titles")->partition(PartitionId{0});
        auto after = read_values_by_key(*partition);
        EXPECT_EQ(after.first, before.first);
        EXPECT_LE(after.second, before.second);
        EXPECT_EQ(partition->end_offset(), Offset{40});
        if (finished) {
          EXPECT_LT(after.second, 16U) << "all seven keys, and what the last segment repeats";
        }
        if (::testing::Test::HasFailure()) FAIL() << "seed " << seed << " change " << n;
      }
    }
  }
  EXPECT_GT(runs, 150U);
}

}  // namespace
}  // namespace millrace::log
