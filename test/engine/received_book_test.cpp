#include "engine/received_book.h"

#include <thread>

#include "base/failpoints.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

const Timestamp kTime = Timestamp::from_millis(60'000);

void add(ReceivedBook& book, StreamId stream, PartitionId partition, Offset first, uint32_t count) {
  ReceivedRange range{partition, first, count, kTime};
  book.add(stream, {&range, 1});
}

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
  add(book, at.first, at.second, Offset(10), 5);
  book.move_to(ledger, ends);
  EXPECT_EQ(received(ledger), 0u);
  EXPECT_TRUE(ends.empty());
  add(book, at.first, at.second, Offset(0), 10);
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
  add(book, StreamId(3), PartitionId(0), Offset(100), 1);
  add(book, StreamId(4), PartitionId(0), Offset(0), 1);
  book.forget(StreamId(4));
  book.move_to(ledger, ends);
  EXPECT_EQ(received(ledger), 1u);
  EXPECT_EQ(ends.size(), 1u);
}

TEST(ReceivedBook, WaitsForTheThreadThatFillsAGap) {
  ledger::Ledger ledger;
  ReceivedBook book;
  ReceivedBook::Ends ends;
  add(book, StreamId(3), PartitionId(0), Offset(4), 4);
  std::thread late([&] { add(book, StreamId(3), PartitionId(0), Offset(0), 4); });
  book.move_settled_to(ledger, ends, {{{StreamId(3), PartitionId(0)}, Offset(6)}}, Duration::from_seconds(60));
  late.join();
  EXPECT_EQ(received(ledger), 8u);
  // A gap that nobody fills does not hold for ever.
  book.move_settled_to(ledger, ends, {{{StreamId(3), PartitionId(0)}, Offset(9)}}, Duration::from_millis(1));
  EXPECT_EQ(received(ledger), 8u);
}

using ReceivedLater = NodeFixture;

/// The step thread has committed a row before the thread that appended it enters it as received.
TEST_F(ReceivedLater, IsNoRepetition) {
  open(false);
  pipeline(
      "CREATE STREAM plays (id INT) WITH (partitions = 2, key = 'id');"
      "CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n FROM plays;");
  ok(node_->start());
  ok(env_->failpoints().configure("engine.received=delay(300ms)"));
  std::thread sender([&] { send("plays", {R"({"id":1})", R"({"id":2})", R"({"id":3})", R"({"id":4})"}); });
  for (int round = 0; round < 100'000 && sql("SELECT n FROM total") != "4\n"; ++round) std::this_thread::yield();
  ledger::Report report = node_->ledger_report();
  EXPECT_TRUE(report.closed);
  EXPECT_TRUE(report.open.empty());
  sender.join();
  env_->failpoints().clear();
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
