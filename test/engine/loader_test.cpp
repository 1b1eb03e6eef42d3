// Bounded inputs: a file that is loaded once, whatever stops the node meanwhile.
#include "engine/loader.h"

#include "engine/node_fixture.h"

namespace millrace::engine {
namespace {

class LoaderTest : public NodeFixture {
 protected:
  void put(const std::string& name, const std::string& bytes) {
    ok(env_->files().write_atomically(directory_ + "/" + name, bytes));
  }
  LoadStatus load() {
    auto loads = node_->status().loads;
    EXPECT_EQ(loads.size(), 1u);
    return loads.empty() ? LoadStatus() : loads.front();
  }
  void expect_closed_books() {
    ledger::Report report = node_->ledger_report();
    EXPECT_TRUE(report.closed);
  }
};

TEST_F(LoaderTest, ARecordThatIsTooLongIsADeadLetter) {
  record_bytes_max_ = 2000;
  const std::string longest = "{\"k\":1,\"text\":\"" + std::string(3000, 'x') + "\"}";
  put("a.ndjson", "{\"k\":1}\n" + longest + "\n{\"k\":2}\n" + longest + "\nno json\n");
  const auto reason_at = [&](int byte) {
    return "\"the record has 3017 bytes; the limit is 2000; it begins at byte " + std::to_string(byte) + " of " +
           directory_ + "/a.ndjson, and this is the beginning of it\",1024\n";
  };
  const std::string text =
      "CREATE STREAM s (k INTEGER, text VARCHAR) WITH (partitions = 3, key = 'k', load = 'a.ndjson');"
      "CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n, sum(k) AS k FROM s;";
  open(false);
  pipeline(text);
  ok(node_->start());
  ok(node_->finish_bounded());
  EXPECT_EQ(load().records, 5u);
  EXPECT_EQ(load().too_long, 2u);
  EXPECT_TRUE(load().done);
  for (int starts = 0; starts < 2; ++starts) {
    EXPECT_EQ(sql("SELECT * FROM n"), "2,3\n");
    EXPECT_EQ(sql("SELECT count(*) FROM s"), "2\n");
    EXPECT_EQ(sql("SELECT reason, octet_length(raw) FROM s_dead WHERE reason LIKE 'the record has %' ORDER BY 1"),
              reason_at(8 + 3018 + 8) + reason_at(8));
    EXPECT_EQ(node_->status().streams.at(0).dead, 3u);
    expect_closed_books();
    ok(node_->stop());
    open();
    pipeline(text);
    EXPECT_TRUE(node_->status().loads.empty());
  }
}

TEST_F(LoaderTest, AFileThatIsNotThereIsNamed) {
  open(false);
  pipeline("CREATE STREAM s (k INTEGER) WITH (load = 'nowhere.ndjson')");
  ok(node_->start());
  EXPECT_FALSE(node_->finish_bounded().ok());
  EXPECT_FALSE(load().done);
  EXPECT_NE(load().failure.find("nowhere.ndjson"), std::string::npos);
}

}  // namespace
}  // namespace millrace::engine
