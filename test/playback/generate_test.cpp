#include "connectors/generate.h"

#include <gtest/gtest.h>

#include "base/simulated_env.h"
#include "playback/playback_run.h"

namespace millrace::connectors::playback {
namespace {

GeneratePlayback small_command() {
  GeneratePlayback command;
  command.titles_path = "/titles.csv";
  command.out_dir = "/data/run";
  command.options = small_options();
  command.options.titles_csv.clear();
  return command;
}

TEST(GenerateCommand, WritesEveryPart) {
  SimulatedEnv env(1);
  ASSERT_TRUE(env.files().write_atomically("/titles.csv", small_titles()).ok());
  const auto manifest = generate_playback(env, small_command());
  ASSERT_TRUE(manifest.ok()) << render(manifest.error());
  const GeneratedRun run = run_generator(small_options());
  const auto read = [&](const char* name) {
    auto text = env.files().read_all(std::string("/data/run/") + name);
    EXPECT_TRUE(text.ok()) << name;
    return text.ok() ? *text : std::string();
  };
  EXPECT_EQ(read("events.ndjson"), run.events);
  EXPECT_EQ(read("catalogue.ndjson"), run.catalogue);
  EXPECT_EQ(read("truth.csv"), run.truth);
  EXPECT_EQ(read("truth_week.csv"), run.truth_week);
  EXPECT_EQ(read("truth_asof.csv"), run.truth_asof);
  EXPECT_EQ(read("manifest.json"), run.manifest_json);
  EXPECT_EQ(manifest->sha256_events, run.manifest.sha256_events);
}

TEST(GenerateCommand, ASinkTakesTheEventsInstead) {
  SimulatedEnv env(1);
  ASSERT_TRUE(env.files().write_atomically("/titles.csv", small_titles()).ok());
  GeneratePlayback command = small_command();
  std::string events;
  command.events_sink = [&](std::string_view chunk) -> Status {
    events += chunk;
    return {};
  };
  ASSERT_TRUE(generate_playback(env, command).ok());
  EXPECT_EQ(events, run_generator(small_options()).events);
  EXPECT_FALSE(*env.files().exists("/data/run/events.ndjson"));
  EXPECT_TRUE(*env.files().exists("/data/run/manifest.json"));

  command.out_dir.clear();
  events.clear();
  ASSERT_TRUE(generate_playback(env, command).ok());
  EXPECT_FALSE(events.empty());
}

TEST(GenerateCommand, ReportsWhatIsMissing) {
  SimulatedEnv env(1);
  auto missing = generate_playback(env, small_command());
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message.find("titles.csv"), std::string::npos) << missing.error().message;
  GeneratePlayback nowhere = small_command();
  nowhere.out_dir.clear();
  auto result = generate_playback(env, nowhere);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, sqlstate::kInvalidParameter);
}

}  // namespace
}  // namespace millrace::connectors::playback
