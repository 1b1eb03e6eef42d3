// Compaction: the last record of each key stays at its offset, and nothing else is lost.
#include "log/compaction.h"

#include <map>

#include "log/verify.h"
#include "log_fixture.h"

namespace millrace::log {
namespace {

struct Stored {
  int64_t offset = 0;
  std::string key;
  std::optional<std::string> value;
  Timestamp append_time;
};

struct Row {
  std::optional<std::string> key;
  std::optional<std::string> value;
};

std::string keyed(const std::vector<Row>& rows, Compression compression = Compression::kNone) {
  RecordBatchBuilder builder;
  int64_t time = 1000;
  for (const Row& row : rows) builder.add(row.key, row.value, {}, time += 10);
  return builder.finish(compression).value();
}

/// All records from `from` on. Offsets grow; batches say what they hold.
std::vector<Stored> read_records(const Partition& partition, Offset from) {
  std::vector<Stored> all;
  ReadBatches read;
  Decompressor decompressor;
  int64_t last = -1;
  for (Offset at = from; at < partition.end_offset(); at = read.next_offset()) {
    Status status = partition.read(at, 1000, read);
    EXPECT_TRUE(is_ok(status));
    if (!status.ok()) return all;
    EXPECT_GT(read.next_offset(), at);
    for (const StoredBatch& stored : read.batches()) {
      RecordBatchView view = RecordBatchView::parse(stored.bytes).value();
      EXPECT_EQ(view.base_offset(), stored.base_offset);
      EXPECT_EQ(view.last_offset_delta() + 1, stored.offset_count);
      EXPECT_TRUE(is_ok(view.for_each(decompressor, [&](const RecordView& record) {
        int64_t offset = stored.base_offset.value + record.offset_delta;
        EXPECT_GT(offset, last);
        last = offset;
        Stored row{offset, std::string(record.key.value_or("")), std::nullopt, stored.append_time};
        if (record.value) row.value = std::string(*record.value);
        all.push_back(std::move(row));
      })));
    }
  }
  return all;
}

/// What a reader of all makes of it.
std::map<std::string, std::string> last_values(const Partition& partition) {
  std::map<std::string, std::string> values;
  for (const Stored& row : read_records(partition, partition.begin_offset())) {
    if (row.value) {
      values[row.key] = *row.value;
    } else {
      values.erase(row.key);
    }
  }
  return values;
}

Status compact(Partition& partition, CompactionBounds bounds, CompactionReport* report = nullptr) {
  KafkaKeys keys;
  Compaction compaction(partition, keys, bounds);
  while (true) {
    MR_ASSIGN(bool more, compaction.advance());
    if (!more) break;
  }
  if (report) *report = compaction.report();
  return {};
}

class CompactionTest : public LogTest {
 protected:
  void create_compacted(CompactionOptions options = {}) {
    create({.segment_bytes = 4096, .idempotency_window = 4, .compaction = options});
  }
  AppendResult put(const std::string& key, std::optional<std::string> value, uint64_t mark = 0) {
    return partition().append_and_wait(keyed({{key, std::move(value)}}), {.idempotency_hash = mark}).value();
  }
  /// Rows that go into segments of their own.
  void fill(int rows, const std::string& key = "filler") {
    for (int i = 0; i < rows; ++i) put(key, std::string(1000, 'x'));
  }
  Status compact_all(CompactionReport* report = nullptr) {
    return compact(partition(), {.end = partition().end_offset(), .now = env_.clock().now()}, report);
  }
  std::vector<FileInfo> files() { return env_.files().list("data/log/00000001/0").value(); }
  void expect_verified() {
    Result<VerifiedLog> verified = verify_log(env_, "data/log");
    ASSERT_TRUE(is_ok(verified));
    for (const Damage& damage : verified->damages) {
      if (damage.path.ends_with(".idx")) continue;  // a power cut may tear it: it is not synced
      ADD_FAILURE() << damage.path << ": " << damage.what;
    }
    const auto& seen = verified->partitions.at({StreamId{1}, PartitionId{0}});
    EXPECT_EQ(seen.end, partition().end_offset());
    uint64_t records = 0;
    EXPECT_TRUE(is_ok(for_each_batch(env_, seen, [&](std::string_view batch) -> Status {
      records += static_cast<uint64_t>(RecordBatchView::parse(batch)->record_count());
      return {};
    })));
    EXPECT_EQ(records, read_records(partition(), partition().begin_offset()).size());
  }
};

TEST_F(CompactionTest, TheLastRecordOfEachKeyStaysAtItsOffset) {
  create_compacted();
  Timestamp kept_time = env_.clock().now();
  put("a", "1");
  put("b", "1");
  env_.clock().advance(Duration::from_seconds(5));
  put("a", "2");
  fill(12);
  CompactionReport report;
  ASSERT_TRUE(is_ok(compact_all(&report)));
  std::vector<Stored> rows = read_records(partition(), Offset{0});
  ASSERT_GT(rows.size(), 3U);
  EXPECT_EQ(rows[0].offset, 1);
  EXPECT_EQ(rows[0].key, "b");
  EXPECT_EQ(rows[0].append_time, kept_time);
  EXPECT_EQ(rows[1].offset, 2);
  EXPECT_EQ(*rows[1].value, "2");
  EXPECT_LT(rows.size(), 8U) << "most of the fillers went";
  EXPECT_EQ(report.records_removed, 15 - rows.size());
  EXPECT_LT(report.bytes_after, report.bytes_before / 2);
  EXPECT_EQ(partition().begin_offset(), Offset{0});
  EXPECT_EQ(partition().end_offset(), Offset{15});
  expect_verified();
  auto before = last_values(partition());
  reopen();
  EXPECT_EQ(last_values(partition()), before);
  EXPECT_EQ(put("c", "3").first, Offset{15});
  env_.power_cut();
  log_.reset();
  env_.restart();
  open();
  before["c"] = "3";
  EXPECT_EQ(last_values(partition()), before);
  expect_verified();
}

TEST_F(CompactionTest, ReadingFromEveryOffsetAndTime) {
  create_compacted();
  for (int i = 0; i < 60; ++i) {
    env_.clock().advance(Duration::from_seconds(1));
    put("key" + std::to_string(i % 7), std::to_string(i) + std::string(500, 'v'));
  }
  ASSERT_TRUE(is_ok(compact_all()));
  for (int turn = 0; turn < 2; ++turn, reopen()) {
    std::vector<Stored> all = read_records(partition(), Offset{0});
    for (int64_t from = 0; from <= 60; ++from) {
      std::vector<int64_t> expected;
      for (const Stored& row : all) {
        if (row.offset >= from) expected.push_back(row.offset);
      }
      std::vector<int64_t> seen;
      for (const Stored& row : read_records(partition(), Offset{from})) seen.push_back(row.offset);
      EXPECT_EQ(seen, expected) << from;
    }
    for (int64_t second = 0; second <= 61; ++second) {
      Timestamp time = SimulatedClock::kStart + Duration::from_seconds(second);
      int64_t expected = 60;
      for (auto row = all.rbegin(); row != all.rend(); ++row) {
        if (row->append_time >= time) expected = row->offset;
      }
      EXPECT_EQ(partition().offset_at_or_after(time)->value, expected) << second;
    }
  }
}

TEST_F(CompactionTest, NothingBeyondTheBoundSupersedesOrGoes) {
  create_compacted();
  put("a", "1");
  fill(8);
  int64_t bound = partition().end_offset().value - 2;
  fill(8);
  put("a", "2");
  fill(8);
  ASSERT_TRUE(is_ok(compact(partition(), {.end = Offset{bound}, .now = env_.clock().now()})));
  std::vector<Stored> rows = read_records(partition(), Offset{0});
  EXPECT_EQ(rows[0].offset, 0) << "the later row of its key lies behind the bound";
  int64_t missing_up_to = 0;
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].offset != rows[i - 1].offset + 1) missing_up_to = rows[i].offset;
  }
  EXPECT_GT(missing_up_to, 0);
  EXPECT_LT(missing_up_to, bound);
  expect_verified();
}

TEST_F(CompactionTest, YoungRecordsAreLeftAlone) {
  create_compacted({.lag = Duration::from_seconds(60)});
  fill(20);
  CompactionReport report;
  ASSERT_TRUE(is_ok(compact_all(&report)));
  EXPECT_EQ(report.records_removed, 0U);
  env_.clock().advance(Duration::from_seconds(61));
  ASSERT_TRUE(is_ok(compact_all(&report)));
  EXPECT_GT(report.records_removed, 0U);
}

TEST_F(CompactionTest, ATombstoneGoesAfterItsTime) {
  create_compacted({.tombstone_age = Duration::from_seconds(3600)});
  put("gone", "1");
  put("gone", std::nullopt);
  put("back", std::nullopt);
  put("back", "2");
  fill(8);
  ASSERT_TRUE(is_ok(compact_all()));
  std::vector<Stored> rows = read_records(partition(), Offset{0});
  EXPECT_EQ(rows[0].offset, 1) << "the tombstone of gone; what it deletes went";
  EXPECT_EQ(rows[1].offset, 3);
  env_.clock().advance(Duration::from_seconds(3601));
  fill(8);
  ASSERT_TRUE(is_ok(compact_all()));
  rows = read_records(partition(), Offset{0});
  EXPECT_EQ(rows[0].offset, 3) << "the tombstone went";
  expect_verified();
}

TEST_F(CompactionTest, RecordsWithoutAKeyStay) {
  create_compacted();
  ASSERT_TRUE(
      is_ok(partition().append_and_wait(keyed({{std::nullopt, "no key"}, {"a", "1"}, {std::nullopt, "none"}}))));
  put("a", "2");
  fill(8);
  ASSERT_TRUE(is_ok(compact_all()));
  std::vector<Stored> rows = read_records(partition(), Offset{0});
  EXPECT_EQ(*rows[0].value, "no key");
  EXPECT_EQ(rows[1].offset, 2);
  EXPECT_EQ(*rows[1].value, "none");
  EXPECT_EQ(*rows[2].value, "2");
}

TEST_F(CompactionTest, ARewrittenBatchKeepsWhatKafkaNeeds) {
  for (Compression compression : {Compression::kNone, Compression::kLz4, Compression::kZstd}) {
    log_.reset();
    ASSERT_TRUE(is_ok(env_.files().remove_recursively("data")));
    create_compacted();
    ASSERT_TRUE(is_ok(partition().append_and_wait(
        keyed({{"a", "1"}, {"b", "1"}, {"a", "2"}, {"b", "2"}, {"c", "3"}, {"b", "9"}}, compression))));
    fill(8, "b");
    ASSERT_TRUE(is_ok(compact_all()));
    ReadBatches read = partition().read(Offset{0}, 1).value();
    RecordBatchView view = RecordBatchView::parse(read.batches()[0].bytes).value();  // checks the CRC
    EXPECT_EQ(view.base_offset(), Offset{0});
    EXPECT_EQ(view.last_offset_delta(), 5);
    EXPECT_EQ(view.record_count(), 2);
    EXPECT_EQ(view.base_timestamp_ms(), 1010);
    EXPECT_EQ(view.max_timestamp_ms(), 1050) << "of the records that stay";
    EXPECT_EQ(view.compression(), compression);
    std::vector<Stored> rows = read_records(partition(), Offset{0});
    EXPECT_EQ(rows[0].offset, 2);
    EXPECT_EQ(rows[1].offset, 4);
  }
}

TEST_F(CompactionTest, ARememberedRequestIsStillADuplicate) {
  create_compacted();  // remembers four
  put("a", "old", 77);
  for (uint64_t mark = 1; mark <= 3; ++mark) put("a", std::string(2500, 'x'), mark);
  fill(4, "a");
  ASSERT_TRUE(is_ok(compact_all()));
  for (int turn = 0; turn < 2; ++turn, reopen()) {
    EXPECT_TRUE(put("a", "old", 77).duplicate);
    EXPECT_EQ(put("a", "old", 77).first, Offset{0});
    for (const Stored& row : read_records(partition(), Offset{0})) EXPECT_NE(row.offset, 0);
  }
  put("a", "new", 5);  // 77 is forgotten
  fill(12, "a");
  ASSERT_TRUE(is_ok(compact_all()));
  EXPECT_GT(partition().read(Offset{0}, 1)->batches()[0].base_offset, Offset{0}) << "its empty batch went too";
  expect_verified();
}

TEST_F(CompactionTest, SmallSegmentsAreJoined) {
  create_compacted();
  for (int i = 0; i < 60; ++i) put("key" + std::to_string(i % 3), std::string(1000, 'x'));
  ASSERT_TRUE(is_ok(compact_all()));
  fill(30);
  ASSERT_TRUE(is_ok(compact_all()));
  size_t segments = 0;
  for (const FileInfo& file : files()) {
    segments += file.name.ends_with(".seg");
    EXPECT_FALSE(file.name.ends_with(".new"));
  }
  EXPECT_LE(segments, 14U);
  expect_verified();
}

TEST_F(CompactionTest, ItBeginsWhenEnoughIsNew) {
  create_compacted();
  for (int i = 0; i < 40; ++i) put("key" + std::to_string(i), std::string(1000, 'x'));
  ASSERT_TRUE(is_ok(compact_all()));
  CompactionReport report;
  fill(10, "key0");
  ASSERT_TRUE(is_ok(compact_all(&report)));
  EXPECT_EQ(report.bytes_before, 0U) << "a fifth is new";
  fill(40, "key0");
  ASSERT_TRUE(is_ok(compact_all(&report)));
  EXPECT_GT(report.records_removed, 40U);
}

TEST_F(CompactionTest, MoreKeysThanThereIsMemoryFor) {
  create_compacted();
  std::map<std::string, std::string> expected;
  SeededRandom random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string key = "key" + std::to_string(random.below(2000)) + std::string(60, 'k');
    expected[key] = std::to_string(i);
    put(key, std::to_string(i));
  }
  uint64_t removed = 0;
  for (int pass = 0; pass < 200; ++pass) {
    CompactionReport report;
    ASSERT_TRUE(is_ok(
        compact(partition(),
                {.end = partition().end_offset(), .now = env_.clock().now(), .map_bytes = 60000, .dirty_percent = 0},
                &report)));
    removed += report.records_removed;
    if (report.bytes_before == 0) break;
  }
  EXPECT_EQ(last_values(partition()), expected);
  std::vector<Stored> rows = read_records(partition(), Offset{0});
  EXPECT_EQ(rows.size() + removed, 3000U);
  EXPECT_LT(rows.size(), expected.size() + 60U) << "but for the segment that is appended to, one a key";
  expect_verified();
}

TEST_F(CompactionTest, AHoleIsStillRefused) {
  create_compacted();
  for (int i = 0; i < 40; ++i) put("key" + std::to_string(i % 9), std::string(900, 'x'));
  ASSERT_TRUE(is_ok(compact_all()));
  log_.reset();
  std::string path;
  for (const FileInfo& file : files()) {
    std::string bytes = env_.files().read_all("data/log/00000001/0/" + file.name).value();
    if (bytes.starts_with("MRLOGSG2") && bytes.size() > 2000) path = "data/log/00000001/0/" + file.name;
    if (file.name.ends_with(".idx")) (void)env_.files().remove("data/log/00000001/0/" + file.name);
  }
  ASSERT_FALSE(path.empty());
  const std::string good = env_.files().read_all(path).value();
  // Each frame cut out; with the footer cut off; at every tenth byte another bit.
  std::vector<std::string> bad;
  for (size_t at = 32; at + 40 < good.size();) {
    FrameHeader frame =
        decode_frame_header(std::string_view(good).substr(at), decode_segment_header(good)->salt).value();
    bad.push_back(good.substr(0, at) + good.substr(at + frame.frame_bytes()));
    at += frame.frame_bytes();
  }
  bad.push_back(good.substr(0, good.size() - 40));
  for (size_t at = 0; at < good.size(); at += 10) {
    bad.push_back(good);
    bad.back()[at] = static_cast<char>(bad.back()[at] ^ 4);
  }
  size_t detected = 0;
  for (const std::string& bytes : bad) {
    overwrite(path, bytes);
    const bool refused = !Log::open(env_, "data/log").ok();
    const bool named = !verify_log(env_, "data/log")->damages.empty();
    EXPECT_EQ(refused, named);
    detected += refused && named;
  }
  // What no CRC covers: the partition leader epoch of each batch.
  EXPECT_GE(detected + bad.size() / 100, bad.size());
  overwrite(path, good);
  open();
}

TEST_F(CompactionTest, TheSegmentBehindMustBeThere) {
  create_compacted();
  fill(4);  // two segments
  ASSERT_TRUE(is_ok(compact_all()));
  log_.reset();
  std::string last;
  for (const FileInfo& file : files()) {
    if (file.name.ends_with(".seg")) last = std::max(last, file.name);
  }
  ASSERT_TRUE(is_ok(env_.files().remove("data/log/00000001/0/" + last)));
  EXPECT_FALSE(Log::open(env_, "data/log").ok());
  EXPECT_FALSE(verify_log(env_, "data/log")->damages.empty());
}

TEST_F(CompactionTest, AReaderThatStandsInAReplacedSegmentGoesOn) {
  create_compacted();
  for (int i = 0; i < 40; ++i) put("key" + std::to_string(i % 9), std::to_string(i) + std::string(900, 'x'));
  for (int64_t from : {0, 1, 5, 17, 30}) {
    ReadBatches read;
    ASSERT_TRUE(is_ok(partition().read(Offset{from}, 1, read)));
    ASSERT_TRUE(
        is_ok(compact(partition(), {.end = partition().end_offset(), .now = env_.clock().now(), .dirty_percent = 0})));
    int64_t last = from;
    std::map<std::string, int64_t> seen;
    for (Offset at = read.next_offset(); at < partition().end_offset(); at = read.next_offset()) {
      ASSERT_TRUE(is_ok(partition().read(at, 1, read)));
      for (const StoredBatch& batch : read.batches()) {
        EXPECT_GT(batch.base_offset.value, last);
        last = batch.base_offset.value;
      }
    }
    EXPECT_EQ(last, partition().end_offset().value - 1);
    fill(10, "key0");
  }
}

TEST_F(CompactionTest, AFaultOfTheDiskLeavesOldOrNew) {
  for (FileOperation operation :
       {FileOperation::kOpen, FileOperation::kOpenRead, FileOperation::kRead, FileOperation::kAppend,
        FileOperation::kSync, FileOperation::kRename, FileOperation::kRemove, FileOperation::kSyncDirectory}) {
    for (uint64_t after = 0; after < 12; ++after) {
      SCOPED_TRACE(fmt::format("operation {} after {}", static_cast<int>(operation), after));
      log_.reset();
      ASSERT_TRUE(is_ok(env_.files().remove_recursively("data")));
      create_compacted();
      for (int i = 0; i < 30; ++i) put("key" + std::to_string(i % 5), std::to_string(i) + std::string(900, 'x'));
      const auto expected = last_values(partition());
      env_.files().inject({.operation = operation, .path_part = "", .errno_value = EIO, .after = after, .times = 1});
      (void)compact_all();
      env_.files().clear_faults();
      EXPECT_FALSE(partition().failure().has_value()) << "appends have nothing to do with it";
      EXPECT_EQ(last_values(partition()), expected);
      ASSERT_TRUE(is_ok(compact_all()));
      EXPECT_EQ(last_values(partition()), expected);
      put("more", "1");
      env_.power_cut();
      log_.reset();
      env_.restart();
      open();
      if (::testing::Test::HasFatalFailure()) return;
      EXPECT_EQ(last_values(partition()).size(), expected.size() + 1);
      expect_verified();
    }
  }
}

}  // namespace
}  // namespace millrace::log
