// What `verify` says of a small data directory, and what each of its repairs does. Random harm to every kind of file is
// in damage_test.cpp.
#include "engine/verify.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

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

TEST_F(VerifyTest, AStreamFileThatIsGoneIsNamedAndNoStartMakesItAnew) {
  int gone = 0;
  for (const auto& entry : sound_) {
    const std::string& path = entry.first;
    if (!path.starts_with("/data/log/") || !path.ends_with("/stream")) continue;
    ++gone;
    Files files = sound_;
    files.erase(path);
    SimulatedEnv env(6);
    lay_out(env, files);
    const auto report = verify_directory(env, "/data", false);
    ASSERT_TRUE(report.ok());
    ASSERT_FALSE(report->damages.empty()) << path;
    EXPECT_TRUE(path.starts_with(report->damages[0].path)) << path << ": " << report->damages[0].path;
    Metrics metrics;
    const auto node = open_node(env, metrics);
    ASSERT_FALSE(node.ok()) << path;
    EXPECT_NE(node.error().message.find(path), std::string::npos) << render(node.error());
    EXPECT_NE(node.error().hint.find("millrace verify"), std::string::npos) << render(node.error());
  }
  EXPECT_GE(gone, 4) << "commits, a stream, its dead letters, a view's companions";
}

class RepairTest : public VerifyTest {
 protected:
  /// Looks, repairs, and asks that afterwards nothing is wrong; what was found first.
  static std::vector<Damage> repair(SimulatedEnv& env) {
    const auto report = verify_directory(env, "/data", true);
    EXPECT_TRUE(report.ok()) << render(report.error());
    if (!report.ok()) return {};
    for (const Damage& damage : report->damages) ADD_FAILURE() << damage.path << ": " << damage.what;
    return report->repaired;
  }
  static std::string answers_after_start(SimulatedEnv& env) {
    Metrics metrics;
    auto node = open_node(env, metrics);
    if (!node.ok()) return "error: " + render(node.error());
    const Status started = (*node)->start();
    return started.ok() ? answers(**node) : "error: " + render(started.error());
  }
  /// The one file whose path has this ending, and the most bytes.
  static std::string find(const Files& files, const std::string& folder, const std::string& ending) {
    std::string found;
    for (const auto& [path, bytes] : files) {
      const bool fits = path.starts_with(folder) && path.ends_with(ending);
      if (fits && (found.empty() || bytes.size() > files.at(found).size())) found = path;
    }
    EXPECT_FALSE(found.empty()) << folder << " " << ending;
    return found;
  }
};

TEST_F(RepairTest, AStateLogThatIsCutIsNamedAndTheCommitsRunAgain) {
  Files files = sound_;
  std::string& log = files[find(files, "/data/state/", ".log")];
  log.resize(log.size() / 2);
  SimulatedEnv env(4);
  lay_out(env, files);
  const std::vector<Damage> found = repair(env);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].path, "/data/state");
  EXPECT_EQ(found[0].repair, Repair::kReplay) << found[0].what;
  EXPECT_EQ(answers_after_start(env), wanted_);
}

TEST_F(RepairTest, AnIndexThatIsDamagedIsRemovedAndMadeAgain) {
  Files files = sound_;
  const std::string path = find(files, "/data/log/00000001/", ".idx");
  files[path][files[path].size() / 2] ^= 4;
  SimulatedEnv env(5);
  lay_out(env, files);
  const std::vector<Damage> found = repair(env);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].path, path);
  EXPECT_EQ(found[0].repair, Repair::kRemoveFile);
  EXPECT_FALSE(*env.files().exists(path));
  EXPECT_EQ(answers_after_start(env), wanted_);
}

TEST_F(RepairTest, AWriteThatWasCutIsNamedAndCutOff) {
  Files files = sound_;
  const std::string path = find(files, "/data/log/00000001/", ".seg");
  const size_t whole = files[path].size();
  files[path] += "MRF1 and no more of a frame";
  SimulatedEnv env(6);
  lay_out(env, files);
  const std::vector<Damage> found = repair(env);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].path, path);
  EXPECT_EQ(found[0].repair, Repair::kCutTail);
  EXPECT_EQ(found[0].first, whole);
  EXPECT_EQ(env.files().read_all(path)->size(), whole);
  EXPECT_EQ(answers_after_start(env), wanted_);
}

TEST_F(RepairTest, ATailThatCommitsReferToIsNeverCut) {
  Files files = sound_;
  const std::string path = find(files, "/data/log/00000001/", ".seg");
  files.erase(path.substr(0, path.size() - 4) + ".idx");  // which would say that it was acked
  files[path].resize(files[path].size() - 10);
  SimulatedEnv env(7);
  lay_out(env, files);
  const auto report = verify_directory(env, "/data", true);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->repaired.empty());
  EXPECT_GE(report->damages.size(), 2U);
  EXPECT_EQ(env.files().read_all(path)->size(), files[path].size());
  EXPECT_TRUE(is_error(answers_after_start(env)));
}

}  // namespace
}  // namespace millrace::engine
