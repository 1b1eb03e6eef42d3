// A node in a temporary directory, driven from the test's thread: nothing happens unless the test says so.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/real_env.h"
#include "base/text.h"
#include "engine/node.h"
#include "formats/encoder.h"

namespace millrace::engine {

class NodeFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "millrace_node_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    env_ = std::make_unique<RealEnv>();
  }
  void TearDown() override {
    node_.reset();
    std::filesystem::remove_all(directory_);
  }

  NodeOptions options() {
    NodeOptions options;
    options.data_directory = directory_ + "/data";
    options.workers = workers_;
    options.step_bytes_max = step_bytes_max_;
    options.memory_bytes = memory_bytes_;
    options.record_bytes_max = record_bytes_max_;
    return options;
  }
  void open(bool start = true) {
    node_.reset();
    metrics_ = std::make_unique<Metrics>();
    auto opened = Node::open(*env_, *metrics_, options());
    ASSERT_TRUE(opened.ok()) << render(opened.error());
    node_ = std::move(opened).value();
    if (start) ok(node_->start());
  }
  void ok(const Status& status) { ASSERT_TRUE(status.ok()) << render(status.error()); }

  /// Runs SQL; the rows of its answer as CSV lines without the header.
  std::string sql(std::string_view text) {
    auto result = node_->execute(text);
    if (!result.ok()) return "error: " + render(result.error(), text);
    std::string out;
    for (const auto& batch : result->batches) formats::encode_csv(result->schema, batch, ',', out);
    return out;
  }
  void pipeline(std::string_view text) { ok(node_->apply_pipeline(text, directory_, {})); }
  void send(std::string_view stream, const std::vector<std::string>& lines, std::string key = {}) {
    std::vector<std::string_view> views(lines.begin(), lines.end());
    AppendRequest request;
    request.idempotency_key = std::move(key);
    auto receipt = node_->append(stream, views, request);
    ASSERT_TRUE(receipt.ok()) << render(receipt.error());
    EXPECT_EQ(receipt->accepted, lines.size());
  }

  std::string directory_;
  uint32_t workers_ = 1;
  uint64_t step_bytes_max_ = 16 << 20;
  uint64_t memory_bytes_ = 4ULL << 30;
  uint64_t record_bytes_max_ = 16 << 20;
  std::unique_ptr<RealEnv> env_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<Node> node_;
};

}  // namespace millrace::engine
