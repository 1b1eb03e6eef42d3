// Connections of Kafka clients that are slow, over a real node.
#include <filesystem>

#include "base/bytes.h"
#include "server/kafka_server.h"
#include "server_fixture.h"

namespace millrace::server {
namespace {

class KafkaConnections : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "millrace_kafka_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    engine::NodeOptions options;
    options.data_directory = directory_;
    auto opened = engine::Node::open(env_, metrics_, options);
    ASSERT_TRUE(opened.ok());
    node_ = std::move(opened).value();
    ASSERT_TRUE(node_->start().ok());
  }
  void TearDown() override {
    server_.reset();
    node_.reset();
    std::filesystem::remove_all(directory_);
  }
  void start(KafkaOptions options) {
    options.port = 0;
    auto started = KafkaServer::start(env_, metrics_, *node_, std::move(options));
    ASSERT_TRUE(started.ok());
    server_ = std::move(started).value();
  }
  /// ApiVersions, version 0.
  static std::string request() {
    std::string body;
    for (int16_t number : {18, 0, 0, 7, -1}) {  // key, version, correlation id, no client id
      body.resize(body.size() + 2);
      store_big<int16_t>(body.data() + body.size() - 2, number);
    }
    std::string bytes(4, '\0');
    store_big<int32_t>(bytes.data(), static_cast<int32_t>(body.size()));
    return bytes + body;
  }

  RealEnv env_;
  Metrics metrics_;
  std::string directory_;
  std::unique_ptr<engine::Node> node_;
  std::unique_ptr<KafkaServer> server_;
};

TEST_F(KafkaConnections, ARequestThatTricklesIsCutOff) {
  KafkaOptions options;
  options.progress_timeout = Duration::from_millis(100);
  options.bytes_per_second_min = 1ULL << 40;  // nobody is so fast: a byte at a time, without a pause, is a trickle
  start(options);
  Client slow(env_, server_->port());
  std::string head(4, '\0');
  store_big<int32_t>(head.data(), static_cast<int32_t>(options.request_bytes_max));
  slow.write(head);
  uint64_t sent = 0;
  while (sent < options.request_bytes_max / 4 && slow.try_write("x")) ++sent;
  EXPECT_LT(sent, options.request_bytes_max / 4) << "each byte gave it more time";
}

TEST_F(KafkaConnections, ARequestInPiecesIsAnswered) {
  start({});
  Client one(env_, server_->port());
  for (char c : request()) one.write(std::string_view(&c, 1));
  EXPECT_FALSE(one.at_end());
}

}  // namespace
}  // namespace millrace::server
