#include "sql/catalog.h"

#include <gtest/gtest.h>

#include "sql_statements/statements.h"

namespace millrace::sql {
namespace {

constexpr const char* kPlays =
    "CREATE STREAM plays (play_id UUID, Title_Id INT, seconds INT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL 30 "
    "SECOND) "
    "WITH (partitions = 4, key = title_id)";

class CatalogTest : public testing::Test {
 protected:
  void SetUp() override {
    OptionGroup file{"file", "files", true, true};
    file.sink_options = {{"path", OptionKind::kText, "", "where to write", {}, true}};
    file.default_format = "json";
    registry_.add_connector(std::move(file));
  }

  /// The message of the change, or `error <SQLSTATE> <message>`.
  std::string run(std::string_view text, BoundObject bound = {}) {
    Statement statement = statement_of(text);
    Catalog before = catalog_;
    Result<CatalogChange> change = catalog_.apply(statement, registry_, std::move(bound));
    if (change.ok()) {
      error_ = {};
      EXPECT_EQ(change->action == CatalogChange::Action::kNone, catalog_ == before) << text;
      return change->message;
    }
    error_ = change.error();
    EXPECT_TRUE(catalog_ == before) << "an error changed the catalog: " << text;
    return "error " + error_.code + ' ' + error_.message;
  }

  BoundObject reads(std::vector<std::string> names) {
    BoundObject bound;
    bound.dependencies = std::move(names);
    bound.columns = {{"title_id", "INTEGER"}, {"hours", "DOUBLE"}};
    bound.operators = {catalog_.next_operator(), OperatorId(catalog_.next_operator().value + 3)};
    bound.plan = std::string("plan\0bytes", 10);
    return bound;
  }

  /// plays → v → hours → lake
  void fill() {
    EXPECT_EQ(run(kPlays), "created stream plays");
    BoundObject view = reads({"plays"});
    view.operators = {};
    EXPECT_EQ(run("CREATE VIEW v AS SELECT * FROM plays", view), "created view v");
    EXPECT_EQ(run("CREATE MATERIALIZED VIEW hours AS SELECT title_id, sum(seconds) FROM v GROUP BY 1",
                  reads({"PLAYS", "v", "v"})),
              "created materialized view hours");
    EXPECT_EQ(run("CREATE SINK lake FROM HOURS WITH (connector = file, path = 'x')"), "created sink lake");
  }

  OptionRegistry registry_;
  Catalog catalog_;
  Error error_;
};

TEST_F(CatalogTest, CreatesWithIds) {
  fill();
  const CatalogObject* plays = catalog_.find("PLAYS");
  ASSERT_NE(plays, nullptr);
  EXPECT_EQ(plays->name, "plays");
  EXPECT_EQ(plays->columns[1].name, "Title_Id");
  EXPECT_EQ(plays->options.columns("key"), std::vector<std::string>{"Title_Id"});
  EXPECT_EQ(plays->watermark->expression, "ts - INTERVAL 30 SECOND");
  const CatalogObject* hours = catalog_.find("hours");
  ASSERT_NE(hours, nullptr);
  EXPECT_EQ(hours->dependencies, (std::vector<std::string>{"plays", "v"}));
  EXPECT_EQ(hours->operators, (OperatorRange{OperatorId(1), OperatorId(4)}));
  EXPECT_EQ(hours->plan.size(), 10u);
  EXPECT_EQ(catalog_.find("lake")->source, "hours");
  EXPECT_EQ(catalog_.find("lake")->dependencies, std::vector<std::string>{"hours"});
  std::vector<uint32_t> ids;
  for (const CatalogObject* object : catalog_.objects()) {
    ids.push_back(object->stream.value);
    for (const Companion& companion : object->companions) ids.push_back(companion.stream.value);
  }
  EXPECT_EQ(ids, (std::vector<uint32_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(catalog_.next_stream(), StreamId(9));
  EXPECT_EQ(catalog_.objects(ObjectKind::kView).size(), 1u);
}

TEST_F(CatalogTest, TheSamePipelineAgainChangesNothing) {
  fill();
  std::string bytes = catalog_.encode();
  EXPECT_EQ(run(kPlays), "stream plays is already there, unchanged");
  EXPECT_EQ(run("create stream PLAYS (\n play_id uuid, title_id int /* c */, Seconds INT, ts Timestamp,\n WATERMARK "
                "for TS as ts - interval 30 second)\n"
                "with (key = 'Title_Id', partitions = '4', format = json, idle_timeout = '10000 ms')"),
            "stream plays is already there, unchanged");
  EXPECT_EQ(run("CREATE OR REPLACE VIEW v AS select *\nfrom Plays"), "view v is already there, unchanged");
  EXPECT_EQ(run("CREATE MATERIALIZED VIEW hours AS SELECT title_id, sum(seconds) FROM v GROUP BY 1"),
            "materialized view hours is already there, unchanged");
  EXPECT_EQ(run("CREATE SINK lake FROM hours WITH (path = 'x', connector = 'file')"),
            "sink lake is already there, unchanged");
  EXPECT_EQ(run("CREATE STREAM IF NOT EXISTS plays (other INT)"), "stream plays is already there, unchanged");
  EXPECT_EQ(catalog_.encode(), bytes);
}

TEST_F(CatalogTest, AnotherDefinitionIsRefusedWithWhatDiffers) {
  fill();
  const std::pair<const char*, const char*> cases[] = {
      {"CREATE STREAM plays (play_id UUID, Title_Id BIGINT, seconds INT, ts TIMESTAMP, WATERMARK FOR ts AS ts - "
       "INTERVAL 30 SECOND) "
       "WITH (partitions = 4, key = title_id)",
       "column Title_Id: int there, bigint here"},
      {"CREATE STREAM plays (play_id UUID, Title_Id INT, ts TIMESTAMP, extra INT NOT NULL, WATERMARK FOR ts AS ts - "
       "INTERVAL 30 SECOND) "
       "WITH (partitions = 4, key = title_id)",
       "column extra: only here; column seconds: only there"},
      {"CREATE STREAM plays (Title_Id INT, play_id UUID, seconds INT NOT NULL, ts TIMESTAMP, WATERMARK FOR ts AS ts - "
       "INTERVAL 1 SECOND) "
       "WITH (partitions = 8, key = title_id)",
       "column seconds: NULL there, NOT NULL here; watermark: interval 30 second there, interval 1 second here; option "
       "partitions: 4 there, 8 here"},
      {"CREATE STREAM plays (Title_Id INT, play_id UUID, seconds INT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL "
       "30 SECOND) "
       "WITH (partitions = 4, key = title_id)",
       "order of the columns: (play_id, Title_Id, seconds, ts) there, (Title_Id, play_id, seconds, ts) here"},
      {"CREATE STREAM plays (play_id UUID, Title_Id INT, seconds INT, ts TIMESTAMP) WITH (partitions = 8)",
       "watermark: ts as ts - interval 30 second there, nothing here; option partitions: 4 there, 8 here; option key: "
       "Title_Id there, none here"},
      {"CREATE VIEW v AS SELECT ts FROM plays", "query: select * from plays there, select ts from plays here"},
      {"CREATE MATERIALIZED VIEW v AS SELECT * FROM plays", "kind: view there, materialized view here"},
      {"CREATE MATERIALIZED VIEW hours AS SELECT title_id, sum(seconds) FROM v GROUP BY 1 EMIT FINAL",
       "emission: EMIT CHANGES there, EMIT ON WINDOW CLOSE here"},
      {"CREATE SINK lake FROM v2 WITH (connector = file, path = 'x')", "there is no such stream, table or view: v2"},
      {"CREATE SINK lake FROM plays WITH (connector = file, path = 'y')",
       "source: hours there, plays here; option path: x there, y here"},
  };
  for (const auto& [text, difference] : cases) {
    std::string result = run(text);
    EXPECT_EQ(result.substr(0, 6), "error ") << text;
    EXPECT_NE(result.find(difference), std::string::npos) << result;
    ASSERT_TRUE(error_.position) << text;
    EXPECT_FALSE(error_.hint.empty()) << text;
  }
  EXPECT_EQ(run("CREATE VIEW v AS SELECT 1").substr(0, 12), "error 42P07 ");
  EXPECT_EQ(error_.hint, "write CREATE OR REPLACE VIEW, or DROP VIEW v first");
}

TEST_F(CatalogTest, ReplaceOfAMaterializedViewKeepsItsId) {
  fill();
  EXPECT_EQ(run("CREATE OR REPLACE VIEW v AS SELECT 1"),
            "error 2BP01 view v cannot be replaced while others read it: sink lake and materialized view hours");
  EXPECT_EQ(run("CREATE OR REPLACE STREAM hours (a INT)").substr(0, 12), "error 42809 ");
  EXPECT_EQ(run("DROP SINK lake"), "dropped sink lake");
  EXPECT_EQ(run("CREATE OR REPLACE MATERIALIZED VIEW hours AS SELECT 2 FROM v", reads({"v"})),
            "replaced materialized view hours");
  EXPECT_EQ(catalog_.find("hours")->stream, StreamId(4));  // its readers stay
  EXPECT_EQ(catalog_.find("hours")->operators, (OperatorRange{OperatorId(4), OperatorId(7)}));
  EXPECT_EQ(catalog_.find("hours")->dependencies, std::vector<std::string>{"v"});
}

TEST_F(CatalogTest, DropRespectsReaders) {
  fill();
  EXPECT_EQ(
      run("DROP STREAM plays"),
      "error 2BP01 stream plays cannot be dropped while others read it: sink lake, materialized view hours and view v");
  EXPECT_NE(error_.hint.find("CASCADE"), std::string::npos);
  EXPECT_EQ(run("DROP VIEW hours"), "error 42809 hours is a materialized view");
  EXPECT_EQ(error_.hint, "write DROP MATERIALIZED VIEW hours");
  EXPECT_EQ(run("DROP STREAM play"), "error 42P01 there is no such stream: play");
  EXPECT_EQ(error_.hint, "did you mean plays?");
  EXPECT_EQ(run("DROP STREAM IF EXISTS play"), "nothing to drop");
  EXPECT_EQ(run("DROP STREAM plays_dead"), "error 42809 plays_dead belongs to stream plays");
  EXPECT_EQ(run("DROP SINK lake, lake"), "dropped sink lake");
  EXPECT_EQ(run("DROP STREAM plays CASCADE"), "dropped materialized view hours, view v and stream plays");
  EXPECT_TRUE(catalog_.objects().empty());
  EXPECT_EQ(catalog_.next_stream(), StreamId(9)) << "ids are never used twice";
  EXPECT_EQ(run(kPlays), "created stream plays");
  EXPECT_EQ(catalog_.find("plays")->stream, StreamId(9));
}

TEST_F(CatalogTest, SeveralNamesInOneDropMayReadEachOther) {
  EXPECT_EQ(run("CREATE STREAM a (x INT)"), "created stream a");
  EXPECT_EQ(run("CREATE VIEW b AS FROM a", BoundObject{{"a"}, {}, {}, {}, {}, {}}), "created view b");
  EXPECT_EQ(run("CREATE VIEW c AS FROM b", BoundObject{{"b"}, {}, {}, {}, {}, {}}), "created view c");
  EXPECT_EQ(run("DROP VIEW b"), "error 2BP01 view b cannot be dropped while others read it: view c");
  EXPECT_EQ(run("DROP VIEW b, c"), "dropped view c and view b");
}

TEST_F(CatalogTest, RelationsAndCompanions) {
  fill();
  catalog_.add_system_relation("_ledger", {{"hop", "VARCHAR"}});
  EXPECT_EQ(catalog_.relation("Plays")->kind, Relation::Kind::kStream);
  EXPECT_EQ(catalog_.relation("hours")->columns.size(), 2u);
  std::optional<Relation> dead = catalog_.relation("PLAYS_DEAD");
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->name, "plays_dead");
  EXPECT_EQ(dead->kind, Relation::Kind::kCompanion);
  EXPECT_EQ(dead->companion, CompanionKind::kDead);
  EXPECT_EQ(dead->columns.back().name, "raw");
  EXPECT_EQ(catalog_.relation("hours_late")->stream, catalog_.find("hours")->companions[0].stream);
  EXPECT_EQ(catalog_.relation("hours_error")->object->name, "hours");
  EXPECT_FALSE(catalog_.relation("plays_late"));
  EXPECT_FALSE(catalog_.relation("lake"));
  EXPECT_FALSE(catalog_.relation("v"));
  EXPECT_EQ(catalog_.relation("_LEDGER")->kind, Relation::Kind::kSystem);
  EXPECT_EQ(catalog_.relation_names(),
            (std::vector<std::string>{"plays", "plays_dead", "v", "hours", "hours_late", "hours_error", "_ledger"}));
  EXPECT_EQ(catalog_.did_you_mean("_leger"), "did you mean _ledger?");
  EXPECT_EQ(catalog_.get_relation(Name{"lake", {}}).error().code, sqlstate::kWrongObjectType);
  EXPECT_EQ(catalog_.get(Name{"hour", {}}).error().hint, "did you mean hours?");
  EXPECT_EQ(run("CREATE SINK d FROM plays_DEAD WITH (connector = file, path = 'x')"), "created sink d");
  EXPECT_EQ(catalog_.find("d")->source, "plays_dead");
  EXPECT_EQ(catalog_.find("d")->dependencies, std::vector<std::string>{"plays"});
  EXPECT_EQ(run("CREATE SINK e FROM v WITH (connector = file, path = 'x')"),
            "error 42809 a plain view keeps no changes that a sink could read: v");
}

TEST_F(CatalogTest, DefinitionsAreChecked) {
  const std::pair<const char*, const char*> cases[] = {
      {"CREATE STREAM _x (a INT)", "error 42939 names that start with _ belong to the system: _x"},
      {"CREATE VIEW x_Dead AS SELECT 1", "error 42939 names that end in _dead belong to the system: x_Dead"},
      {"CREATE STREAM s (a INT, A INT)", "error 42701 a column is there twice: A"},
      {"CREATE STREAM s (_offset INT)", "error 42939 this column is there already, in every stream: _offset"},
      {"CREATE STREAM s (a TIMESTAMP, WATERMARK FOR b AS b)", "error 42703 there is no such column: b"},
      {"CREATE STREAM s (a INT) WITH (key = 'b')", "error 42703 there is no such column: b"},
      {"CREATE STREAM s (a INT) WITH (key = 'a,')", "error 42703 there is no such column: "},
      {"CREATE STREAM s (a INT, b INT) WITH (message_id = 'a, b')",
       "error 22023 the option message_id takes one column"},
      {"CREATE TABLE s (a INT, PRIMARY KEY (b))", "error 42703 there is no such column: b"},
      {"CREATE TABLE s (a INT, PRIMARY KEY (a, A))", "error 42701 a column is in the primary key twice: a"},
      {"CREATE STREAM s (a INT) WITH (formt = 'json')",
       "error 22023 unknown option of a stream with connector log: formt"},
      {"CREATE VIEW s (a, b, A) AS SELECT 1, 2, 3", "error 42701 a column is there twice: A"},
      {"CREATE SINK s FROM nowhere WITH (connector = file, path = 'x')",
       "error 42P01 there is no such stream, table or view: nowhere"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(run(text), message) << text;
    EXPECT_TRUE(error_.position) << text;
  }
  EXPECT_EQ(run("CREATE TABLE t (a INT PRIMARY KEY, b INT)"), "created table t");
  EXPECT_TRUE(catalog_.find("t")->columns[0].not_null);
  EXPECT_FALSE(catalog_.find("t")->columns[1].not_null);
}

TEST_F(CatalogTest, MacrosHaveNamesOfTheirOwn) {
  EXPECT_EQ(run("CREATE STREAM hours (a INT)"), "created stream hours");
  EXPECT_EQ(run("CREATE MACRO hours(ms) AS ms / 3600000"), "created macro hours");
  EXPECT_EQ(run("CREATE OR REPLACE MACRO hours(ms) as ms/3600000"), "macro hours is already there, unchanged");
  EXPECT_EQ(run("CREATE MACRO hours(ms) AS ms").substr(0, 12), "error 42P07 ");
  EXPECT_EQ(catalog_.find_macro("HOURS")->query, "CREATE OR REPLACE MACRO hours(ms) AS ms / 3600000");
  EXPECT_EQ(run("DROP MACRO hours"), "dropped macro hours");
  EXPECT_NE(catalog_.find("hours"), nullptr);
}

TEST_F(CatalogTest, CheckChangesNothing) {
  fill();
  Catalog before = catalog_;
  Result<CatalogChange> change = catalog_.check(statement_of("DROP STREAM plays CASCADE"), registry_);
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->removed.size(), 4u);
  ASSERT_TRUE(catalog_.check(statement_of("CREATE STREAM s (a INT)"), registry_).ok());
  EXPECT_TRUE(catalog_ == before);
}

TEST_F(CatalogTest, AWrongBindingIsOurBugAndRefused) {
  fill();
  BoundObject wrong = reads({"nowhere"});
  EXPECT_EQ(run("CREATE MATERIALIZED VIEW x AS SELECT 1", wrong).substr(0, 12), "error XX000 ");
  wrong = reads({"plays"});
  wrong.operators.first = OperatorId(1);
  EXPECT_EQ(run("CREATE MATERIALIZED VIEW x AS SELECT 1", wrong).substr(0, 12), "error XX000 ");
  EXPECT_EQ(run("CREATE MATERIALIZED VIEW x AS SELECT 1", reads({"x"})).substr(0, 12), "error XX000 ");
}

TEST_F(CatalogTest, PlansCanBeRenewed) {
  fill();
  BoundObject bound = reads({"plays"});
  bound.operators = catalog_.find("hours")->operators;
  bound.plan = "same operators";
  ASSERT_TRUE(catalog_.set_plan("hours", bound).ok());
  EXPECT_EQ(catalog_.find("hours")->plan, "same operators");
  ASSERT_TRUE(catalog_.set_plan("hours", reads({"plays", "v"})).ok());
  EXPECT_EQ(catalog_.next_operator(), OperatorId(7));
  EXPECT_FALSE(catalog_.set_plan("nowhere", {}).ok());
}

}  // namespace
}  // namespace millrace::sql
