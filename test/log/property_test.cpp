// Random appends, reads, retention, truncation, stops, kills and power cuts, against a model in memory.
#include <map>

#include "log_fixture.h"

namespace millrace::log {
namespace {

/// What a partition must hold. Values are unique, so a phantom would show.
struct Model {
  int64_t begin = 0;
  std::vector<std::string> values;  ///< from offset 0; those below `begin` may be gone
  std::map<uint64_t, std::vector<int64_t>>
      marks;  ///< every place a mark was stored at; more than one when it was forgotten between

  int64_t end() const { return static_cast<int64_t>(values.size()); }
};

struct Waiting {
  Ticket ticket;
  std::vector<std::string> values;
  uint64_t mark = 0;
};

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : env_(seed), random_(seed) {
    options_.segment_bytes = 4096 + random_.below(20000);
    options_.idempotency_window = 30;
    open();
    stream_ = log_->create_stream(StreamId{1}, "plays", options_).value();
  }

  void steps(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) step();
    check();
  }

  std::map<std::string, int> counts;

 private:
  Partition& partition() { return stream_->partition(PartitionId{0}); }

  void open() {
    auto opened = Log::open(env_, "data/log");
    ASSERT_TRUE(is_ok(opened));
    log_ = std::move(opened).value();
    stream_ = log_->find(StreamId{1});
  }

  void step() {
    env_.clock().advance(Duration::from_millis(static_cast<int64_t>(random_.below(500))));
    uint64_t dice = random_.below(100);
    if (dice < 50) return append();
    if (dice < 65) return sync();
    if (dice < 80) return read();
    if (dice < 84) return retention();
    if (dice < 87) return truncate();
    if (dice < 91) return stop();
    if (dice < 95) return die(false);
    return die(true);
  }

  void append() {
    ++counts["append"];
    Waiting waiting;
    for (uint64_t i = 0; i <= random_.below(4); ++i) {
      waiting.values.push_back(fmt::format(
          "{}:{}", ++made_, std::string(random_.below(10) == 0 ? random_.below(6000) : random_.below(100), 'v')));
    }
    if (random_.below(3) == 0) waiting.mark = 1 + random_.below(60);
    auto compression = static_cast<Compression>(std::array{0, 3, 4}[random_.below(3)]);
    Result<Ticket> ticket =
        partition().append(batch_of(waiting.values, compression), {.idempotency_hash = waiting.mark});
    ASSERT_TRUE(is_ok(ticket));
    waiting.ticket = *ticket;
    waiting_.push_back(std::move(waiting));
  }

  /// All that waits is acked now; enters the model.
  void sync() {
    ++counts["sync"];
    ASSERT_TRUE(is_ok(partition().sync()));
    for (const Waiting& waiting : waiting_) {
      Result<AppendResult> result = partition().wait(waiting.ticket);
      ASSERT_TRUE(is_ok(result));
      if (result->duplicate) {
        ++counts["duplicate"];
        EXPECT_EQ(model_.marks.at(waiting.mark).back(), result->first.value);
        continue;
      }
      EXPECT_EQ(result->first.value, model_.end());
      enter(waiting);
    }
    waiting_.clear();
    EXPECT_EQ(partition().end_offset().value, model_.end());
  }

  void enter(const Waiting& waiting) {
    if (waiting.mark != 0) model_.marks[waiting.mark].push_back(model_.end());
    model_.values.insert(model_.values.end(), waiting.values.begin(), waiting.values.end());
  }

  void read() {
    ++counts["read"];
    if (model_.begin == model_.end()) return;
    int64_t from =
        model_.begin + static_cast<int64_t>(random_.below(static_cast<uint64_t>(model_.end() - model_.begin)));
    ReadBatches batches = partition().read(Offset{from}, 1 + random_.below(5000)).value();
    ASSERT_FALSE(batches.empty());
    EXPECT_LE(batches.batches()[0].base_offset.value, from);
    EXPECT_GT(batches.batches()[0].end_offset().value, from);
    expect_equal(batches);
  }

  void expect_equal(const ReadBatches& batches) {
    for (const StoredBatch& stored : batches.batches()) {
      int64_t at = stored.base_offset.value;
      ASSERT_TRUE(is_ok(RecordBatchView::parse(stored.bytes)->for_each(decompressor_, [&](const RecordView& record) {
        ASSERT_LT(at, model_.end());
        EXPECT_EQ(*record.value, model_.values[static_cast<size_t>(at)]);
        ++at;
      })));
      EXPECT_EQ(at, stored.end_offset().value);
    }
  }

  void retention() {
    ++counts["retention"];
    // The stream has no bounds of its own here; needed readers are what is tested in partition_test.
    EXPECT_EQ(partition().enforce_retention(env_.clock().now(), Offset{model_.end()}).value(), 0U);
  }

  void truncate() {
    sync();
    if (model_.end() == 0) return;
    ++counts["truncate"];
    int64_t wanted = static_cast<int64_t>(random_.below(static_cast<uint64_t>(model_.end())));
    ReadBatches batches = partition().read(Offset{wanted}, 1).value();
    int64_t end = batches.batches()[0].base_offset.value;
    ASSERT_TRUE(is_ok(partition().truncate_to(Offset{end})));
    model_.values.resize(static_cast<size_t>(end));
    for (auto& [mark, places] : model_.marks) std::erase_if(places, [&](int64_t place) { return place >= end; });
    std::erase_if(model_.marks, [](const auto& mark) { return mark.second.empty(); });
    EXPECT_EQ(partition().end_offset().value, end);
  }

  void stop() {
    ++counts["stop"];
    sync();
    stream_.reset();
    log_.reset();
    open();
    check();
  }

  /// What waits was never acked: any prefix of it may be there, nothing else.
  void die(bool power) {
    ++counts[power ? "power cut" : "kill"];
    bool in_the_middle = random_.below(2) == 0;
    if (in_the_middle && !waiting_.empty()) {
      env_.files().power_cut_after(random_.below(6));
      (void)partition().sync();
      // Those whose ticket succeeds were acked in front of the cut.
      while (!waiting_.empty()) {
        Result<AppendResult> result = partition().wait(waiting_.front().ticket);
        if (!result.ok()) break;
        if (!result->duplicate) enter(waiting_.front());
        waiting_.erase(waiting_.begin());
      }
    }
    if (power) {
      env_.power_cut();
    } else {
      env_.crash();
    }
    stream_.reset();
    log_.reset();
    env_.restart();
    open();
    accept_unacked();
    check();
  }

  void accept_unacked() {
    int64_t end = partition().end_offset().value;
    ASSERT_GE(end, model_.end()) << "acked records are lost";
    for (const Waiting& waiting : waiting_) {
      if (end <= model_.end()) break;
      bool is_duplicate = waiting.mark != 0 && model_.marks.contains(waiting.mark) &&
                          waiting.ticket.first().value == model_.marks[waiting.mark].back();
      if (!is_duplicate) enter(waiting);
    }
    waiting_.clear();
    ASSERT_EQ(end, model_.end()) << "a phantom, or a part of a batch";
  }

  void check() {
    ++counts["check"];
    EXPECT_EQ(partition().end_offset().value, model_.end());
    std::vector<std::string> stored = read_values(partition(), Offset{model_.begin}, 3000);
    ASSERT_EQ(stored.size(), static_cast<size_t>(model_.end() - model_.begin));
    EXPECT_TRUE(std::equal(stored.begin(), stored.end(), model_.values.begin() + model_.begin));
    // Every mark that the partition knows is right. (Old ones may be forgotten.)
    for (uint64_t mark = 1; mark <= 60; ++mark) {
      if (auto range = partition().find_recent_idempotent(mark)) {
        ASSERT_TRUE(model_.marks.contains(mark));
        EXPECT_EQ(range->first.value, model_.marks.at(mark).back());
      }
    }
  }

  SimulatedEnv env_;
  SeededRandom random_;
  StreamOptions options_;
  std::unique_ptr<Log> log_;
  std::shared_ptr<Stream> stream_;
  std::vector<Waiting> waiting_;
  Model model_;
  int64_t made_ = 0;
  Decompressor decompressor_;
};

TEST(LogProperty, HoldsWhatWasAckedAndNothingElse) {
  std::map<std::string, int> counts;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    RandomRun run(seed);
    run.steps(250);
    for (const auto& [name, count] : run.counts) counts[name] += count;
    if (::testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
  for (const auto& [name, count] : counts) printf("%s %d  ", name.c_str(), count);
  printf("\n");
  for (const char* name : {"append", "duplicate", "read", "truncate", "stop", "kill", "power cut"})
    EXPECT_GT(counts[name], 100) << name;
}

}  // namespace
}  // namespace millrace::log
