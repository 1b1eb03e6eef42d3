// The messages of the Kafka protocol against bytes put together by hand from the protocol's guide.
#include <gtest/gtest.h>

#include "server/kafka/request.h"

namespace millrace::server::kafka {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

template <typename Body>
std::string written(const Body& body, int16_t version) {
  std::string out;
  WireWriter writer(out);
  body.write(writer, version);
  return out;
}

Request request_of(std::string bytes) {
  Request request;
  request.bytes = std::move(bytes);
  EXPECT_TRUE(read_head(request));
  return request;
}

TEST(KafkaWire, HeadWithoutTags) {
  Request request = request_of("\0\x03\0\x01\0\0\0\x07\0\x04kcat\0\0\0\x01\0\x05plays"s);
  EXPECT_EQ(request.key, ApiKey::kMetadata);
  EXPECT_EQ(request.version, 1);
  EXPECT_EQ(request.correlation_id, 7);
  EXPECT_EQ(request.client_id, "kcat");
  EXPECT_FALSE(request.flexible);
  MetadataRequest body;
  ASSERT_TRUE(decode(request, body));
  ASSERT_TRUE(body.topics);
  ASSERT_EQ(body.topics->size(), 1u);
  EXPECT_EQ(*(*body.topics)[0].name, "plays");
  EXPECT_TRUE(body.allow_auto_topic_creation);
}

TEST(KafkaWire, HeadWithTagsThatNobodyKnows) {
  // A tagged field 5 of 2 bytes in the head, and one in the body.
  Request request = request_of(
      "\0\x12\0\x03\0\0\0\x09\xff\xff\x01\x05\x02zz\x05kcat\x04"
      "1.7\x01\x00\x01q"s);
  EXPECT_TRUE(request.flexible);
  EXPECT_EQ(request.client_id, "");
  ApiVersionsRequest body;
  ASSERT_TRUE(decode(request, body));
  EXPECT_EQ(body.client_software_name, "kcat");
  EXPECT_EQ(body.client_software_version, "1.7");
}

TEST(KafkaWire, NewerApiVersionsIsReadableAsFarAsItsHead) {
  Request request = request_of("\0\x12\0\x63\0\0\0\x09\xff\xff\x00"s);
  EXPECT_FALSE(request.supported);
  EXPECT_EQ(request.correlation_id, 9);
}

TEST(KafkaWire, ProduceInBothEncodings) {
  std::string batch = "batch";
  Request old = request_of(
      "\0\0\0\x03\0\0\0\x01\xff\xff\xff\xff\xff\xff\0\0\x03\xe8\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x02\0\0\0\x05"s +
      batch);
  Request compact = request_of("\0\0\0\x09\0\0\0\x01\xff\xff\x00\x00\xff\xff\0\0\x03\xe8\x02\x02t\x02\0\0\0\x02\x06"s +
                               batch + "\0\0\0"s);
  for (const Request* request : {&old, &compact}) {
    ProduceRequest body;
    ASSERT_TRUE(decode(*request, body)) << request->version;
    EXPECT_FALSE(body.transactional_id);
    EXPECT_EQ(body.acks, -1);
    EXPECT_EQ(body.timeout_ms, 1000);
    ASSERT_EQ(body.topics.size(), 1u);
    EXPECT_EQ(body.topics[0].name, "t");
    ASSERT_EQ(body.topics[0].partitions.size(), 1u);
    EXPECT_EQ(body.topics[0].partitions[0].index, 2);
    EXPECT_EQ(body.topics[0].partitions[0].records, batch);
  }
}

TEST(KafkaWire, AnswerToApiVersionsHasNoTagsInItsHead) {
  Request request = request_of("\0\x12\0\x03\0\0\0\x09\xff\xff\x00\x01\x01\x00"s);
  ApiVersionsResponse answer;
  answer.api_keys.push_back({1, 4, 12});
  EXPECT_EQ(encode(request, answer), "\0\0\0\x13\0\0\0\x09\0\0\x02\0\x01\0\x04\0\x0c\x00\0\0\0\0\x00"s);
}

TEST(KafkaWire, FieldsComeWithTheirVersions) {
  MetadataResponse answer;
  answer.brokers.push_back({1, "h", 9092, std::nullopt});
  answer.cluster_id = "c";
  answer.controller_id = 1;
  EXPECT_EQ(written(answer, 0), "\0\0\0\x01\0\0\0\x01\0\x01h\0\0\x23\x84\0\0\0\0"s);
  EXPECT_EQ(written(answer, 2),
            "\0\0\0\x01\0\0\0\x01\0\x01h\0\0\x23\x84\xff\xff\0\x01"
            "c\0\0\0\x01\0\0\0\0"s);
  EXPECT_EQ(written(answer, 9),
            "\0\0\0\0\x02\0\0\0\x01\x02h\0\0\x23\x84\0\0\x02"
            "c\0\0\0\x01\x01\x80\0\0\0\0"s);
}

TEST(KafkaWire, EveryMessageOfEveryVersionIsReadAsItWasWritten) {
  for_each_api([](auto asked, auto answered, const ApiRange& range) {
    for (int16_t version = range.first; version <= range.last; ++version) {
      auto check = [&](auto body) {
        std::string bytes = written(body, version);
        WireReader in(bytes);
        decltype(body) again;
        again.read(in, version);
        EXPECT_TRUE(in.ok() && in.remaining() == 0) << static_cast<int>(range.key) << " version " << version;
        EXPECT_EQ(written(again, version), bytes);
        for (size_t length = 0; length < bytes.size(); ++length) {
          WireReader cut(std::string_view(bytes).substr(0, length));
          decltype(body) part;
          part.read(cut, version);
          EXPECT_FALSE(cut.ok()) << static_cast<int>(range.key) << " version " << version << " cut at " << length;
        }
      };
      check(asked);
      check(answered);
    }
  });
}

TEST(KafkaWire, LengthsThatLieAllocateNothing) {
  for (std::string_view length : {"\x7f\xff\xff\xff"sv, "\0\x20\0\0"sv}) {
    std::string bytes(length);
    MetadataRequest body;
    WireReader in(bytes);
    body.read(in, 1);
    EXPECT_FALSE(in.ok());
    EXPECT_TRUE(!body.topics || body.topics->capacity() == 0);
  }
  std::string huge = "\xff\xff\xff\xff\x0f"s;  // a compact length of 2^32 - 2
  std::string_view text;
  WireReader in(huge);
  in.text(text, true);
  EXPECT_FALSE(in.ok());
  std::string endless = "\xff\xff\xff\xff\xff\xff\xff"s;
  WireReader varint(endless);
  varint.varint();
  EXPECT_FALSE(varint.ok());
}

TEST(KafkaWire, ElementsOfOneRequestAreCounted) {
  // Empty names are one byte each in the compact form: more than kElementsMax of them are refused at their count.
  std::string bytes;
  append_varint(bytes, kElementsMax + 2);
  bytes.append(kElementsMax + 16, '\x01');
  std::vector<std::string_view> names;
  WireReader in(bytes);
  in.array(names, true, [&](auto& item) { in.text(item, true); });
  EXPECT_FALSE(in.ok());
  EXPECT_TRUE(names.empty());
}

}  // namespace
}  // namespace millrace::server::kafka
