// UPDATE, DELETE and INSERT … ON CONFLICT on tables with and without a primary key: what they answer, what views see,
// restarts, many at once, and what is refused.
#include <thread>

#include "engine/record_forms.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

class TableChanges : public NodeFixture {
 protected:
  void SetUp() override {
    NodeFixture::SetUp();
    open();
    pipeline(R"(
        CREATE TABLE titles (id INTEGER PRIMARY KEY, title VARCHAR, minutes INTEGER);
        CREATE TABLE notes (who VARCHAR, text VARCHAR);
        CREATE MATERIALIZED VIEW lengths AS SELECT count(*) AS n, sum(minutes) AS minutes FROM titles;
        CREATE MATERIALIZED VIEW writers AS SELECT who, count(*) AS n FROM notes GROUP BY who;
        CREATE MATERIALIZED VIEW pairs AS SELECT t.title, n.text FROM titles t JOIN notes n ON t.title = n.who;)");
  }
  std::string message(std::string_view text) {
    auto result = node_->execute(text);
    return result.ok() ? result->message : "error: " + render(result.error(), text);
  }
  /// After all that was acked is in.
  std::string rows(const std::string& query) {
    ok(node_->sync());
    return sql(query);
  }
  std::string titles() { return rows("SELECT * FROM titles ORDER BY ALL"); }
  std::string notes() { return rows("SELECT * FROM notes ORDER BY ALL"); }
};

TEST_F(TableChanges, ByKey) {
  EXPECT_EQ(message("INSERT INTO titles VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', NULL)"), "inserted 3 rows");
  EXPECT_EQ(message("UPDATE titles SET minutes = minutes + 1, title = upper(title) WHERE id < 3"), "updated 2 rows");
  EXPECT_EQ(titles(), "1,A,11\n2,B,21\n3,c,\n");
  EXPECT_EQ(rows("SELECT * FROM lengths"), "3,32\n");
  EXPECT_EQ(message("DELETE FROM titles WHERE minutes IS NULL"), "deleted 1 row");
  EXPECT_EQ(message("DELETE FROM titles t WHERE t.id IN (SELECT max(id) FROM titles)"), "deleted 1 row");
  EXPECT_EQ(titles(), "1,A,11\n");
  EXPECT_EQ(rows("SELECT * FROM lengths"), "1,11\n");
  EXPECT_EQ(message("INSERT INTO titles VALUES (3, 'again', 5)"), "inserted 1 row");  // over the tombstone
  EXPECT_EQ(titles(), "1,A,11\n3,again,5\n");
  EXPECT_EQ(message("DELETE FROM titles"), "deleted 2 rows");
  EXPECT_EQ(titles(), "");
  EXPECT_EQ(rows("SELECT * FROM lengths"), "0,\n");
}

TEST_F(TableChanges, ByValue) {
  EXPECT_EQ(message("INSERT INTO notes VALUES ('x', 'one'), ('x', 'one'), ('y', NULL), ('z', '')"), "inserted 4 rows");
  EXPECT_EQ(message("UPDATE notes SET text = coalesce(text, who || '!') WHERE who <> 'z'"), "updated 3 rows");
  EXPECT_EQ(notes(), "x,one\nx,one\ny,y!\nz,\"\"\n");
  EXPECT_EQ(message("INSERT INTO titles VALUES (1, 'x', 1)"), "inserted 1 row");
  EXPECT_EQ(rows("SELECT * FROM pairs"), "x,one\nx,one\n");
  EXPECT_EQ(message("DELETE FROM notes AS gone WHERE gone.who = 'x'"), "deleted 2 rows");
  EXPECT_EQ(notes(), "y,y!\nz,\"\"\n");
  EXPECT_EQ(rows("SELECT * FROM pairs"), "");
  EXPECT_EQ(rows("SELECT * FROM writers ORDER BY who"), "y,1\nz,1\n");
}

TEST_F(TableChanges, Returning) {
  EXPECT_EQ(sql("INSERT INTO titles (minutes, id) VALUES (7, 1) RETURNING *"), "1,,7\n");
  EXPECT_EQ(sql("UPDATE titles SET minutes = 8 RETURNING id, minutes AS now"), "1,8\n");
  EXPECT_EQ(sql("DELETE FROM titles RETURNING minutes"), "8\n");
  EXPECT_NE(sql("DELETE FROM titles RETURNING nothing").find("has no column nothing"), std::string::npos);
}

TEST_F(TableChanges, OnConflict) {
  sql("INSERT INTO titles VALUES (1, 'a', 10), (2, 'b', 20)");
  EXPECT_EQ(sql("INSERT INTO titles VALUES (2, 'new', 1), (3, 'c', 30), (3, 'other', 31) ON CONFLICT DO NOTHING "
                "RETURNING *"),
            "3,c,30\n");
  EXPECT_EQ(sql("INSERT INTO titles VALUES (2, 'two', 5), (4, 'd', 40) ON CONFLICT (id) DO UPDATE "
                "SET minutes = minutes + excluded.minutes, title = titles.title || excluded.title RETURNING *"),
            "2,btwo,25\n4,d,40\n");
  EXPECT_EQ(message("INSERT INTO titles VALUES (1, 'z', 9), (2, 'z', 30) ON CONFLICT DO UPDATE "
                    "SET minutes = excluded.minutes WHERE titles.minutes < excluded.minutes"),
            "inserted 1 row");
  EXPECT_EQ(titles(), "1,a,10\n2,btwo,30\n3,c,30\n4,d,40\n");
  EXPECT_NE(sql("INSERT INTO titles VALUES (1,'a',1), (1,'b',2) ON CONFLICT DO UPDATE SET minutes = 0").find("twice"),
            std::string::npos);
  EXPECT_NE(sql("INSERT INTO notes VALUES ('a', 'b') ON CONFLICT DO NOTHING").find("PRIMARY KEY"), std::string::npos);
  EXPECT_NE(sql("INSERT INTO titles VALUES (1,'a',1) ON CONFLICT (title) DO NOTHING").find("other columns"),
            std::string::npos);
}

TEST_F(TableChanges, InsertSelect) {
  sql("INSERT INTO notes SELECT 'w' || i, NULL FROM range(3) r(i)");
  ok(node_->sync());
  EXPECT_EQ(message("INSERT INTO titles (id, title) SELECT row_number() OVER (ORDER BY who), who FROM notes"),
            "inserted 3 rows");
  EXPECT_EQ(titles(), "1,w0,\n2,w1,\n3,w2,\n");
}

TEST_F(TableChanges, ErrorsPointIntoTheStatement) {
  auto position = [&](const std::string& text) {
    auto result = node_->execute(text);
    return result.ok() || !result.error().position ? std::string("none")
                                                   : text.substr(result.error().position->offset, 4);
  };
  EXPECT_EQ(position("UPDATE titles SET minutes = nope + 1"), "nope");
  EXPECT_EQ(position("UPDATE titles SET minutes = 1 WHERE wron = 2"), "wron");
  EXPECT_EQ(position("UPDATE titles SET oops = 1"), "oops");
  EXPECT_EQ(position("DELETE FROM titles WHERE wron = 2"), "wron");
  EXPECT_EQ(position("INSERT INTO titles VALUES (1, 'a', wron)"), "wron");
  EXPECT_EQ(position("INSERT INTO titles VALUES (1,'',1) ON CONFLICT DO UPDATE SET minutes = wron"), "wron");
}

TEST_F(TableChanges, Refused) {
  sql("CREATE STREAM s (a INT)");
  sql("CREATE TABLE wide (a INT) WITH (partitions = 2)");
  sql("CREATE TABLE other (a INT PRIMARY KEY, b INT) WITH (partitions = 2, key = 'b')");
  EXPECT_NE(sql("DELETE FROM s").find("the rows of a stream stay"), std::string::npos);
  EXPECT_NE(sql("UPDATE lengths SET n = 1").find("neither"), std::string::npos);
  EXPECT_NE(sql("DELETE FROM wide").find("several partitions"), std::string::npos);
  EXPECT_NE(sql("DELETE FROM other").find("several partitions"), std::string::npos);
  EXPECT_NE(sql("UPDATE titles SET id = 2").find("primary key stays"), std::string::npos);
  EXPECT_NE(sql("UPDATE titles SET minutes = 1, minutes = 2").find("twice"), std::string::npos);
  EXPECT_NE(sql("UPDATE titles SET minutes = 1 FROM notes").find("subquery"), std::string::npos);
  EXPECT_NE(sql("DELETE FROM titles USING notes WHERE true").find("subquery"), std::string::npos);
  sql("INSERT INTO titles VALUES (1, 'a', 1)");
  EXPECT_NE(sql("UPDATE titles SET minutes = title").find("error"), std::string::npos);
}

TEST_F(TableChanges, SurviveRestarts) {
  sql("INSERT INTO titles VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', 30)");
  sql("INSERT INTO notes VALUES ('x', '1'), ('x', '1'), ('y', '2')");
  sql("DELETE FROM titles WHERE id = 2");
  ok(node_->stop());
  open();
  EXPECT_EQ(titles(), "1,a,10\n3,c,30\n");
  sql("UPDATE titles SET minutes = minutes * 2");
  sql("DELETE FROM notes WHERE who = 'y'");
  open();  // nothing said good-bye
  EXPECT_EQ(titles(), "1,a,20\n3,c,60\n");
  EXPECT_EQ(notes(), "x,1\nx,1\n");
  sql("CREATE MATERIALIZED VIEW late AS SELECT count(*) AS n, max(minutes) AS longest FROM titles");
  EXPECT_EQ(rows("SELECT * FROM late"), "2,60\n");
  EXPECT_TRUE(node_->ledger_report().closed);
}

TEST_F(TableChanges, KeysOverPartitions) {
  pipeline("CREATE TABLE spread (a INT, b VARCHAR, n INT, PRIMARY KEY (a, b)) WITH (partitions = 4)");
  sql("INSERT INTO spread SELECT i % 7, 'b' || i, i FROM range(100) r(i)");
  EXPECT_EQ(message("UPDATE spread SET n = -n WHERE n % 2 = 1"), "updated 50 rows");
  EXPECT_EQ(message("DELETE FROM spread WHERE n >= 0"), "deleted 50 rows");
  EXPECT_EQ(rows("SELECT count(*), sum(n) FROM spread"), "50,-2500\n");
}

TEST_F(TableChanges, OfACsvTable) {
  pipeline("CREATE TABLE codes (code VARCHAR PRIMARY KEY, n INT) WITH (format = 'csv')");
  send("codes", {"a,1", "b,2"});
  sql("INSERT INTO codes VALUES ('c', 3)");
  sql("UPDATE codes SET n = n * 10 WHERE code <> 'b'");
  sql("DELETE FROM codes WHERE code = 'b'");
  EXPECT_EQ(rows("SELECT * FROM codes ORDER BY code"), "a,10\nc,30\n");
}

TEST_F(TableChanges, NoUpdateIsLost) {
  sql("INSERT INTO titles VALUES (1, 'a', 0), (2, 'b', 0)");
  constexpr int kThreads = 4;
  constexpr int kEach = 15;
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        failed += !node_->execute("UPDATE titles SET minutes = minutes + 1").ok();
        failed += !node_
                       ->execute(
                           "INSERT INTO titles VALUES (1, 'c', 1) ON CONFLICT DO UPDATE SET "
                           "minutes = minutes + 1")
                       .ok();
        std::string line = "{\"id\":" + std::to_string(3 + i) + ",\"title\":\"x\"}";
        failed += !node_->append("titles", {line}, {}).ok();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(rows("SELECT minutes FROM titles WHERE id <= 2 ORDER BY id"),
            std::to_string(2 * kThreads * kEach) + "\n" + std::to_string(kThreads * kEach) + "\n");
}

/// What decode_keys makes of the keys of tombstones: the key column, or the reason.
std::string keys_of(const StreamSource& source, const std::vector<std::string_view>& keys) {
  auto forms = RecordForms::make(source);
  EXPECT_TRUE(forms.ok());
  std::vector<uint32_t> decoded;
  std::vector<formats::DecodeError> errors;
  batch::Batch rows(source.schema);
  EXPECT_TRUE((*forms)->decode(RecordForm::kKey, keys, rows, decoded, errors).ok());
  std::string out;
  for (size_t row = 0; row < rows.rows(); ++row) out += std::to_string(decoded[row]) + rows.row_text(row) + "\n";
  for (const auto& error : errors) out += std::to_string(error.record) + " " + error.reason + "\n";
  return out;
}

TEST(RecordForms, KeysOfTombstones) {
  StreamSource source;
  source.name = "t";
  source.format = "json";
  source.deletes = Deletes::kByKey;
  source.schema.fields = {{"a", *batch::Type::parse("VARCHAR")}, {"id", *batch::Type::parse("INTEGER")}};
  source.key = {1};
  EXPECT_EQ(keys_of(source, {"7", R"({"id":8})", "x", R"({"ID":null})", R"({"id":"y"})", "-1"}),
            "0[+1] NULL, 7\n1[+1] NULL, 8\n5[+1] NULL, -1\n"
            "2 key: field id: expected INTEGER, found x\n"
            "4 key: field id: expected INTEGER, found \"y\"\n"
            "3 the key of a tombstone lacks a column of the primary key\n");
  source.key = {0};
  EXPECT_EQ(keys_of(source, {"say \"hi\", x", ""}), "0[+1] say \"hi\", x, NULL\n1[+1] , NULL\n");
  source.key = {0, 1};
  EXPECT_EQ(keys_of(source, {R"({"a":"k","id":1})", "k"}),
            "0[+1] k, 1\n1 the key of a tombstone is not a JSON object of the primary key's columns\n");
}

}  // namespace
}  // namespace millrace::engine
