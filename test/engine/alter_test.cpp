// ALTER STREAM … ADD COLUMN where it goes wrong: crashes around it, records that a later column would spoil.
#include <filesystem>

#include "base/failpoints.h"
#include "ledger/render.h"
#include "node_fixture.h"

namespace millrace::engine {
namespace {

class Alter : public NodeFixture {
 protected:
  void SetUp() override {
    NodeFixture::SetUp();
    open();
    pipeline(R"(
        CREATE STREAM s (k INTEGER) WITH (partitions = 2);
        CREATE MATERIALIZED VIEW a AS SELECT count(*) AS n FROM s;)");
    send("s", {R"({"k":1,"c":"no number"})", R"({"k":2})"});
    ok(node_->sync());
    send("s", {R"({"k":3,"c":"nor this"})"});  // in no step yet
  }
  static constexpr const char* kAlter = "ALTER STREAM s ADD COLUMN c INTEGER DEFAULT 5";

  void crash_at(const std::string& point) {
    const std::string copy = directory_ + "/copy";
    env_->failpoints().on_abort([&](const std::string&) {
      std::filesystem::copy(directory_ + "/data", copy, std::filesystem::copy_options::recursive);
    });
    ok(env_->failpoints().configure(point + "=abort,times=1"));
    EXPECT_NE(sql(kAlter), "");
    node_.reset();
    std::filesystem::remove_all(directory_ + "/data");
    std::filesystem::rename(copy, directory_ + "/data");
    open();
    EXPECT_EQ(sql(kAlter), "");  // as the pipeline file that holds it does
  }
  void expect_altered() {
    send("s", {R"({"k":4,"c":9})", R"({"k":5})", R"({"k":6,"c":"dead"})"});
    ok(node_->sync());
    EXPECT_EQ(sql("SELECT k, c FROM s ORDER BY k"), "1,5\n2,5\n3,5\n4,9\n5,5\n");
    EXPECT_EQ(sql("SELECT * FROM a"), "5\n");
    EXPECT_EQ(sql("SELECT count(*) FROM s_dead"), "1\n");
    pipeline("CREATE MATERIALIZED VIEW b AS SELECT c, count(*) AS n FROM s GROUP BY c");
    EXPECT_EQ(sql("SELECT * FROM b ORDER BY c"), "5,4\n9,1\n");
    ok(node_->sync());
    EXPECT_TRUE(node_->ledger_report().closed) << ledger::render(node_->ledger_report());
  }
};

TEST_F(Alter, OldRecordsAreReadAsBefore) {
  EXPECT_EQ(sql(kAlter), "");
  expect_altered();
}

TEST_F(Alter, ACrashBeforeItIsDurableLeavesNothing) {
  crash_at("engine.change.filled");
  expect_altered();
}

TEST_F(Alter, ACrashAfterItIsDurableLeavesIt) {
  crash_at("engine.change.durable");
  expect_altered();
}

// The cuts that are run again were decoded without the column.
TEST_F(Alter, AReplayDecodesAsTheFirstRunDid) {
  EXPECT_EQ(sql(kAlter), "");
  expect_altered();
  std::filesystem::copy(directory_ + "/data", directory_ + "/copy", std::filesystem::copy_options::recursive);
  node_.reset();
  std::filesystem::remove_all(directory_ + "/data");
  std::filesystem::rename(directory_ + "/copy", directory_ + "/data");
  open();
  EXPECT_EQ(sql("SELECT k, c FROM s ORDER BY k"), "1,5\n2,5\n3,5\n4,9\n5,5\n");
  EXPECT_EQ(sql("SELECT * FROM a"), "5\n");
  EXPECT_EQ(sql("SELECT * FROM b ORDER BY c"), "5,4\n9,1\n");
}

TEST_F(Alter, DefaultsOfAllTypes) {
  int number = 0;
  for (const char* column : {"DECIMAL(10,2) DEFAULT 1.5", "VARCHAR DEFAULT 'it''s'", 
                             "TIMESTAMP DEFAULT '2026-01-01 12:00:00.000001'",
                             "INTEGER[] DEFAULT [1, NULL]", "STRUCT(a INTEGER, b VARCHAR) DEFAULT {'a': 1, 'b': 'x'}",
                             "MAP(VARCHAR, INTEGER) DEFAULT MAP {'u': 1}", "BLOB DEFAULT '\\xAA'::BLOB",
                             "HUGEINT DEFAULT 1",
                             "DOUBLE DEFAULT 'NaN'::DOUBLE", "BOOLEAN DEFAULT true", "DATE DEFAULT '2026-01-31'",
                             "UUID DEFAULT '5e8a6b9e-0000-4000-8000-000000000000'", "JSON DEFAULT '{\"a\":[1]}'"}) {
    const std::string name = "c" + std::to_string(number++);
    const std::string text = column;
    const size_t at = text.find(" DEFAULT ");
    EXPECT_EQ(sql("ALTER STREAM s ADD COLUMN " + name + " " + text), "");
    EXPECT_EQ(sql("SELECT " + name + " FROM s WHERE k = 1"),
              sql("SELECT CAST((" + text.substr(at + 9) + ") AS " + text.substr(0, at) + ")"))
        << column;
  }
}

}  // namespace
}  // namespace millrace::engine
