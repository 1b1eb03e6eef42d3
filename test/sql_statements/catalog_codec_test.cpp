#include <gtest/gtest.h>

#include <random>

#include "base/bytes.h"
#include "base/hash.h"
#include "sql/catalog.h"
#include "sql_statements/statements.h"

namespace millrace::sql {
namespace {

Catalog sample() {
  OptionRegistry registry;
  OptionGroup file{"file", "files", true, true};
  file.sink_options = {{"roll_size", OptionKind::kSize, "1 MB", "size"},
                       {"every_row", OptionKind::kBoolean, "off", "flag"}};
  file.default_format = "csv";
  registry.add_connector(std::move(file));
  Catalog catalog;
  auto run = [&](std::string_view text, BoundObject bound = {}) {
    Result<CatalogChange> change = catalog.apply(statement_of(text), registry, std::move(bound));
    EXPECT_TRUE(change.ok()) << change.error().message;
  };
  run("CREATE STREAM plays (\"größe\" DECIMAL(10,2) NOT NULL, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (key = ts, "
      "retention = '1 day')");
  run("CREATE TABLE t (a INT, b INT, PRIMARY KEY (b, a))");
  run("CREATE VIEW v (x) AS SELECT 1", BoundObject{{"plays"}, {{"x", "INTEGER", true}}, {}, {}, {}, {}});
  run("CREATE MATERIALIZED VIEW m WITH (on_error = stop) AS SELECT * FROM v EMIT FINAL ALLOW LATENESS '1 hour'",
      BoundObject{
          {"v", "plays"},
          {{"x", "INTEGER"}},
          {"x"},
          {OperatorId(1), OperatorId(9)},
          std::string("\0\xFF plan", 7),
          {}});
  run("CREATE SINK s FROM m WITH (connector = file, every_row = true)");
  run("CREATE MACRO f(a) AS a + 1");
  run("DROP SINK s");
  run("CREATE SINK s2 FROM m WITH (connector = file)");
  BoundObject started{{"plays"}, {{"x", "INTEGER"}}, {}, {OperatorId(9), OperatorId(11)}, "plan", {}, {}};
  started.starts = {{catalog.find("plays")->stream, {Offset(0), Offset(1), Offset(int64_t{1} << 40)}}};
  run("CREATE MATERIALIZED VIEW late_one WITH (start = now) AS SELECT * FROM plays", std::move(started));
  BoundObject added;
  added.default_value = "{\"c\":1}";
  run("ALTER STREAM plays ADD COLUMN c INT DEFAULT 1", std::move(added));
  catalog.set_added_since([](const CatalogObject&) { return std::vector<Offset>{Offset(7)}; });
  run("ALTER STREAM plays ADD d INT");
  return catalog;
}

/// `payload` in a file whose length and checksum fit.
std::string with_header(std::string_view payload) {
  std::string out = "MRCT";
  append_little<uint16_t>(out, 2);
  append_little<uint16_t>(out, 0);
  append_little<uint32_t>(out, static_cast<uint32_t>(payload.size()));
  append_little<uint32_t>(out, crc32c(payload));
  return out + std::string(payload);
}

TEST(CatalogCodec, RoundTrip) {
  Catalog catalog = sample();
  std::string bytes = catalog.encode();
  Result<Catalog> again = Catalog::decode(bytes);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE(*again == catalog);
  EXPECT_EQ(again->encode(), bytes);
  EXPECT_EQ(again->find("plays")->columns[0].name, "größe");
  EXPECT_EQ(again->find("m")->allowed_lateness, Duration::from_seconds(3600));
  EXPECT_EQ(again->find("m")->plan.size(), 7u);
  EXPECT_EQ(again->find("late_one")->starts.at(0).offsets.at(2), Offset(int64_t{1} << 40));
  EXPECT_EQ(again->find("plays")->added.at(0).since, std::vector<Offset>{Offset(7)});
  EXPECT_EQ(again->next_stream(), catalog.next_stream());
  Result<Catalog> empty = Catalog::decode(Catalog().encode());
  ASSERT_TRUE(empty.ok());
  EXPECT_TRUE(*empty == Catalog());
}

TEST(CatalogCodec, ALoadedCatalogKnowsTheSamePipeline) {
  Result<Catalog> again = Catalog::decode(sample().encode());
  ASSERT_TRUE(again.ok());
  Result<CatalogChange> change =
      again->check(statement_of("CREATE TABLE t (a INT, b INT, PRIMARY KEY (b, a))"), OptionRegistry());
  ASSERT_TRUE(change.ok()) << change.error().message;
  EXPECT_EQ(change->action, CatalogChange::Action::kNone);
}

TEST(CatalogCodec, EveryDamageIsSeen) {
  std::string bytes = sample().encode();
  for (size_t i = 0; i < bytes.size(); ++i) {
    Result<Catalog> cut = Catalog::decode(std::string_view(bytes).substr(0, i));
    ASSERT_FALSE(cut.ok()) << i;
    EXPECT_EQ(cut.error().code, sqlstate::kDataCorrupted) << i;
    EXPECT_FALSE(cut.error().hint.empty()) << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      ASSERT_FALSE(Catalog::decode(changed).ok()) << i << ' ' << bit;
    }
  }
  EXPECT_FALSE(Catalog::decode(bytes + "x").ok());
}

TEST(CatalogCodec, AnotherVersionIsRefusedWithTheWayOut) {
  std::string bytes = sample().encode();
  bytes[4] = 7;
  Result<Catalog> result = Catalog::decode(bytes);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, sqlstate::kNotSupported);
  EXPECT_NE(result.error().message.find("7"), std::string::npos);
  EXPECT_NE(result.error().hint.find("reads versions 1 to 2"), std::string::npos);
}

TEST(CatalogCodec, BytesWithAFittingChecksumAreStillChecked) {
  std::string payload = sample().encode().substr(16);
  size_t taken = 0;
  for (size_t i = 0; i < payload.size(); ++i) {
    EXPECT_FALSE(Catalog::decode(with_header(payload.substr(0, i))).ok()) << i;
    for (int value : {0, 1, 2, 0x7F, 0x80, 0xFF}) {
      std::string changed = payload;
      changed[i] = static_cast<char>(value);
      Result<Catalog> result = Catalog::decode(with_header(changed));
      if (!result.ok()) continue;
      ++taken;  // a letter of a name may change; what is taken must be whole
      Result<Catalog> again = Catalog::decode(result->encode());
      ASSERT_TRUE(again.ok());
      EXPECT_TRUE(*again == *result);
    }
  }
  EXPECT_GT(taken, 0u);
}

TEST(CatalogCodec, RandomBytes) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(random() % 200, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_FALSE(Catalog::decode(bytes).ok());
    Result<Catalog> inside = Catalog::decode(with_header(bytes));
    EXPECT_TRUE(!inside.ok() || inside->objects().empty());
  }
}

}  // namespace
}  // namespace millrace::sql
