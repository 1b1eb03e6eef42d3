// What statements mean: names, columns, options, queries with what was cut out of them.
#include <gtest/gtest.h>

#include "base/text.h"
#include "sql/statement.h"

namespace millrace::sql {
namespace {

std::vector<Statement> parsed(std::string_view text) {
  Result<std::vector<Statement>> statements = parse_statements(text);
  EXPECT_TRUE(statements.ok()) << render(statements.error(), text);
  return statements.ok() ? std::move(*statements) : std::vector<Statement>();
}

template <typename Body>
Body only(std::string_view text) {
  std::vector<Statement> statements = parsed(text);
  EXPECT_EQ(statements.size(), 1u) << text;
  if (statements.size() != 1 || !std::holds_alternative<Body>(statements[0].body)) {
    ADD_FAILURE() << "another statement than expected: " << text;
    return Body{};
  }
  return std::get<Body>(statements[0].body);
}

std::string_view at(std::string_view text, SourceSpan span) { return text.substr(span.offset, span.length); }

TEST(Parser, CreateStreamWithEverything) {
  std::string_view text = R"(
    CREATE STREAM plays (                                       -- a topic
      play_id UUID, profile_id BIGINT NOT NULL, "Title Id" INT, seconds DECIMAL(10, 2), ts TIMESTAMP WITH TIME ZONE,
      offset INT, "end" VARCHAR[], window STRUCT(end INT, b VARCHAR[], c STRUCT(order INT)[3]), m MAP(VARCHAR, INT),
      d DOUBLE PRECISION, e ENUM('a', 'b'), v CHARACTER VARYING(10), n INT NULL,
      WATERMARK FOR ts AS ts - INTERVAL 30 SECOND
    ) WITH (format = 'json', partitions = 4, retention = '7 days', key = profile_id, "compact" = true, kafka.group.id = 'g',
            'x.y' = -1, wait = INTERVAL 10 SECOND))";
  auto create = only<CreateStream>(text);
  EXPECT_EQ(create.name.text, "plays");
  EXPECT_EQ(at(text, create.name.span), "plays");
  std::vector<std::pair<std::string, std::string>> columns;
  for (const ColumnDefinition& column : create.columns) columns.emplace_back(column.name, column.type_text);
  EXPECT_EQ(columns, (std::vector<std::pair<std::string, std::string>>{
                         {"play_id", "UUID"},
                         {"profile_id", "BIGINT"},
                         {"Title Id", "INT"},
                         {"seconds", "DECIMAL(10, 2)"},
                         {"ts", "TIMESTAMP WITH TIME ZONE"},
                         {"offset", "INT"},
                         {"end", "VARCHAR[]"},
                         {"window", "STRUCT(\"end\" INT, b VARCHAR[], c STRUCT(\"order\" INT)[3])"},
                         {"m", "MAP(VARCHAR, INT)"},
                         {"d", "DOUBLE PRECISION"},
                         {"e", "ENUM('a', 'b')"},
                         {"v", "CHARACTER VARYING(10)"},
                         {"n", "INT"}}));
  EXPECT_TRUE(create.columns[1].not_null);
  EXPECT_FALSE(create.columns[0].not_null);
  EXPECT_EQ(at(text, create.columns[1].span), "profile_id BIGINT NOT NULL");
  EXPECT_EQ(at(text, create.columns[3].type_span), "DECIMAL(10, 2)");
  ASSERT_TRUE(create.watermark);
  EXPECT_EQ(create.watermark->column, "ts");
  EXPECT_EQ(create.watermark->expression.text, "ts - INTERVAL 30 SECOND");
  EXPECT_EQ(at(text, create.watermark->expression.span), "ts - INTERVAL 30 SECOND");
  std::string options;
  for (const Option& option : create.options) options += option.name + "=" + option.value + ";";
  EXPECT_EQ(
      options,
      "format=json;partitions=4;retention=7 days;key=profile_id;compact=true;kafka.group.id=g;x.y=-1;wait=10 SECOND;");
  EXPECT_EQ(create.options[1].kind, OptionValueKind::kNumber);
  EXPECT_EQ(create.options[3].kind, OptionValueKind::kWord);
  EXPECT_EQ(create.options[4].kind, OptionValueKind::kBoolean);
  EXPECT_EQ(at(text, create.options[0].value_span), "'json'");
}

TEST(Parser, WatermarkForms) {
  auto expression = [](const char* clause) {
    return only<CreateStream>("CREATE STREAM s (ts TIMESTAMP, WATERMARK FOR " + std::string(clause) + ")")
        .watermark->expression.text;
  };
  EXPECT_EQ(expression("ts AS ts"), "ts");
  EXPECT_EQ(expression("ts"), "ts");
  EXPECT_EQ(expression("ts DELAY '5s'"), "ts - ('5s'::INTERVAL)");
  EXPECT_EQ(expression("\"end\" DELAY INTERVAL 5 SECONDS"), "\"end\" - (INTERVAL 5 SECONDS)");
  EXPECT_EQ(expression("ts AS least(ts, to_timestamp(1)) - INTERVAL '1' MINUTE"),
            "least(ts, to_timestamp(1)) - INTERVAL '1' MINUTE");
}

TEST(Parser, CreateTable) {
  auto create = only<CreateTable>(
      "create table if not exists titles (title_id INT primary key, title VARCHAR) with (path='t.csv')");
  EXPECT_TRUE(create.mode.if_not_exists);
  ASSERT_EQ(create.primary_key.size(), 1u);
  EXPECT_EQ(create.primary_key[0].text, "title_id");
  create = only<CreateTable>(
      "CREATE OR REPLACE TABLE t (a INT, \"b c\" INT, watermark INT, check INT, PRIMARY KEY (a, \"b c\"))");
  EXPECT_TRUE(create.mode.or_replace);
  ASSERT_EQ(create.primary_key.size(), 2u);
  EXPECT_EQ(create.primary_key[1].text, "b c");
  EXPECT_EQ(create.columns.size(), 4u);
  EXPECT_EQ(only<CreateTable>("CREATE TABLE bag (a INT)").primary_key.size(), 0u);
}

TEST(Parser, MaterializedViewKeepsPositionsOfItsQuery) {
  std::string_view text =
      "CREATE MATERIALIZED VIEW hours (id, \"total hours\") WITH (on_error = stop) AS\n"
      "  SELECT title_id, sum(seconds) / 3600 -- per title\n"
      "  FROM tumble(plays, ts, INTERVAL 1 DAY) ALLOW LATENESS INTERVAL 1 HOUR GROUP BY title_id\n"
      "  EMIT ON WINDOW CLOSE;";
  auto create = only<CreateMaterializedView>(text);
  ASSERT_EQ(create.columns.size(), 2u);
  EXPECT_EQ(create.columns[1].text, "total hours");
  ASSERT_EQ(create.options.size(), 1u);
  EXPECT_EQ(create.query.emit, Emit::kOnWindowClose);
  EXPECT_EQ(at(text, *create.query.emit_span), "EMIT ON WINDOW CLOSE");
  EXPECT_EQ(create.query.allowed_lateness, Duration::from_seconds(3600));
  const SqlText& sql = create.query.sql;
  EXPECT_EQ(sql.text,
            "SELECT title_id, sum(seconds) / 3600 -- per title\n"
            "  FROM tumble(plays, ts, INTERVAL 1 DAY)                                GROUP BY title_id");
  EXPECT_EQ(sql.text.find("GROUP BY") + sql.span.offset, text.find("GROUP BY"));
}

TEST(Parser, EndsOfQueries) {
  struct Case {
    const char* tail;
    Emit emit;
    int64_t lateness_seconds;
  };
  const Case cases[] = {
      {"", Emit::kDefault, 0},
      {"EMIT CHANGES", Emit::kChanges, 0},
      {"emit final", Emit::kOnWindowClose, 0},
      {"EMIT FINAL ALLOW LATENESS '10s'", Emit::kOnWindowClose, 10},
      {"ALLOW LATENESS INTERVAL '2' MINUTE EMIT ON WINDOW CLOSE", Emit::kOnWindowClose, 120},
      {"ALLOW LATENESS INTERVAL '2 days'", Emit::kDefault, 172800},
      {"EMIT CHANGES WITH (on_error = 'stop')", Emit::kChanges, 0},
      {"WITH (on_error = 'stop') EMIT CHANGES", Emit::kChanges, 0},
  };
  for (const Case& one : cases) {
    auto create =
        only<CreateMaterializedView>("CREATE MATERIALIZED VIEW v AS SELECT a FROM t " + std::string(one.tail));
    EXPECT_EQ(create.query.emit, one.emit) << one.tail;
    EXPECT_EQ(create.query.sql.text, "SELECT a FROM t") << one.tail;
    EXPECT_EQ(create.query.allowed_lateness.value_or(Duration{}).micros, one.lateness_seconds * 1000000) << one.tail;
    EXPECT_EQ(create.options.size(), std::string_view(one.tail).find("WITH") == std::string_view::npos ? 0u : 1u)
        << one.tail;
  }
}

TEST(Parser, EmitAsAnOrdinaryName) {
  for (const char* query :
       {"SELECT emit FROM t", "SELECT a AS emit FROM t", "SELECT * FROM emit", "SELECT t.emit FROM t",
        "SELECT emit.a FROM t AS emit", "SELECT 1 FROM a JOIN b emit ON a.x = emit.x", "SELECT \"emit\"",
        "SELECT allow FROM lateness", "FROM t ORDER BY emit"}) {
    auto select = only<Select>(query);
    EXPECT_EQ(select.query.sql.text, query);
    EXPECT_EQ(select.query.emit, Emit::kDefault) << query;
  }
}

TEST(Parser, QueriesOfEveryShape) {
  for (const char* query :
       {"SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "FROM plays", "VALUES (1, 2), (3, 4)", "TABLE plays",
        "(SELECT 1) UNION ALL (SELECT 2)", "SELECT {'a': [1, 2]}, x -> x + 1, a[1:2]", "SELECT ';' || \";\""}) {
    EXPECT_EQ(only<Select>(query).query.sql.text, query);
  }
}

TEST(Parser, WindowsAsFlinkCallsThemAreOursInTheSamePlace) {
  const std::string query = "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))";
  const std::string text = only<Select>(query).query.sql.text;
  EXPECT_EQ(text.size(), query.size());
  for (const std::string part : {"TUMBLE(", "t,", "ts", "INTERVAL '10' SECOND)"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(text.find("INTERVAL"), query.find("INTERVAL"));
  EXPECT_EQ(text.find("DESCRIPTOR"), std::string::npos);
}

TEST(Parser, ViewSinkMacro) {
  auto view = only<CreateView>("CREATE VIEW v(a, b) AS SELECT 1, 2");
  EXPECT_EQ(view.columns.size(), 2u);
  EXPECT_EQ(view.query.sql.text, "SELECT 1, 2");

  auto sink = only<CreateSink>("CREATE SINK lake FROM hours WITH (connector = 'file', path = 'x')");
  EXPECT_EQ(std::get<Name>(sink.source).text, "hours");
  EXPECT_EQ(sink.options.size(), 2u);
  sink = only<CreateSink>("CREATE SINK lake WITH (connector = 'file') AS SELECT a FROM hours EMIT CHANGES");
  EXPECT_EQ(std::get<Query>(sink.source).sql.text, "SELECT a FROM hours");
  EXPECT_EQ(std::get<Query>(sink.source).emit, Emit::kChanges);
  sink = only<CreateSink>("CREATE SINK lake AS WITH h AS (FROM hours) SELECT a FROM h WITH (connector = 'file')");
  EXPECT_EQ(std::get<Query>(sink.source).sql.text, "WITH h AS (FROM hours) SELECT a FROM h");
  EXPECT_EQ(sink.options.size(), 1u);

  auto macro = only<CreateMacro>("CREATE OR REPLACE MACRO hours_of(ms, unit := 3600000) AS ms / unit");
  EXPECT_EQ(macro.name.text, "hours_of");
  EXPECT_EQ(macro.definition.text, "hours_of(ms, unit := 3600000) AS ms / unit");
  EXPECT_EQ(only<CreateMacro>("CREATE FUNCTION f() AS TABLE SELECT 1").definition.text, "f() AS TABLE SELECT 1");
}

TEST(Parser, DropShowDescribe) {
  auto drop = only<Drop>("DROP MATERIALIZED VIEW IF EXISTS a, \"B\" CASCADE");
  EXPECT_EQ(drop.kind, ObjectKind::kMaterializedView);
  EXPECT_EQ(drop.names.size(), 2u);
  EXPECT_TRUE(drop.if_exists && drop.cascade);
  EXPECT_FALSE(only<Drop>("DROP SINK s RESTRICT").cascade);

  const std::pair<const char*, ShowKind> shows[] = {{"SHOW STREAMS", ShowKind::kStreams},
                                                    {"show tables", ShowKind::kTables},
                                                    {"SHOW VIEWS", ShowKind::kViews},
                                                    {"SHOW SINKS", ShowKind::kSinks},
                                                    {"SHOW ALL", ShowKind::kAll},
                                                    {"SHOW WATERMARKS", ShowKind::kWatermarks},
                                                    {"SHOW MACROS", ShowKind::kMacros},
                                                    {"SHOW CREATE plays", ShowKind::kCreate},
                                                    {"SHOW CREATE MATERIALIZED VIEW v", ShowKind::kCreate},
                                                    {"SHOW CONNECTORS", ShowKind::kConnectors},
                                                    {"SHOW MATERIALIZED VIEWS", ShowKind::kMaterializedViews},
                                                    {"SHOW server_version", ShowKind::kSetting}};
  for (const auto& [text, kind] : shows) EXPECT_EQ(only<Show>(text).kind, kind) << text;
  EXPECT_EQ(only<Show>("SHOW CREATE MATERIALIZED VIEW v").name->text, "v");
  EXPECT_EQ(only<Show>("SHOW TRANSACTION ISOLATION LEVEL").name->text, "transaction_isolation");

  EXPECT_EQ(std::get<Name>(only<Describe>("DESCRIBE plays").target).text, "plays");
  EXPECT_EQ(std::get<Name>(only<Describe>("DESC TABLE plays").target).text, "plays");
  EXPECT_EQ(std::get<Name>(only<Describe>("DESCRIBE view").target).text, "view");
  EXPECT_EQ(std::get<Query>(only<Describe>("DESCRIBE SELECT 1").target).sql.text, "SELECT 1");
}

TEST(Parser, Explain) {
  auto explain = only<Explain>("EXPLAIN SELECT 1");
  EXPECT_TRUE(std::holds_alternative<Select>(explain.statement->body));
  explain = only<Explain>("EXPLAIN (ANALYZE, FORMAT JSON) hours");
  EXPECT_TRUE(explain.analyze);
  EXPECT_EQ(explain.format, ExplainFormat::kJson);
  EXPECT_EQ(explain.name->text, "hours");
  explain = only<Explain>("EXPLAIN ANALYZE MATERIALIZED VIEW hours");
  EXPECT_TRUE(explain.analyze);
  EXPECT_EQ(explain.name->text, "hours");
  explain = only<Explain>("EXPLAIN SCALE CREATE MATERIALIZED VIEW v AS SELECT 1 EMIT CHANGES");
  EXPECT_TRUE(explain.scale);
  EXPECT_EQ(explain.statement->text, "CREATE MATERIALIZED VIEW v AS SELECT 1 EMIT CHANGES");
  EXPECT_EQ(only<Explain>("EXPLAIN \"analyze\"").name->text, "analyze");
}

TEST(Parser, Subscribe) {
  auto subscribe = only<Subscribe>("SUBSCRIBE TO hours");
  EXPECT_EQ(std::get<Name>(subscribe.source).text, "hours");
  EXPECT_EQ(subscribe.from, SubscribeFrom::kNow);
  EXPECT_EQ(only<Subscribe>("SUBSCRIBE hours FROM BEGINNING").from, SubscribeFrom::kBeginning);
  subscribe = only<Subscribe>("SUBSCRIBE TO hours FROM POSITION '12:7'");
  EXPECT_EQ(subscribe.from, SubscribeFrom::kPosition);
  EXPECT_EQ(subscribe.position, "12:7");
  EXPECT_EQ(only<Subscribe>("SUBSCRIBE TO hours FROM 42").position, "42");
  subscribe = only<Subscribe>("SUBSCRIBE TO (SELECT a FROM t) FROM BEGINNING");
  EXPECT_EQ(std::get<Query>(subscribe.source).sql.text, "(SELECT a FROM t)");
  EXPECT_EQ(subscribe.from, SubscribeFrom::kBeginning);
  EXPECT_EQ(std::get<Query>(only<Subscribe>("SUBSCRIBE TO SELECT a FROM t").source).sql.text, "SELECT a FROM t");
  EXPECT_EQ(std::get<Query>(only<Subscribe>("SUBSCRIBE TO (FROM a) UNION ALL (FROM b)").source).sql.text,
            "(FROM a) UNION ALL (FROM b)");
}

TEST(Parser, Changes) {
  std::string_view text = "INSERT INTO plays (a, \"end\") VALUES (1, 'x;y'), (2, NULL);";
  auto insert = only<Insert>(text);
  EXPECT_EQ(insert.table.text, "plays");
  ASSERT_EQ(insert.columns.size(), 2u);
  EXPECT_EQ(insert.columns[1].text, "end");
  EXPECT_EQ(insert.source.text, "VALUES (1, 'x;y'), (2, NULL)");
  EXPECT_EQ(at(text, insert.source.span), insert.source.text);
  EXPECT_EQ(only<Insert>("INSERT INTO t (SELECT 1)").source.text, "(SELECT 1)");
  auto update = only<Update>("UPDATE titles SET a = a + 1 WHERE id IN (1, 2)");
  EXPECT_EQ(update.table.text, "titles");
  ASSERT_EQ(update.set.size(), 1u);
  EXPECT_EQ(update.set[0].first.text, "a");
  EXPECT_EQ(update.set[0].second.text, "a + 1");
  EXPECT_EQ(update.where->text, "id IN (1, 2)");
  auto aliased = only<Update>("UPDATE titles AS t SET a = (1, 2)[1], \"where\" = t.a RETURNING a, \"where\" AS w");
  EXPECT_EQ(aliased.alias, "t");
  ASSERT_EQ(aliased.set.size(), 2u);
  EXPECT_EQ(aliased.set[0].second.text, "(1, 2)[1]");
  EXPECT_EQ(aliased.returning->columns[1].alias, "w");
  auto upsert = only<Insert>("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2 WHERE c RETURNING *");
  EXPECT_EQ(upsert.source.text, "VALUES (1)");
  EXPECT_TRUE(upsert.on_conflict->update);
  EXPECT_EQ(upsert.on_conflict->where->text, "c");
  EXPECT_TRUE(upsert.returning->columns.empty());
  EXPECT_EQ(only<Delete>("DELETE FROM titles").table.text, "titles");
  only<Sync>("SYNC");
  only<Sync>("flush;");
}

TEST(Parser, ManyStatementsWithSpans) {
  std::string_view text = ";;\n-- first\nSYNC ; /* second */ SELECT 1 -- tail\n;\nSHOW ALL";
  std::vector<Statement> statements = parsed(text);
  ASSERT_EQ(statements.size(), 3u);
  EXPECT_EQ(statements[0].text, "SYNC");
  EXPECT_EQ(statements[1].text, "SELECT 1");
  EXPECT_EQ(statements[2].text, "SHOW ALL");
  for (const Statement& statement : statements) EXPECT_EQ(at(text, statement.span), statement.text);
  EXPECT_TRUE(parsed("").empty());
  EXPECT_TRUE(parsed(" -- nothing\n ;").empty());
}

TEST(Parser, CreatedName) {
  EXPECT_EQ(created_name(parsed("CREATE VIEW v AS SELECT 1")[0])->text, "v");
  EXPECT_EQ(created_name(parsed("CREATE MACRO m() AS 1")[0])->text, "m");
  EXPECT_EQ(created_name(parsed("SYNC")[0]), nullptr);
}

}  // namespace
}  // namespace millrace::sql
