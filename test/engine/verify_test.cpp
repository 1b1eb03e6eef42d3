// Copies of a small data directory, each with one file harmed: `verify` names the file, or the start refuses or mends
// it and every answer is as before. Never a wrong answer in silence. MILLRACE_MUTATIONS=n makes n (300).
#include "engine/verify.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "base/metrics.h"
#include "base/simulated_env.h"
#include "engine/node.h"
#include "formats/encoder.h"

namespace millrace::engine {
namespace {

using Files = std::map<std::string, std::string>;

constexpr const char* kPipeline = R"(
  CREATE STREAM s (id BIGINT, k INTEGER) WITH (partitions = 2, key = 'k');
  CREATE MATERIALIZED VIEW counts AS SELECT k, count(*) AS n, sum(id)::BIGINT AS total FROM s GROUP BY k;
  CREATE SINK out FROM counts WITH (connector = 'file', path = '/out.json', format = 'json', mode = 'changes');)";

Result<std::unique_ptr<Node>> open_node(SimulatedEnv& env, Metrics& metrics) {
  NodeOptions options;
  options.data_directory = "/data";
  options.workers = 1;
  return Node::open(env, metrics, options);
}

std::string answer(Node& node, std::string_view text) {
  auto result = node.execute(text);
  if (!result.ok()) return "error: " + result.error().message;
  std::string out;
  for (const auto& batch : result->batches) formats::encode_csv(result->schema, batch, ',', out);
  return out;
}

std::string answers(Node& node) {
  const Status synced = node.sync();
  if (!synced.ok()) return "error: " + synced.error().message;
  return answer(node, "SELECT * FROM counts ORDER BY k") + answer(node, "SELECT id, k FROM s ORDER BY id");
}

bool is_error(const std::string& text) { return text.find("error: ") != std::string::npos; }

void collect(SimulatedEnv& env, const std::string& directory, Files& out) {
  const auto listed = env.files().list(directory);
  ASSERT_TRUE(listed.ok());
  for (const FileInfo& file : *listed) {
    const std::string path = directory + "/" + file.name;
    if (file.is_directory)
      collect(env, path, out);
    else
      out[path] = *env.files().read_all(path);
  }
}

void lay_out(SimulatedEnv& env, const Files& files) {
  for (const auto& [path, bytes] : files) {
    ASSERT_TRUE(env.files().create_directories(path.substr(0, path.rfind('/'))).ok());
    ASSERT_TRUE(env.files().write_atomically(path, bytes).ok());
  }
}

class VerifyTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    SimulatedEnv env(1);
    Metrics metrics;
    auto node = open_node(env, metrics);
    ASSERT_TRUE(node.ok()) << render(node.error());
    ASSERT_TRUE((*node)->apply_pipeline(kPipeline, "/", {}).ok());
    ASSERT_TRUE((*node)->start().ok());
    for (int request = 0; request < 10; ++request) {
      std::vector<std::string> lines;
      for (int i = 0; i < 20; ++i) {
        const int id = request * 20 + i;
        lines.push_back("{\"id\":" + std::to_string(id) + ",\"k\":" + std::to_string(id % 7) + "}");
      }
      const std::vector<std::string_view> views(lines.begin(), lines.end());
      ASSERT_TRUE((*node)->append("s", views, {}).ok());
      ASSERT_TRUE((*node)->sync().ok());
    }
    wanted_ = answers(**node);
    ASSERT_FALSE(is_error(wanted_)) << wanted_;
    ASSERT_TRUE((*node)->stop().ok());
    node->reset();
    collect(env, "/data", sound_);
  }

  static inline Files sound_;
  static inline std::string wanted_;
};

TEST_F(VerifyTest, ASoundDirectoryIsSoundAndIsNotChanged) {
  SimulatedEnv env(2);
  lay_out(env, sound_);
  const auto report = verify_directory(env, "/data", false);
  ASSERT_TRUE(report.ok()) << render(report.error());
  for (const Damage& damage : report->damages) ADD_FAILURE() << damage.path << ": " << damage.what;
  EXPECT_GE(report->last_commit.value, 10U);
  EXPECT_GT(report->state_blocks, 0U);
  Files after;
  collect(env, "/data", after);
  EXPECT_EQ(after, sound_);
}

TEST_F(VerifyTest, ARunningNodeKeepsItOut) {
  SimulatedEnv env(2);
  lay_out(env, sound_);
  Metrics metrics;
  auto node = open_node(env, metrics);
  ASSERT_TRUE(node.ok());
  const auto report = verify_directory(env, "/data", false);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, sqlstate::kObjectInUse);
}

TEST_F(VerifyTest, StateThatIsDamagedIsDroppedAndComputedAgain) {
  Files files = sound_;
  for (auto& [path, bytes] : files) {
    if (path.starts_with("/data/state/MANIFEST"))
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  }
  SimulatedEnv env(3);
  lay_out(env, files);
  auto report = verify_directory(env, "/data", false);
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->damages.size(), 1U);
  EXPECT_EQ(report->damages[0].repair, Repair::kDropState);
  report = verify_directory(env, "/data", true);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->damages.empty());
  EXPECT_EQ(report->repaired.size(), 1U);
  Metrics metrics;
  auto node = open_node(env, metrics);
  ASSERT_TRUE(node.ok()) << render(node.error());
  ASSERT_TRUE((*node)->start().ok());
  EXPECT_EQ(answers(**node), wanted_);
}

/// Harms one file; says how.
std::string mutate(Files& files, std::mt19937_64& random) {
  auto victim = files.begin();
  do {
    victim = std::next(files.begin(), static_cast<std::ptrdiff_t>(random() % files.size()));
  } while (victim->first.ends_with("/LOCK") || victim->first.ends_with("/STARTS"));
  const std::string path = victim->first;
  std::string& bytes = victim->second;
  const uint64_t kind = bytes.empty() ? 3 : random() % 4;
  const size_t at = bytes.empty() ? 0 : random() % bytes.size();
  switch (kind) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      return path + " bit at " + std::to_string(at);
    case 1: {
      const size_t page = at / 512 * 512;
      std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(page),
                bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), page + 512)), '\0');
      return path + " zeros at " + std::to_string(page);
    }
    case 2: bytes.resize(at); return path + " cut to " + std::to_string(at);
    default: files.erase(victim); return path + " removed";
  }
}

TEST_F(VerifyTest, EveryMutationIsFoundOrHarmless) {
  const char* wanted_count = std::getenv("MILLRACE_MUTATIONS");
  const uint64_t count = wanted_count ? std::strtoull(wanted_count, nullptr, 10) : 300;
  uint64_t found = 0;
  uint64_t refused = 0;
  uint64_t harmless = 0;
  for (uint64_t seed = 1; seed <= count; ++seed) {
    std::mt19937_64 random(seed);
    Files files = sound_;
    const std::string how = mutate(files, random);
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + how);
    SimulatedEnv env(seed);
    lay_out(env, files);
    const auto report = verify_directory(env, "/data", false);
    const bool seen = !report.ok() || !report->damages.empty();
    found += seen;
    // Whatever verify says, a start must not answer wrongly.
    Metrics metrics;
    auto node = open_node(env, metrics);
    Status started = node.ok() ? (*node)->start() : Status(node.error());
    const std::string got = started.ok() ? answers(**node) : "error: " + started.error().message;
    refused += is_error(got);
    if (!is_error(got)) {
      ASSERT_EQ(got, wanted_) << "a wrong answer" << (seen ? ", though verify found it" : "");
    }
    harmless += !seen && got == wanted_;
    if (!seen) {
      ASSERT_FALSE(is_error(got)) << "the start found what verify did not: " << got;
    }
  }
  std::printf("%llu mutations: verify found %llu, the start refused %llu, %llu hurt nothing\n",
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(found),
              static_cast<unsigned long long>(refused), static_cast<unsigned long long>(harmless));
  EXPECT_GT(found, count / 2);
}

}  // namespace
}  // namespace millrace::engine
