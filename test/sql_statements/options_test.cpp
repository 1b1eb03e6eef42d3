#include "sql/options.h"

#include <gtest/gtest.h>

#include "sql/suggest.h"
#include "sql_statements/statements.h"

namespace millrace::sql {
namespace {

OptionRegistry registry_with_file() {
  OptionRegistry registry;
  OptionGroup file{"file", "files", true, true};
  file.source_options = {{"path", OptionKind::kText, "", "the file to read", {}, true}};
  file.sink_options = {{"path", OptionKind::kText, "", "the folder to write to", {}, true},
                       {"roll_size", OptionKind::kSize, "128 MB", "a file is closed at this size"}};
  file.default_format = "json";
  registry.add_connector(std::move(file));
  return registry;
}

Result<Options> check(std::string_view text) {
  static const OptionRegistry registry = registry_with_file();
  Statement statement = statement_of(text);
  if (const auto* create = std::get_if<CreateStream>(&statement.body))
    return registry.check(ObjectKind::kStream, create->name, create->options);
  if (const auto* create = std::get_if<CreateSink>(&statement.body))
    return registry.check(ObjectKind::kSink, create->name, create->options);
  const auto& create = std::get<CreateMaterializedView>(statement.body);
  return registry.check(ObjectKind::kMaterializedView, create.name, create.options);
}

Result<Options> stream(const std::string& options) { return check("CREATE STREAM s (a INT) WITH (" + options + ")"); }

TEST(Options, DefaultsAreFilledIn) {
  Result<Options> options = check("CREATE STREAM s (a INT)");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->text("connector"), "log");
  EXPECT_EQ(options->text("format"), "json");
  EXPECT_EQ(options->integer("partitions"), 1);
  EXPECT_FALSE(options->duration("retention"));
  EXPECT_EQ(options->duration("idle_timeout"), Duration::from_seconds(10));
  EXPECT_FALSE(options->has("load"));
  EXPECT_TRUE(options->text("load").empty());
  EXPECT_FALSE(options->values().at("format").given);
}

TEST(Options, ValuesAreTyped) {
  Result<Options> options = stream(
      "partitions = 4, retention = '7 days', retention_size = '1 GiB', key = 'a, \"B c\"', message_id = m, format = "
      "'CSV', "
      "header = off, idle_timeout = none, load = ''");
  ASSERT_TRUE(options.ok()) << options.error().message;
  EXPECT_EQ(options->integer("partitions"), 4);
  EXPECT_EQ(options->duration("retention"), Duration::from_seconds(7 * 86400));
  EXPECT_EQ(options->integer("retention_size"), 1 << 30);
  EXPECT_EQ(options->columns("key"), (std::vector<std::string>{"a", "B c"}));
  EXPECT_EQ(options->text("message_id"), "m");
  EXPECT_EQ(options->text("format"), "csv");
  EXPECT_FALSE(options->boolean("header"));
  EXPECT_EQ(options->text("delimiter"), ",");
  EXPECT_FALSE(options->duration("idle_timeout"));
  EXPECT_FALSE(options->has("load"));
  EXPECT_TRUE(options->values().at("partitions").given);
}

struct Case {
  const char* text;
  const char* message;
  const char* hint;
  const char* marked;
};

TEST(Options, Mistakes) {
  const Case cases[] = {
      {"CREATE STREAM s (a INT) WITH (fromat = 'json')", "unknown option of a stream with connector log: fromat",
       "did you mean format?", "fromat"},
      {"CREATE STREAM s (a INT) WITH (path = 'x')", "unknown option of a stream with connector log: path",
       "takes: connector, format, partitions", "path"},
      {"CREATE STREAM s (a INT) WITH (connector = 'fiel')", "unknown connector: fiel",
       "did you mean file? known ones: log and file", "'fiel'"},
      {"CREATE STREAM s (a INT) WITH (format = parquet)", "the format only writes: parquet", "json", "parquet"},
      {"CREATE STREAM s (a INT) WITH (connector = file)", "a stream with connector file needs the option path",
       "the file to read", "s"},
      {"CREATE STREAM s (a INT) WITH (connector = file, path = '')",
       "a stream with connector file needs the option path", "the file to read", "s"},
      {"CREATE STREAM s (a INT) WITH (partitions = 0)", "the setting partitions takes", "", "0"},
      {"CREATE STREAM s (a INT) WITH (partitions = 'many')", "the setting partitions takes", "fixed at creation",
       "'many'"},
      {"CREATE STREAM s (a INT) WITH (retention = '7')", "the setting retention takes", "", "'7'"},
      {"CREATE STREAM s (a INT) WITH (retention = '1 ms')", "the option retention is too small: 1 ms",
       "the least is 1 s", "'1 ms'"},
      {"CREATE STREAM s (a INT) WITH (retention_size = '1 kB')", "the option retention_size is too small: 1 kB",
       "the least is 1 MiB", "'1 kB'"},
      {"CREATE STREAM s (a INT) WITH (format = csv, header = 2)", "the setting header takes", "", "2"},
      {"CREATE MATERIALIZED VIEW v WITH (on_error = halt) AS SELECT 1", "the option on_error cannot be halt",
       "continue or stop", "halt"},
      {"CREATE SINK k FROM v", "a sink needs the option connector", "where the rows go", "k"},
      {"CREATE SINK k FROM v WITH (connector = log)", "the connector only reads: log", "file", "log"},
      {"CREATE SINK k FROM v WITH (connector = file, path = x, mode = upset)", "the option mode cannot be upset",
       "did you mean upsert?", "upset"},
  };
  for (const Case& one : cases) {
    std::string_view text = one.text;
    Result<Options> options = check(text);
    if (options.ok()) {
      ADD_FAILURE() << "no error: " << text;
      continue;
    }
    const Error& error = options.error();
    EXPECT_EQ(error.code, sqlstate::kInvalidParameter) << text;
    EXPECT_NE(error.message.find(one.message), std::string::npos) << error.message << " / " << one.message;
    EXPECT_NE(error.hint.find(one.hint), std::string::npos) << error.hint << " / " << one.hint;
    ASSERT_TRUE(error.position) << text;
    EXPECT_EQ(text.substr(error.position->offset, error.position->length), one.marked) << text;
  }
}

TEST(Options, AConnectorBringsItsOwn) {
  Result<Options> options =
      check("CREATE SINK k FROM v WITH (connector = 'file', path = 'out', roll_size = '1 MB', every = '5 s')");
  ASSERT_TRUE(options.ok()) << options.error().message;
  EXPECT_EQ(options->integer("roll_size"), 1000000);
  EXPECT_EQ(options->text("format"), "json");
  EXPECT_EQ(options->duration("every"), Duration::from_seconds(5));
  EXPECT_FALSE(options->has("mode"));
}

TEST(Options, EveryDefaultFitsItsOwnSpec) {
  OptionRegistry registry = registry_with_file();
  for (ObjectKind kind : {ObjectKind::kStream, ObjectKind::kTable, ObjectKind::kMaterializedView, ObjectKind::kSink}) {
    for (const OptionGroup& connector : registry.connectors()) {
      for (const OptionGroup& format : registry.formats()) {
        for (const OptionSpec& spec : registry.specs(kind, &connector, &format)) {
          EXPECT_FALSE(spec.doc.empty()) << spec.name;
          if (spec.default_text.empty()) continue;
          Option option;
          option.name = spec.name;
          option.value = spec.default_text;
          if (spec.name == "format" && !connector.writes && kind == ObjectKind::kSink) continue;
          Result<OptionValue> value = check_option(spec, option);
          EXPECT_TRUE(value.ok()) << spec.name << ": " << value.error().message;
        }
      }
    }
  }
}

TEST(Suggest, FindsWhatWasMeant) {
  const std::vector<std::string> names = {"plays", "title_time", "Hours", "hours_of_day", "x"};
  EXPECT_EQ(closest_name("play", names), "plays");
  EXPECT_EQ(closest_name("palys", names), "plays");
  EXPECT_EQ(closest_name("hour", names), "Hours");
  EXPECT_EQ(closest_name("tite_tme", names), "title_time");
  EXPECT_EQ(closest_name("zebra", names), std::nullopt);
  EXPECT_EQ(closest_name("y", names), std::nullopt);
  EXPECT_EQ(closest_name("", names), std::nullopt);
  EXPECT_EQ(did_you_mean("plaus", names), "did you mean plays?");
  EXPECT_EQ(enumerate({"a", "b", "c"}), "a, b and c");
  EXPECT_EQ(enumerate({"a"}), "a");
  EXPECT_EQ(enumerate({}), "");
}

}  // namespace
}  // namespace millrace::sql
