// Topics of views: what their logs hold, whatever a crash interrupts.
#include "engine/view_topic.h"

#include <filesystem>
#include <map>

#include "base/failpoints.h"
#include "engine/raw_log.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

class ViewTopic : public NodeFixture {
 protected:
  void SetUp() override {
    NodeFixture::SetUp();
    open();
    pipeline(R"(
        CREATE STREAM s (k INTEGER, v INTEGER);
        CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR);
        CREATE MATERIALIZED VIEW sums AS SELECT k, sum(v)::BIGINT AS n FROM s GROUP BY k;
        CREATE MATERIALIZED VIEW best AS SELECT max(n) AS n FROM sums;
        CREATE MATERIALIZED VIEW names AS SELECT name FROM t;)");
    send("s", {R"({"k":1,"v":2})"});
    ok(node_->sync());
  }
  Result<Topic> serve(std::string_view view) { return node_->raw_log()->serve(*node_->raw_log()->topic(view)); }

  /// What readers see of a topic, a line a record: `offset key value op`.
  std::string records(std::string_view view) {
    std::optional<Topic> topic = node_->raw_log()->topic(view);
    if (!topic || !topic->stream) return "no topic";
    const log::Partition& partition = topic->stream->partition(PartitionId(0));
    const Offset end = node_->raw_log()->end_of(*topic, partition);
    std::string out;
    log::ReadBatches read;
    log::Decompressor decompressor;
    for (Offset at = partition.begin_offset(); at < end; at = read.next_offset()) {
      if (!partition.read(at, 1 << 20, read).ok()) return "unreadable";
      for (const log::StoredBatch& batch : read.batches()) {
        if (batch.base_offset >= end) break;
        auto view_of = read.view_of(batch);
        if (!view_of.ok()) return "damaged";
        auto whole = view_of->for_each(decompressor, [&](const log::RecordView& record) {
          out += std::to_string(batch.base_offset.value + record.offset_delta) + " ";
          out += std::string(record.key.value_or("-")) + " " + std::string(record.value.value_or("null"));
          log::RecordHeader header;
          for (log::RecordHeaders headers = record.headers; headers.next(header);) {
            out += " " + std::string(header.value.value_or(""));
          }
          out += "\n";
        });
        if (!whole.ok()) return "damaged";
      }
    }
    return out;
  }

  /// The node as a crash at this point leaves it.
  template <typename Act>
  void crash_at(const std::string& point, Act act) {
    const std::string copy = directory_ + "/copy";
    env_->failpoints().on_abort([&](const std::string&) {
      seen_at_crash_ = records("sums");
      std::filesystem::copy(directory_ + "/data", copy, std::filesystem::copy_options::recursive);
    });
    ok(env_->failpoints().configure(point + "=abort,times=1"));
    act();
    node_.reset();
    std::filesystem::remove_all(directory_ + "/data");
    std::filesystem::rename(copy, directory_ + "/data");
    open();
  }
  std::string seen_at_crash_;
  const std::string base_ = "0 {\"k\":1} {\"k\":1,\"n\":2}\n";
};

TEST_F(ViewTopic, NobodyReadsItNothingIsKept) { EXPECT_EQ(records("sums"), "no topic"); }

TEST_F(ViewTopic, ItBeginsWithTheRowsAndGoesOnWithUpserts) {
  ASSERT_TRUE(serve("sums").ok());  // a view that keeps no rows until now: another reads it
  EXPECT_EQ(records("sums"), base_);
  send("s", {R"({"k":2,"v":1})", R"({"k":3,"v":0})"});
  ok(node_->sync());
  const std::string all = base_ + "1 {\"k\":2} {\"k\":2,\"n\":1}\n2 {\"k\":3} {\"k\":3,\"n\":0}\n";
  EXPECT_EQ(records("sums"), all);
  ASSERT_TRUE(serve("sums").ok());
  open();
  EXPECT_EQ(records("sums"), all);
  EXPECT_EQ(sql("SELECT * FROM sums ORDER BY k"), "1,2\n2,1\n3,0\n");
  EXPECT_EQ(sql("SELECT * FROM best"), "2\n");
}

TEST_F(ViewTopic, WithoutKeyARecordSaysWhatHappened) {
  ASSERT_TRUE(serve("names").ok());
  EXPECT_EQ(records("names"), "");
  ASSERT_EQ(sql("INSERT INTO t VALUES (1, 'a')"), "");
  ASSERT_EQ(sql("UPDATE t SET name = 'b' WHERE id = 1"), "");
  ok(node_->sync());
  EXPECT_EQ(records("names"), "0 - {\"name\":\"a\"} +I\n1 - {\"name\":\"a\"} -D\n2 - {\"name\":\"b\"} +I\n");
}

TEST_F(ViewTopic, ACrashBeforeItsFirstCommitBeginsItAllTheSame) {
  crash_at("engine.topic.durable", [&] { (void)serve("sums"); });
  send("s", {R"({"k":1,"v":1})"});
  ok(node_->sync());
  EXPECT_EQ(records("sums"), base_ + "1 {\"k\":1} {\"k\":1,\"n\":3}\n");
}

TEST_F(ViewTopic, ARowThatIsNotCommittedIsNeverSeenAndItsOffsetIsNotLost) {
  ASSERT_TRUE(serve("sums").ok());
  for (const char* point : {"engine.commit.appended", "engine.commit.written", "engine.commit.durable"}) {
    SCOPED_TRACE(point);
    const std::string before = records("sums");
    crash_at(point, [&] {
      send("s", {R"({"k":9,"v":1})"});
      (void)node_->sync();
    });
    EXPECT_EQ(seen_at_crash_, before);
    ok(node_->sync());
    const std::string after = records("sums");
    EXPECT_EQ(after.substr(0, before.size()), before);
    EXPECT_EQ(std::count(after.begin(), after.end(), '\n'), std::count(before.begin(), before.end(), '\n') + 1);
    EXPECT_EQ(after.substr(before.size()).substr(0, 2),
              std::to_string(std::count(before.begin(), before.end(), '\n')) + " ");
  }
}

TEST_F(ViewTopic, AReadViewIsReplacedWhenItsTopicIsGone) {
  ASSERT_TRUE(serve("sums").ok());
  const char* replace = "CREATE OR REPLACE MATERIALIZED VIEW sums AS SELECT k, count(*) AS n FROM s GROUP BY k";
  EXPECT_NE(sql(replace).find("delete the topic sums"), std::string::npos);
  Result<bool> stopped = node_->raw_log()->stop_serving(*node_->raw_log()->topic("sums"));
  ASSERT_TRUE(stopped.ok() && *stopped);
  EXPECT_EQ(sql(replace), "");
  EXPECT_EQ(records("sums"), "no topic");
  ASSERT_TRUE(serve("sums").ok());
  EXPECT_EQ(records("sums"), "0 {\"k\":1} {\"k\":1,\"n\":1}\n");
  EXPECT_EQ(sql("DROP MATERIALIZED VIEW sums CASCADE"), "");
  EXPECT_FALSE(node_->raw_log()->topic("sums"));
}

// A view that only another reads keeps no rows: they are computed from the log, while that is whole.
TEST_F(ViewTopic, DeletedRecordsStayInTheViews) {
  Result<Offset> begin =
      node_->raw_log()->delete_records(*node_->raw_log()->topic("s"), PartitionId(0), Offset(1));
  ASSERT_TRUE(begin.ok());
  EXPECT_EQ(*begin, Offset(1));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(sql("SELECT * FROM sums ORDER BY k"), "1,2\n");
    EXPECT_EQ(sql("SELECT * FROM best"), "2\n");
    open();
  }
}

TEST_F(ViewTopic, ItIsKeptByKeyOrForSomeTime) {
  ASSERT_TRUE(serve("sums").ok());
  ASSERT_TRUE(serve("names").ok());
  const log::StreamOptions keyed = node_->raw_log()->topic("sums")->stream->options();
  const log::StreamOptions plain = node_->raw_log()->topic("names")->stream->options();
  EXPECT_TRUE(keyed.compaction && !keyed.has_retention());
  EXPECT_TRUE(!plain.compaction && plain.retention == Duration::from_seconds(7 * 24 * 3600));
}

}  // namespace
}  // namespace millrace::engine
