// A savepoint of a running node: what it holds, that it is a thing of its own, and what is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "log/log.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

namespace fs = std::filesystem;

class SavepointTest : public NodeFixture {
 protected:
  static constexpr const char* kPipeline =
      "CREATE STREAM s (k VARCHAR, v BIGINT) WITH (partitions = 2);"
      "CREATE TABLE names (k VARCHAR PRIMARY KEY, name VARCHAR);"
      "CREATE MATERIALIZED VIEW sums AS SELECT k, sum(v) AS v, count(*) AS n FROM s GROUP BY k;"
      "CREATE MATERIALIZED VIEW named AS SELECT s.k, name, v FROM s JOIN names USING (k);";

  void send_some(int first, int end) {
    std::vector<std::string> lines;
    for (int i = first; i < end; ++i) {
      lines.push_back("{\"k\":\"k" + std::to_string(i % 37) + "\",\"v\":" + std::to_string(i) + "}");
    }
    send("s", lines);
    ok(node_->sync());
  }
  std::string rows() {
    return sql("SELECT * FROM sums ORDER BY ALL") + sql("SELECT count(*), sum(v) FROM named") +
           sql("SELECT count(*), sum(v) FROM s");
  }
  std::string create(std::string_view name) {
    auto made = node_->create_savepoint(name);
    return made.ok() ? made->path : "error: " + made.error().message;
  }
  /// Opens a restored copy; the fixture's directory stays as it is.
  std::string rows_of(const std::string& directory, uint32_t workers) {
    NodeOptions options = this->options();
    options.data_directory = directory;
    options.workers = workers;
    node_.reset();
    auto opened = Node::open(*env_, *metrics_, options);
    if (!opened.ok()) return render(opened.error());
    node_ = std::move(opened).value();
    ok(node_->start());
    ok(node_->sync());
    return rows();
  }
};

TEST_F(SavepointTest, HoldsTheRowsOfItsCommitWithAnyNumberOfWorkers) {
  open();
  pipeline(kPipeline);
  sql("INSERT INTO names VALUES ('k1', 'one'), ('k2', 'two')");
  send_some(0, 5000);
  std::string before = rows();
  std::string path = create("first");
  ASSERT_TRUE(fs::exists(path + "/SAVEPOINT")) << path;
  send_some(5000, 9000);
  sql("DELETE FROM names WHERE k = 'k1'");
  ok(node_->sync());
  std::string after = rows();
  ASSERT_NE(before, after);

  for (uint32_t workers : {1, 3}) {
    std::string directory = directory_ + "/restored" + std::to_string(workers);
    ok(restore_savepoint(*env_, path, directory));
    ASSERT_EQ(rows_of(directory, workers), before) << workers;
    send_some(9000, 9500);
    EXPECT_NE(rows(), before) << "a restored node goes on";
    EXPECT_TRUE(node_->ledger_report().closed);
  }
  EXPECT_EQ(rows_of(directory_ + "/data", 2), after) << "the original is as it was";
}

TEST_F(SavepointTest, SharesSealedFilesAndOutlivesTheOriginal) {
  open();
  pipeline(kPipeline);
  ok(node_->stop());
  open();
  send_some(0, 20000);
  std::string before = rows();
  std::string path = create("");
  ASSERT_TRUE(fs::exists(path)) << path;
  EXPECT_NE(path.find("/savepoints/commit-"), std::string::npos) << path;
  node_.reset();
  fs::rename(path, directory_ + "/kept");
  fs::remove_all(directory_ + "/data");
  ok(restore_savepoint(*env_, directory_ + "/kept", directory_ + "/again"));
  EXPECT_FALSE(fs::exists(directory_ + "/again/SAVEPOINT"));
  EXPECT_EQ(rows_of(directory_ + "/again", 1), before);
}

/// Hard links of the segments of stream `s` in a data directory, from the oldest segment on, one partition after
/// another.
std::vector<std::vector<uintmax_t>> links_of_segments(const std::string& data, StreamId stream) {
  char name[16];
  std::snprintf(name, sizeof name, "/log/%08u/", stream.value);
  std::vector<std::vector<uintmax_t>> links;
  for (const char* partition : {"0", "1"}) {
    std::map<std::string, uintmax_t> found;
    for (const auto& file : fs::directory_iterator(data + name + partition)) {
      if (file.path().extension() == ".seg") found[file.path().filename()] = file.hard_link_count();
    }
    auto& of_partition = links.emplace_back();
    for (const auto& [segment, count] : found) of_partition.push_back(count);
  }
  return links;
}

TEST_F(SavepointTest, LinksSealedSegmentsAndCopiesTheLast) {
  open();
  pipeline(kPipeline);
  ok(node_->stop());
  node_.reset();
  StreamId stream;
  {
    // The same stream, still empty, with segments that are soon full.
    auto log = log::Log::open(*env_, directory_ + "/data/log");
    ASSERT_TRUE(log.ok()) << render(log.error());
    stream = (*log)->find("s")->id();
    ok((*log)->drop_stream(stream));
    auto made = (*log)->create_stream(stream, "s", {.partitions = 2, .segment_bytes = 20000});
    ASSERT_TRUE(made.ok()) << render(made.error());
    ok((*log)->close());
  }
  open();
  for (int i = 0; i < 20; ++i) send_some(1000 * i, 1000 * (i + 1));
  std::string before = rows();
  auto receipt = node_->create_savepoint("linked");
  ASSERT_TRUE(receipt.ok()) << render(receipt.error());
  EXPECT_GT(receipt->bytes_linked, 100000u);
  for (const auto& links : links_of_segments(receipt->path, stream)) {
    ASSERT_GT(links.size(), 3u);
    EXPECT_EQ(std::count(links.begin(), links.end(), 2u), static_cast<int64_t>(links.size()) - 1);
    EXPECT_EQ(links.back(), 1u) << "the segment that still grows is a copy";
  }
  // What the original does from here on does not reach the savepoint, nor the restored directory the savepoint.
  send_some(20000, 25000);
  node_.reset();
  fs::rename(receipt->path, directory_ + "/kept");
  fs::remove_all(directory_ + "/data");
  for (const char* name : {"/again", "/and_again"}) {
    ok(restore_savepoint(*env_, directory_ + "/kept", directory_ + name));
    for (const auto& links : links_of_segments(directory_ + name, stream)) {
      EXPECT_EQ(std::count(links.begin(), links.end(), 1u), static_cast<int64_t>(links.size()));
    }
    EXPECT_EQ(rows_of(directory_ + name, 2), before);
    send_some(25000, 26000);
  }
}

TEST_F(SavepointTest, IsTakenWhileProducersSend) {
  open();
  pipeline(kPipeline);
  send_some(0, 1000);
  std::atomic<bool> done = false;
  std::atomic<int64_t> acked = 1000;
  std::thread producer([&] {
    for (int i = 0; !done; ++i) {
      std::string line = "{\"k\":\"k" + std::to_string(i % 37) + "\",\"v\":1}";
      std::vector<std::string_view> lines(50, line);
      auto receipt = node_->append("s", lines, {});
      if (receipt.ok()) acked += 50;
    }
  });
  std::vector<std::pair<std::string, int64_t>> made;
  for (int i = 0; i < 3; ++i) {
    int64_t at_least = acked;
    made.emplace_back(create("at" + std::to_string(i)), at_least);
  }
  done = true;
  producer.join();
  for (const auto& [path, at_least] : made) {
    std::string directory = directory_ + "/r" + path.substr(path.size() - 1);
    ok(restore_savepoint(*env_, path, directory));
    rows_of(directory, 2);
    EXPECT_EQ(sql("SELECT count(*) FROM s"), sql("SELECT sum(n)::BIGINT FROM sums")) << path;
    EXPECT_GE(std::stoll(sql("SELECT count(*) FROM s")), at_least) << "what was acked before it is in it";
  }
}

TEST_F(SavepointTest, RefusesWhatWouldHarm) {
  open();
  pipeline(kPipeline);
  std::string path = create("one");
  EXPECT_NE(create("one").find("there is a savepoint already"), std::string::npos);
  for (const char* name : {"../one", "a/b", ".hidden", "-x"}) {
    EXPECT_NE(create(name).find("cannot have this name"), std::string::npos) << name;
  }
  Status full = restore_savepoint(*env_, path, directory_ + "/data");
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, sqlstate::kObjectInUse);
  Status none = restore_savepoint(*env_, directory_ + "/data/log", directory_ + "/new");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, sqlstate::kUndefinedFile);
}

}  // namespace
}  // namespace millrace::engine
