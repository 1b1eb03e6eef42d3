// Subscriptions: what is there and then the changes; going on from a position, over restarts; queries that are followed
// and leave nothing behind.
#include <map>

#include "node_fixture.h"

namespace millrace::engine {
namespace {

using From = SubscriptionRequest::From;

class Subscriptions : public NodeFixture {
 protected:
  void SetUp() override {
    NodeFixture::SetUp();
    open();
    pipeline(R"(
        CREATE STREAM s (k INTEGER, v INTEGER);
        CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR);
        CREATE MATERIALIZED VIEW a AS SELECT k, sum(v) AS s FROM s GROUP BY k WITH (retention = '1 hour');
        CREATE MATERIALIZED VIEW b AS SELECT k, count(*) AS n FROM s GROUP BY k;)");
  }

  std::unique_ptr<Subscription> follow(std::string_view text) {
    auto request = node_->subscription_target(text);
    EXPECT_TRUE(request.ok()) << render(request.error(), text);
    if (!request.ok() || !*request) return nullptr;
    auto made = node_->subscribe(**request);
    EXPECT_TRUE(made.ok()) << render(made.error(), text);
    return made.ok() ? std::move(made).value() : nullptr;
  }
  std::string refused(std::string_view text) {
    auto request = node_->subscription_target(text);
    if (!request.ok()) return render(request.error(), text);
    auto made = node_->subscribe(**request);
    return made.ok() ? "not refused" : render(made.error(), text);
  }

  /// The next rows, as "op column,column …", until there are `count`; `position` is that of the last.
  std::string take(Subscription& from, size_t count, std::string* position = nullptr) {
    std::string seen;
    const int op = from.schema().find("_op");
    const int at = from.schema().find("_position");
    for (int tries = 0; tries < 100 && count > 0; ++tries) {
      auto batch = from.next(Duration::from_millis(100));
      if (!batch.ok()) return seen + "error: " + batch.error().message;
      for (size_t row = 0; row < batch->rows(); ++row, --count) {
        if (count == 0) return seen + "too many";
        seen += batch->value_text(static_cast<size_t>(op), row);
        for (int column = 0; column < op; ++column)
          seen += (column == 0 ? "" : ",") + batch->value_text(static_cast<size_t>(column), row);
        seen += " ";
        if (position && at >= 0) *position = batch->value_text(static_cast<size_t>(at), row);
      }
    }
    return seen;
  }
  void put(const std::string& k, const std::string& v) {
    send("s", {"{\"k\":" + k + ",\"v\":" + v + "}"});
    ok(node_->sync());
  }
};

TEST_F(Subscriptions, SnapshotThenChanges) {
  put("1", "2");
  sql("INSERT INTO t VALUES (7, 'x'), (8, 'y')");
  ok(node_->sync());
  auto of_a = follow("SUBSCRIBE TO a FROM BEGINNING");
  auto of_b = follow("SUBSCRIBE TO b FROM BEGINNING");
  auto of_t = follow("SUBSCRIBE TO t FROM BEGINNING");
  EXPECT_EQ(take(*of_a, 1), "+I1,2 ");
  EXPECT_EQ(take(*of_b, 1), "+I1,1 ");
  take(*of_t, 2);
  put("1", "3");
  sql("DELETE FROM t WHERE id = 7");
  ok(node_->sync());
  EXPECT_EQ(take(*of_a, 2), "-U1,2 +U1,5 ");
  EXPECT_EQ(take(*of_b, 2), "-U1,1 +U1,2 ");
  EXPECT_EQ(take(*of_t, 1), "-D7,x ");
}

TEST_F(Subscriptions, ResumeFromEveryPosition) {
  auto whole = follow("SUBSCRIBE TO a");
  std::vector<std::string> rows;
  std::vector<std::string> positions;
  for (int i = 0; i < 5; ++i) {
    send("s", {R"({"k":1,"v":1})", R"({"k":2,"v":2})"});
    ok(node_->sync());
    for (size_t wanted = rows.size() + (i == 0 ? 2 : 4); rows.size() < wanted;) {
      auto batch = whole->next(Duration::from_seconds(10));
      ASSERT_TRUE(batch.ok());
      ASSERT_FALSE(batch->empty());
      for (size_t r = 0; r < batch->rows(); ++r) {
        rows.push_back(batch->value_text(2, r) + batch->value_text(0, r) + "," + batch->value_text(1, r) + " ");
        positions.push_back(batch->value_text(4, r));
      }
    }
    if (i == 2) {
      whole.reset();
      ok(node_->stop());
      open();
      whole = follow("SUBSCRIBE TO a FROM '" + positions.back() + "'");
    }
  }
  ASSERT_EQ(rows.size(), 18U);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::string expected;
    for (size_t next = i + 1; next < rows.size(); ++next) expected += rows[next];
    auto rest = follow("SUBSCRIBE TO a FROM POSITION '" + positions[i] + "'");
    EXPECT_EQ(take(*rest, rows.size() - i - 1), expected) << positions[i];
  }
}

TEST_F(Subscriptions, ASnapshotEndsWithAPosition) {
  put("1", "2");
  put("2", "2");
  std::string position;
  auto first = follow("SUBSCRIBE TO a FROM BEGINNING");
  take(*first, 2, &position);
  first.reset();
  put("1", "1");
  auto rest = follow("SUBSCRIBE TO a FROM '" + position + "'");
  EXPECT_EQ(take(*rest, 2), "-U1,2 +U1,3 ");
}

TEST_F(Subscriptions, WhatIsNotKeptIsRefused) {
  put("1", "2");
  EXPECT_NE(refused("SUBSCRIBE TO b FROM '1.1'").find("are not kept"), std::string::npos);
  EXPECT_NE(refused("SUBSCRIBE TO a FROM 'x'").find("not a position"), std::string::npos);
  EXPECT_NE(refused("SUBSCRIBE TO a FROM '1.1-1'").find("not a position of a as it is now"), std::string::npos);
  EXPECT_NE(refused("SUBSCRIBE (SELECT 1 AS x FROM s) FROM '1.1'").find("keeps no changes"), std::string::npos);
  EXPECT_NE(refused("SUBSCRIBE TO nothing").find("there is no"), std::string::npos);
}

TEST_F(Subscriptions, AQueryIsFollowedAndLeavesNothing) {
  put("1", "2");
  put("2", "20");
  const std::string objects = sql("SHOW ALL");
  auto query = follow("SELECT k, max(v) AS m FROM s WHERE k < 10 GROUP BY k EMIT CHANGES");
  auto stream = follow("SUBSCRIBE TO s FROM BEGINNING");
  auto of_view = follow("SUBSCRIBE (SELECT sum(n)::BIGINT AS n FROM b)");
  EXPECT_EQ(take(*query, 2).size(), std::string("+I1,2 +I2,20 ").size());
  EXPECT_EQ(take(*stream, 2).size(), std::string("+I1,2 +I2,20 ").size());
  EXPECT_EQ(take(*of_view, 1), "+I2 ");
  EXPECT_EQ(sql("SHOW ALL"), objects);
  put("1", "5");
  EXPECT_EQ(take(*query, 2), "-U1,2 +U1,5 ");
  EXPECT_EQ(take(*stream, 1), "+I1,5 ");
  EXPECT_EQ(take(*of_view, 2), "-D2 +I3 ");
  EXPECT_NE(sql("SELECT * FROM \"$1\"").find("there is no"), std::string::npos);
  query.reset();
  stream.reset();
  of_view.reset();
  EXPECT_EQ(sql("DROP MATERIALIZED VIEW b"), "");  // nobody reads it any more
  EXPECT_TRUE(node_->ledger_report().closed);
}

TEST_F(Subscriptions, ATemporaryViewDoesNotOutliveACrash) {
  put("1", "2");
  auto query = follow("SELECT count(*) AS n FROM s EMIT CHANGES");
  EXPECT_EQ(take(*query, 1), "+I1 ");
  put("1", "3");
  std::filesystem::copy(directory_ + "/data", directory_ + "/copy", std::filesystem::copy_options::recursive);
  query.reset();
  node_.reset();
  std::filesystem::remove_all(directory_ + "/data");
  std::filesystem::rename(directory_ + "/copy", directory_ + "/data");
  open();
  EXPECT_EQ(sql("SELECT * FROM a"), "1,5\n");
  sql("CREATE MATERIALIZED VIEW c AS SELECT count(*) AS n FROM s");
  EXPECT_EQ(sql("SELECT * FROM c"), "2\n");
  EXPECT_EQ(sql("DROP STREAM s CASCADE"), "");
}

TEST_F(Subscriptions, DropEndsThem) {
  auto a = follow("SUBSCRIBE TO a");
  auto b = follow("SUBSCRIBE TO b");
  auto query = follow("SELECT k FROM s EMIT CHANGES");
  EXPECT_NE(sql("DROP STREAM s").find("error"), std::string::npos);
  EXPECT_EQ(sql("DROP STREAM s CASCADE"), "");
  EXPECT_NE(take(*a, 1).find("gone"), std::string::npos);
  EXPECT_NE(take(*b, 1).find("is dropped"), std::string::npos);
  EXPECT_NE(take(*query, 1).find("is dropped"), std::string::npos);
}

TEST_F(Subscriptions, ARowThatFailsEndsAQuery) {
  auto query = follow("SELECT 10 // k AS q, CAST('x' || v AS INTEGER) AS n FROM s EMIT CHANGES");
  put("1", "2");
  EXPECT_NE(take(*query, 1).find("an expression of the query fails"), std::string::npos);
}

}  // namespace
}  // namespace millrace::engine
