// What the log makes of damaged files: a torn tail goes, damage to acked data is refused.
#include <algorithm>

#include "base/bytes.h"
#include "log/segment_format.h"
#include "log_fixture.h"

namespace millrace::log {
namespace {

class RecoveryTest : public LogTest {
 protected:
  /// Ten batches, each synced alone; then the log is gone as by kill -9, so no index file hides the frames.
  void write_and_kill(const StreamOptions& options = {}) {
    create(options);
    for (int i = 0; i < 10; ++i)
      ASSERT_TRUE(is_ok(partition().append_and_wait(one("value " + std::to_string(i) + std::string(100, '.')))));
    env_.crash();
    log_.reset();
    env_.restart();
  }
  std::string segment(int64_t base = 0) { return env_.files().read_all(segment_path(base)).value(); }

  /// Where the frames of the first segment begin, and where the last one ends.
  std::vector<size_t> frame_places(const std::string& bytes) {
    std::vector<size_t> places;
    uint32_t salt = decode_segment_header(bytes)->salt;
    size_t at = kSegmentHeaderBytes;
    while (at < bytes.size()) {
      places.push_back(at);
      at += static_cast<size_t>(decode_frame_header(std::string_view(bytes).substr(at), salt)->frame_bytes());
    }
    places.push_back(at);
    return places;
  }

  void expect_refused(const std::string& names, int64_t offset) {
    auto opened = Log::open(env_, "data/log");
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, sqlstate::kDataCorrupted);
    EXPECT_NE(opened.error().message.find(names), std::string::npos) << opened.error().message;
    EXPECT_NE(opened.error().message.find(fmt::format("offset {}", offset)), std::string::npos)
        << opened.error().message;
    EXPECT_NE(opened.error().message.find("byte "), std::string::npos) << opened.error().message;
  }
};

TEST_F(RecoveryTest, ATornTailIsCutWhereverItTears) {
  write_and_kill();
  const std::string good = segment();
  const std::vector<size_t> places = frame_places(good);
  ASSERT_EQ(places.size(), 11U);
  for (size_t length = places[9]; length < good.size(); ++length) {
    overwrite(segment_path(0), good.substr(0, length));
    open();
    EXPECT_EQ(partition().end_offset(), Offset{9});
    EXPECT_EQ(partition().torn_bytes(), length - places[9]);
    EXPECT_EQ(partition().append_and_wait(one("next"))->first, Offset{9});
    EXPECT_EQ(read_values(partition()).back(), "next");
    log_.reset();
    ASSERT_TRUE(is_ok(env_.files().remove(index_path(0))));
  }
}

TEST_F(RecoveryTest, DamageInTheLastGroupIsATornTail) {
  write_and_kill();
  const std::string good = segment();
  const size_t last = frame_places(good)[9];
  for (size_t byte = last; byte < good.size(); ++byte) {
    if (byte >= last + kFrameHeaderBytes + 12 && byte < last + kFrameHeaderBytes + 16)
      continue;  // leader epoch: in no CRC
    std::string bad = good;
    bad[byte] = static_cast<char>(bad[byte] ^ 0x10);
    overwrite(segment_path(0), bad);
    open();
    EXPECT_EQ(partition().end_offset(), Offset{9}) << byte;
    log_.reset();
    ASSERT_TRUE(is_ok(env_.files().remove(index_path(0))));
  }
}

TEST_F(RecoveryTest, DamageBeforeAckedDataIsRefused) {
  write_and_kill();
  const std::string good = segment();
  const std::vector<size_t> places = frame_places(good);
  for (size_t byte = kSegmentHeaderBytes; byte < places[9]; byte += 3) {
    std::string bad = good;
    auto frame = std::upper_bound(places.begin(), places.end(), byte) - places.begin() - 1;
    size_t within = byte - places[static_cast<size_t>(frame)];
    if (within >= kFrameHeaderBytes + 12 && within < kFrameHeaderBytes + 16) continue;  // leader epoch: in no CRC
    bad[byte] = static_cast<char>(bad[byte] ^ 0x01);
    overwrite(segment_path(0), bad);
    SCOPED_TRACE(fmt::format("byte {}, {} of frame {}", byte, within, frame));
    expect_refused(segment_path(0), frame);
    EXPECT_EQ(segment(), bad) << "nothing may be changed";
  }
  std::string zeros = good;
  std::fill(zeros.begin() + static_cast<std::ptrdiff_t>(places[2]),
            zeros.begin() + static_cast<std::ptrdiff_t>(places[5]), '\0');
  overwrite(segment_path(0), zeros);
  expect_refused(segment_path(0), 2);
  overwrite(segment_path(0), good.substr(0, places[3]) + good.substr(places[4]));  // one frame missing
  expect_refused(segment_path(0), 3);
}

TEST_F(RecoveryTest, GoodFramesOfTheGroupThatTearsAreNoProof) {
  // Two groups: three frames synced, then four in one group, of which the second is lost and the others reached the
  // disk.
  create();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::to_string(i)))));
  for (int i = 3; i < 7; ++i) ASSERT_TRUE(is_ok(partition().append(one(std::to_string(i)))));
  ASSERT_TRUE(is_ok(partition().sync()));
  env_.crash();
  log_.reset();
  env_.restart();
  std::string bytes = segment();
  const std::vector<size_t> places = frame_places(bytes);
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(places[4]),
            bytes.begin() + static_cast<std::ptrdiff_t>(places[5]), '\0');
  overwrite(segment_path(0), bytes);
  open();
  EXPECT_EQ(read_values(partition()), (std::vector<std::string>{"0", "1", "2", "3"}));
}

TEST_F(RecoveryTest, AProducerCannotForgeAFrame) {
  create();
  // A message that holds a whole frame "written when a lot was synced", with the CRC of an unsalted segment.
  std::string forged;
  append_frame_header(forged, {Offset{9}, Timestamp{1}, 0, 1 << 20, 100, 1}, 0);
  ASSERT_TRUE(is_ok(partition().append_and_wait(one("first"))));
  ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::string(50, 'x') + forged + std::string(50, 'x')))));
  env_.crash();
  log_.reset();
  env_.restart();
  std::string bytes = segment();
  bytes[frame_places(bytes)[1] + 5] ^= 1;  // its own frame header tears
  overwrite(segment_path(0), bytes);
  open();
  EXPECT_EQ(read_values(partition()), (std::vector<std::string>{"first"}));
}

TEST_F(RecoveryTest, SealedSegmentsMustBeWhole) {
  write_and_kill({.segment_bytes = 4096});
  log_.reset();
  open();
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::string(1000, 'a')))));
  std::vector<std::string> all = read_values(partition());
  env_.crash();
  log_.reset();
  env_.restart();
  std::vector<int64_t> bases;
  std::vector<FileInfo> files = env_.files().list("data/log/00000001/0").value();
  for (const FileInfo& file : files) {
    if (auto base = parse_segment_file_name(file.name)) bases.push_back(base->value);
  }
  std::sort(bases.begin(), bases.end());
  ASSERT_GT(bases.size(), 5U);
  const std::string path = segment_path(bases[2]);
  const std::string good = env_.files().read_all(path).value();

  overwrite(path, good.substr(0, good.size() - 5));
  expect_refused(path, bases[3]);  // its index file says that there was more
  ASSERT_TRUE(is_ok(env_.files().remove(index_path(bases[2]))));
  expect_refused(path, bases[3] - 1);
  overwrite(path, good);
  open();  // the index is only a hint
  EXPECT_EQ(read_values(partition()), all);
  log_.reset();

  ASSERT_TRUE(is_ok(env_.files().remove(path)));
  expect_refused(segment_path(bases[1]), bases[2]);  // a hole
  overwrite(path, good);

  overwrite(index_path(bases[2]), "garbage");
  open();
  EXPECT_EQ(read_values(partition()), all);
}

TEST_F(RecoveryTest, AFileOfAnotherPartitionIsRefused) {
  create({.partitions = 2});
  ASSERT_TRUE(is_ok(partition().append_and_wait(one("a"))));
  log_.reset();
  std::string other = env_.files().read_all("data/log/00000001/1/00000000000000000000.seg").value();
  overwrite(segment_path(0), other);
  expect_refused(segment_path(0), 0);
}

TEST_F(RecoveryTest, AnInterruptedCreationIsRemoved) {
  write_and_kill();
  for (const std::string& left : {std::string(), std::string(10, '\0'), std::string(32, '\0')}) {
    overwrite(segment_path(10), left);
    open();
    EXPECT_FALSE(*env_.files().exists(segment_path(10)));
    EXPECT_EQ(partition().end_offset(), Offset{10});
    log_.reset();
  }
  overwrite(segment_path(10), std::string(33, '\0'));
  expect_refused(segment_path(10), 10);
}

TEST_F(RecoveryTest, MutatedSegmentsNeverCrashOrInvent) {
  create();
  std::vector<std::string> all;
  for (int i = 0; i < 40; ++i) {
    all.push_back("v" + std::to_string(i) + std::string(static_cast<size_t>(i), 'z'));
    ASSERT_TRUE(is_ok(partition().append(one(all.back()), {.idempotency_hash = static_cast<uint64_t>(i % 3)})));
    if (i % 4 == 0) {
      ASSERT_TRUE(is_ok(partition().sync()));
    }
  }
  ASSERT_TRUE(is_ok(partition().sync()));
  all = read_values(partition());
  env_.crash();
  log_.reset();
  env_.restart();
  const std::string good = segment();
  SeededRandom random(3);
  int opened_count = 0;
  int refused_count = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    switch (random.below(4)) {
      case 0: bytes.resize(random.below(bytes.size() + 1)); break;
      case 1:
        bytes.insert(random.below(bytes.size()), std::string(random.below(80), static_cast<char>(random.next())));
        break;
      case 2: bytes.erase(random.below(bytes.size()), random.below(200)); break;
      default: bytes[random.below(bytes.size())] = static_cast<char>(random.next()); break;
    }
    overwrite(segment_path(0), bytes);
    auto opened = Log::open(env_, "data/log");
    if (!opened.ok()) {
      EXPECT_EQ(opened.error().code, sqlstate::kDataCorrupted);
      ++refused_count;
      continue;
    }
    ++opened_count;
    std::vector<std::string> values = read_values((*opened)->find("plays")->partition(PartitionId{0}));
    ASSERT_LE(values.size(), all.size());
    EXPECT_TRUE(std::equal(values.begin(), values.end(), all.begin()));
    opened->reset();
    ASSERT_TRUE(is_ok(env_.files().remove(index_path(0))));
  }
  EXPECT_GT(opened_count, 100);
  EXPECT_GT(refused_count, 100);
}

TEST_F(RecoveryTest, MutatedIndexFilesAreNotBelieved) {
  create();
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::to_string(i)), {.idempotency_hash = 7})));
  std::vector<std::string> all = read_values(partition());
  log_.reset();
  const std::string good = env_.files().read_all(index_path(0)).value();
  SeededRandom random(5);
  for (int round = 0; round < 500; ++round) {
    std::string bad = good;
    if (random.below(2) == 0) {
      bad.resize(random.below(bad.size()));
    } else {
      bad[random.below(bad.size())] ^= static_cast<char>(1 + random.below(255));
    }
    overwrite(index_path(0), bad);
    open();
    EXPECT_EQ(read_values(partition()), all);
    log_.reset();
  }
}

TEST_F(RecoveryTest, DamageThatAppearsLaterIsFoundByTheReader) {
  create();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(is_ok(partition().append_and_wait(one(std::to_string(i)))));
  log_.reset();  // writes the index, so opening does not read the frames again
  std::string bytes = segment();
  bytes[frame_places(bytes)[4] + 10] ^= 1;
  overwrite(segment_path(0), bytes);
  open();
  EXPECT_EQ(partition().end_offset(), Offset{10});
  auto batches = partition().read(Offset{0}, 1 << 20);
  ASSERT_FALSE(batches.ok());
  EXPECT_EQ(batches.error().code, sqlstate::kDataCorrupted);
  EXPECT_NE(batches.error().message.find(segment_path(0)), std::string::npos) << batches.error().message;
  EXPECT_NE(batches.error().message.find("offset 4"), std::string::npos) << batches.error().message;
}

}  // namespace
}  // namespace millrace::log
