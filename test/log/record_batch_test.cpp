#include "log/record_batch.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/simulated_env.h"
#include "log/partitioner.h"
#include "record_batch_vectors.h"

namespace millrace::log {
namespace {

using namespace std::string_literals;

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

struct OwnedRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  int64_t timestamp_ms = 0;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  bool operator==(const OwnedRecord&) const = default;
};

Result<std::vector<OwnedRecord>> read_all(std::string_view bytes, Decompressor& decompressor) {
  MR_ASSIGN(RecordBatchView batch, RecordBatchView::parse(bytes));
  std::vector<OwnedRecord> records;
  MR_TRY(batch.for_each(decompressor, [&](const RecordView& record) {
    OwnedRecord& owned = records.emplace_back();
    if (record.key) owned.key = *record.key;
    if (record.value) owned.value = *record.value;
    owned.timestamp_ms = static_cast<int64_t>(static_cast<uint64_t>(batch.base_timestamp_ms()) +
                                              static_cast<uint64_t>(record.timestamp_delta));
    RecordHeaders headers = record.headers;
    RecordHeader header;
    while (headers.next(header)) {
      owned.headers.emplace_back(header.key, header.value ? std::optional<std::string>(*header.value) : std::nullopt);
    }
  }));
  return records;
}

void add(RecordBatchBuilder& builder, const OwnedRecord& record) {
  std::vector<RecordHeader> headers;
  for (const auto& [name, value] : record.headers) {
    headers.push_back({name, value ? std::optional<std::string_view>(*value) : std::nullopt});
  }
  auto view = [](const std::optional<std::string>& text) {
    return text ? std::optional<std::string_view>(*text) : std::nullopt;
  };
  builder.add(view(record.key), view(record.value), headers, record.timestamp_ms);
}

const std::vector<OwnedRecord> kThree = {
    {"k1", "hello", 1700000000000, {}},
    {std::nullopt, "", 1699999999000, {{"trace", "\x00\xff"s}, {"empty", std::nullopt}}},
    {"", std::nullopt, 1700000100000, {}},
};

std::string build(const std::vector<OwnedRecord>& records, Compression compression = Compression::kNone) {
  RecordBatchBuilder builder;
  for (const OwnedRecord& record : records) add(builder, record);
  return builder.finish(compression).value();
}

TEST(RecordBatch, BytesAreKafkas) {
  RecordBatchBuilder one;
  one.add(std::nullopt, "123", 1503229838908);
  EXPECT_EQ(one.finish().value(), from_hex(kOneRecordHex));
  EXPECT_EQ(build(kThree), from_hex(kThreeRecordsHex));

  std::string long_values =
      build({{std::string(70, 'k'), std::string(9000, 'v'), 0, {}},
             {std::nullopt, std::string(64, 'w'), int64_t{1} << 40, {{"", std::string(130, 'h')}}}});
  EXPECT_EQ(long_values.size(), kLongValuesBytes);
  EXPECT_EQ(RecordBatchView::parse(long_values)->crc(), kLongValuesCrc);
  EXPECT_EQ(crc32c(long_values), kLongValuesWholeCrc);
}

TEST(RecordBatch, ReadsKafkasBytes) {
  Decompressor decompressor;
  std::string bytes = from_hex(kThreeRecordsHex);
  EXPECT_EQ(read_all(bytes, decompressor).value(), kThree);
  RecordBatchView view = RecordBatchView::parse(bytes).value();
  EXPECT_EQ(view.record_count(), 3);
  EXPECT_EQ(view.last_offset_delta(), 2);
  EXPECT_EQ(view.base_timestamp_ms(), 1700000000000);
  EXPECT_EQ(view.max_timestamp_ms(), 1700000100000);
  EXPECT_EQ(view.producer_id(), -1);
  EXPECT_EQ(view.producer_epoch(), -1);
  EXPECT_EQ(view.base_sequence(), -1);
  EXPECT_FALSE(view.control());
}

TEST(RecordBatch, EveryCompressionGivesTheRecordsBack) {
  std::vector<OwnedRecord> many;
  for (int i = 0; i < 5000; ++i)
    many.push_back({std::to_string(i % 7), std::string(static_cast<size_t>(i % 300), 'x'), 1000 + i, {}});
  Decompressor decompressor;
  size_t plain = build(many).size();
  for (Compression compression : {Compression::kNone, Compression::kLz4, Compression::kZstd}) {
    std::string bytes = build(many, compression);
    EXPECT_EQ(RecordBatchView::parse(bytes)->compression(), compression);
    if (compression != Compression::kNone) {
      EXPECT_LT(bytes.size(), plain / 2);
    }
    EXPECT_EQ(read_all(bytes, decompressor).value(), many);
    EXPECT_EQ(read_all(build(kThree, compression), decompressor).value(), kThree);  // the buffer is used again
  }
}

TEST(RecordBatch, GzipIsRead) {
  std::string plain = build(kThree);
  std::string_view records = std::string_view(plain).substr(kBatchHeaderBytes);
  z_stream stream{};
  ASSERT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(records.data()));
  stream.avail_in = static_cast<uInt>(records.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  std::string batch = plain.substr(0, kBatchHeaderBytes) + packed;
  store_big<int32_t>(batch.data() + 8, static_cast<int32_t>(batch.size() - 12));
  store_big<int16_t>(batch.data() + 21, static_cast<int16_t>(Compression::kGzip));
  store_big<uint32_t>(batch.data() + 17, crc32c(std::string_view(batch).substr(21)));
  Decompressor decompressor;
  EXPECT_EQ(read_all(batch, decompressor).value(), kThree);
}

TEST(RecordBatch, ReadsWhatOtherPackersWrote) {
  // kThree, its records packed by the lz4 and zstd command line tools.
  const char* source = std::getenv("MILLRACE_SOURCE_DIR");
  Decompressor decompressor;
  for (const char* name : {"three_lz4", "three_zstd"}) {
    std::ifstream file(std::string(source ? source : ".") + "/test/fuzz/record_batch/" + name, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    ASSERT_FALSE(bytes.empty()) << name;
    EXPECT_EQ(read_all(bytes, decompressor).value(), kThree);
  }
}

TEST(RecordBatch, UnpackingHasABound) {
  for (Compression compression : {Compression::kLz4, Compression::kZstd}) {
    std::string bytes = build({{std::nullopt, std::string(1 << 20, 'a'), 0, {}}}, compression);
    EXPECT_LT(bytes.size(), 8000U);
    Decompressor decompressor;
    RecordBatchView view = RecordBatchView::parse(bytes).value();
    Result<RecordCursor> refused = view.records(decompressor, 1 << 20);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, sqlstate::kTooLarge);
    EXPECT_TRUE(view.records(decompressor, (1 << 20) + 100).ok());
  }
}

TEST(RecordBatch, PatchingLeavesTheCrcAlone) {
  std::string bytes = build(kThree);
  patch_batch(bytes.data(), Offset{77}, 5);
  RecordBatchView view = RecordBatchView::parse(bytes).value();
  EXPECT_EQ(view.base_offset(), Offset{77});
  EXPECT_EQ(view.partition_leader_epoch(), 5);
}

TEST(RecordBatch, BuilderIsEmptyAfterFinish) {
  RecordBatchBuilder builder;
  EXPECT_FALSE(builder.finish().ok());
  for (const OwnedRecord& record : kThree) add(builder, record);
  std::string first = builder.finish().value();
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.size_bytes(), kBatchHeaderBytes);
  for (const OwnedRecord& record : kThree) add(builder, record);
  EXPECT_EQ(builder.finish().value(), first);
}

TEST(RecordBatch, WildTimestampsRoundTrip) {
  std::vector<OwnedRecord> records = {{"a", "1", INT64_MAX, {}}, {"b", "2", INT64_MIN, {}}, {"c", "3", 0, {}}};
  Decompressor decompressor;
  EXPECT_EQ(read_all(build(records), decompressor).value(), records);
}

TEST(RecordBatch, AnyFlippedBitIsSeen) {
  const std::string good = build(kThree);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    size_t byte = bit / 8;
    if (byte < 8 || (byte >= 12 && byte < 16)) continue;  // base offset and leader epoch: the broker's to set
    std::string bad = good;
    bad[byte] = static_cast<char>(bad[byte] ^ (1 << (bit % 8)));
    EXPECT_FALSE(RecordBatchView::parse(bad).ok()) << "bit " << bit;
  }
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(RecordBatchView::parse(std::string_view(good).substr(0, length)).ok());
  }
}

/// Whatever the bytes say, reading ends with records that lie inside them, or an error.
void read_hostile(std::string_view bytes, Decompressor& decompressor) {
  Result<RecordBatchView> batch = RecordBatchView::parse_unchecked(bytes);
  if (!batch.ok()) return;
  Result<RecordCursor> cursor = batch->records(decompressor, 1 << 20);
  if (!cursor.ok()) return;
  uint64_t sum = 0;
  RecordView record;
  while (cursor->next(record)) {
    for (const auto& part : {record.key, record.value}) {
      if (part) sum += hash_bytes(*part);  // touches every byte, for the sanitizer
    }
    RecordHeader header;
    while (record.headers.next(header)) {
      sum += hash_bytes(header.key) + (header.value ? hash_bytes(*header.value) : 0);
    }
  }
  (void)cursor->status();
  EXPECT_EQ(sum, sum);
}

TEST(RecordBatch, MutatedBytesNeverLeadOutside) {
  SeededRandom random(42);
  Decompressor decompressor;
  std::vector<std::string> seeds;
  for (Compression compression : {Compression::kNone, Compression::kLz4, Compression::kZstd}) {
    seeds.push_back(build(kThree, compression));
    seeds.push_back(
        build({{std::string(200, 'k'), std::string(5000, 'v'), 1, {{"h", std::string(300, 'h')}}}}, compression));
  }
  for (int round = 0; round < 60000; ++round) {
    std::string bytes = seeds[random.below(seeds.size())];
    for (uint64_t change = 0; change <= random.below(4); ++change) {
      size_t at = random.below(bytes.size());
      bytes[at] = static_cast<char>(random.below(3) == 0 ? 0xff : random.next());
    }
    if (random.below(4) == 0) {
      bytes.resize(kBatchHeaderBytes + random.below(bytes.size() - kBatchHeaderBytes + 1));
      store_big<int32_t>(bytes.data() + 8, static_cast<int32_t>(bytes.size() - 12));
    }
    // A copy of exactly that size on the heap, so that the sanitizer sees one byte too many.
    std::unique_ptr<char[]> copy(new char[bytes.size()]);
    std::copy(bytes.begin(), bytes.end(), copy.get());
    read_hostile(std::string_view(copy.get(), bytes.size()), decompressor);
  }
}

TEST(RecordBatch, AHostileRecordCountEndsTheWalk) {
  std::string bytes = build(kThree);
  store_big<int32_t>(bytes.data() + 57, INT32_MAX);
  Decompressor decompressor;
  RecordCursor cursor = RecordBatchView::parse_unchecked(bytes)->records(decompressor).value();
  RecordView record;
  int seen = 0;
  while (cursor.next(record)) ++seen;
  EXPECT_EQ(seen, 3);
  EXPECT_FALSE(cursor.status().ok());
  store_big<int32_t>(bytes.data() + 57, 2);
  cursor = RecordBatchView::parse_unchecked(bytes)->records(decompressor).value();
  while (cursor.next(record)) {
  }
  EXPECT_FALSE(cursor.status().ok()) << "bytes are left over";
}

TEST(Partitioner, AgreesWithKafkasClients) {
  // From murmur2's published values in Kafka's own tests, without the sign bit.
  EXPECT_EQ(partition_for_key("21", 1 << 30).value, (-973932308 & 0x7fffffff) % (1 << 30));
  EXPECT_EQ(partition_for_key("foobar", 1000).value, (-790332482 & 0x7fffffff) % 1000);
  EXPECT_EQ(partition_for_key("a-little-bit-long-string", 7).value, (-985981536 & 0x7fffffff) % 7);
  EXPECT_EQ(partition_for_key("", 4).value, (275646681 & 0x7fffffff) % 4);
}

}  // namespace
}  // namespace millrace::log
