#include "engine/received_book.h"

#include "node_fixture.h"

namespace millrace::engine {
namespace {

const Timestamp kTime = Timestamp::from_millis(60'000);

uint64_t received(const ledger::Ledger& ledger) {
  uint64_t count = 0;
  for (const auto& row : ledger.rows()) count += row.count;
  return count;
}

TEST(ReceivedBook, WaitsForWhatLiesBefore) {
  ledger::Ledger ledger;
  ReceivedBook book;
  ReceivedBook::Ends ends;
  ReceivedBook::Key at{StreamId(3), PartitionId(1)};
  book.add(at.first, at.second, Offset(10), 5, kTime);
  book.move_to(ledger, ends);
  EXPECT_EQ(received(ledger), 0u);
  EXPECT_TRUE(ends.empty());
  book.add(at.first, at.second, Offset(0), 10, kTime);
  book.move_to(ledger, ends);
  EXPECT_EQ(received(ledger), 15u);
  EXPECT_EQ(ends[at], Offset(15));
  book.move_to(ledger, ends);
  EXPECT_EQ(received(ledger), 15u);
}

TEST(ReceivedBook, BeginsWhereItIsTold) {
  ledger::Ledger ledger;
  ReceivedBook book;
  ReceivedBook::Ends ends;
  book.begin_at(StreamId(3), PartitionId(0), Offset(100));
  book.add(StreamId(3), PartitionId(0), Offset(100), 1, kTime);
  book.add(StreamId(4), PartitionId(0), Offset(0), 1, kTime);
  book.forget(StreamId(4));
  book.move_to(ledger, ends);
  EXPECT_EQ(received(ledger), 1u);
  EXPECT_EQ(ends.size(), 1u);
}

using ReceivedAfterCrash = NodeFixture;

/// What was acked and in no commit when the power went is received, stored and counted by the next start.
TEST_F(ReceivedAfterCrash, TheBooksClose) {
  open(false);
  pipeline(
      "CREATE STREAM plays (id INT) WITH (format = 'json', partitions = 2);"
      "CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n FROM plays;");
  ok(node_->start());
  send("plays", {R"({"id":1})", R"({"id":2})"});
  ok(node_->sync());
  ok(node_->stop());
  open(false);
  send("plays", {R"({"id":3})", R"({"id":4})", R"({"id":5})"});
  // The files as a crash would leave them: nothing ran that could commit.
  std::filesystem::create_directories(directory_ + "/crashed");
  std::filesystem::copy(directory_ + "/data", directory_ + "/crashed/data", std::filesystem::copy_options::recursive);
  node_.reset();
  std::string whole = directory_;
  directory_ += "/crashed";
  open();
  ok(node_->sync());
  EXPECT_EQ(sql("SELECT n FROM total"), "5\n");
  ledger::Report report = node_->ledger_report();
  EXPECT_TRUE(report.closed);
  EXPECT_EQ(sql("SELECT hop, sum(count)::BIGINT FROM _ledger WHERE stream = 'plays' AND hop IN ('received', 'stored') "
                "GROUP BY hop ORDER BY hop"),
            "received,5\nstored,5\n");
  directory_ = whole;
}

}  // namespace
}  // namespace millrace::engine
