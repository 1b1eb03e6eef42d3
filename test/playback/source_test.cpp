#include "connectors/playback/source.h"

#include <gtest/gtest.h>

#include "base/simulated_env.h"
#include "playback/playback_run.h"
#include "sql/options.h"
#include "sql/statement.h"

namespace millrace::connectors::playback {
namespace {

sql::Options checked(int64_t unit_ms, bool faults) {
  sql::Options options;
  for (const sql::OptionSpec& spec : option_group().source_options) {
    sql::Option option;
    option.name = spec.name;
    option.value = spec.name == "unit_ms"  ? std::to_string(unit_ms)
                   : spec.name == "faults" ? (faults ? "true" : "false")
                   : spec.name == "path"   ? "titles.csv"
                                           : spec.default_text;
    auto value = sql::check_option(spec, option);
    EXPECT_TRUE(value.ok()) << spec.name;
    if (value.ok()) options.set(spec.name, *value);
  }
  return options;
}

std::vector<std::string> read_all(RecordSource& source, size_t bytes_wanted) {
  std::vector<std::string> records;
  uint64_t position = 0;
  for (;;) {
    const auto chunk = source.read(bytes_wanted);
    EXPECT_TRUE(chunk.ok());
    if (!chunk.ok() || chunk->end) return records;
    EXPECT_EQ(chunk->first_position, position);
    EXPECT_FALSE(chunk->records.empty());
    for (const std::string_view record : chunk->records) {
      records.emplace_back(record);
      position += record.size() + 1;
    }
  }
}

TEST(PlaybackSource, GivesTheLinesOfTheGenerator) {
  SimulatedEnv env(1);
  ASSERT_TRUE(env.files().create_directories("/pipeline").ok());
  ASSERT_TRUE(env.files().write_atomically("/pipeline/titles.csv", small_titles()).ok());
  SourceSetup setup;
  setup.env = &env;
  setup.base_directory = "/pipeline";
  setup.options = checked(100'000, true);
  auto generated = small_options(1, 100'000);
  generated.decoy_titles = Options().decoy_titles;
  generated.unknown_sessions = Options().unknown_sessions;
  const GeneratedRun run = run_generator(generated);
  const auto lines = split_lines(run.events);
  for (const size_t bytes_wanted : {size_t{1}, size_t{4'000}, size_t{10} << 20}) {
    auto source = open_source(setup);
    ASSERT_TRUE(source.ok()) << render(source.error());
    EXPECT_EQ(read_all(**source, bytes_wanted), std::vector<std::string>(lines.begin(), lines.end()));
  }
}

TEST(PlaybackSource, AMissingTitlesFileIsAnError) {
  SimulatedEnv env(1);
  SourceSetup setup;
  setup.env = &env;
  setup.base_directory = "/pipeline";
  setup.options = checked(100'000, false);
  EXPECT_FALSE(open_source(setup).ok());
}

}  // namespace
}  // namespace millrace::connectors::playback
