// Copies of small data directories, each with one file harmed: `verify` names the file, or the bytes meant nothing;
// a start refuses with a reason that leads to `verify`, or every answer is as before; a repair leads to a node that
// opens. Nothing is wrong in silence, nothing crashes or hangs, and no start fails for ever without safe mode.
//
// MILLRACE_MUTATIONS=n makes n (300; 20,000 with MILLRACE_FAULT=hand), of seeds from MILLRACE_SEED (1) on: one alone is
// MILLRACE_SEED=s MILLRACE_MUTATIONS=1.
#include <gtest/gtest.h>

#include <cstdlib>
#include <mutex>
#include <thread>

#include "base/paths.h"
#include "engine/child_process.h"
#include "engine/damage_images.h"
#include "engine/damage_mutation.h"
#include "engine/savepoint.h"
#include "engine/verify.h"

namespace millrace::engine {
namespace {

uint64_t number_of(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string packed(const Files& files) {
  std::string out;
  for (const auto& [path, bytes] : files) {
    for (const std::string* part : {&path, &bytes}) out += std::to_string(part->size()) + " " + *part;
  }
  return out;
}

Files unpacked(const std::string& text) {
  Files files;
  size_t at = 0;
  const auto next = [&] {
    const size_t space = text.find(' ', at);
    const size_t length = std::stoul(text.substr(at, space - at));
    at = space + 1 + length;
    return text.substr(space + 1, length);
  };
  while (at < text.size()) {
    const std::string path = next();
    files[path] = next();
  }
  return files;
}

/// A savepoint is looked at as the directory that is restored from it.
Status restore(SimulatedEnv& env) {
  MR_TRY(restore_savepoint(env, "/data/savepoints/one", "/restored"));
  MR_TRY(env.files().remove_recursively("/data"));
  MR_TRY(env.files().remove_recursively("/out"));
  return env.files().rename("/restored", "/data");
}

struct Started {
  std::string answers;
  std::string contradiction;
  std::string committed_rows;
};

Started start(SimulatedEnv& env) {
  ImageNode node(env);
  const Status opened = node.open();
  if (!opened.ok()) return {"error: " + render(opened.error()), {}, {}};
  if (const std::string reason = node.node().status().safe_mode; !reason.empty()) return {"error: safe mode", {}, {}};
  Started started;
  started.answers = node.answers();
  started.contradiction = node.contradiction();
  started.committed_rows = node.committed_rows();
  return started;
}

/// What became of one mutation: marks for the tally, then what is wrong with it.
struct Verdict {
  bool seen = false;      ///< verify found something
  bool refused = false;   ///< the start, or an answer, is an error
  bool cut = false;       ///< events at a torn end are gone, and verify named them
  bool repaired = false;  ///< a repair was offered, and helped
  std::string failure;

  std::string text() const {
    std::string marks;
    for (const bool mark : {seen, refused, cut, repaired}) marks += mark ? '1' : '0';
    return marks + failure;
  }
  static Verdict of(const std::string& text) {
    return {text[0] == '1', text[1] == '1', text[2] == '1', text[3] == '1', text.substr(4)};
  }
};

class Judge {
 public:
  Judge(const Mutation& mutation, const Started& wanted, uint64_t seed)
      : mutation_(mutation), wanted_(wanted), seed_(seed) {}

  Verdict run() {
    verify();
    if (verdict_.failure.empty()) start_as_it_is();
    if (verdict_.failure.empty() && repairable_) start_repaired();
    return verdict_;
  }

 private:
  std::unique_ptr<SimulatedEnv> fresh() const {
    auto env = std::make_unique<SimulatedEnv>(seed_);
    lay_out(*env, mutation_.files);
    return env;
  }
  void fail(const std::string& why) {
    verdict_.failure += why + "\n";
    for (const Damage& damage : report_.damages) {
      verdict_.failure += "verify: " + damage.path + " " + std::to_string(damage.first) + " to " +
                          std::to_string(damage.end) + ": " + damage.what + "\n";
    }
  }

  void verify() {
    const auto env = fresh();
    Files before;
    collect(*env, "/data", before);
    const auto report = verify_directory(*env, "/data", false);
    if (!report.ok()) return fail("verify itself fails: " + render(report.error()));
    report_ = *report;
    verdict_.seen = !report_.damages.empty();
    Files after;
    collect(*env, "/data", after);
    before.erase("/data/LOCK");
    after.erase("/data/LOCK");
    if (before != after) fail("verify changed files");
    bool named = !verdict_.seen;
    for (const Damage& damage : report_.damages) {
      repairable_ = repairable_ || damage.repair != Repair::kNone;
      torn_ = torn_ || damage.repair == Repair::kCutTail;
      // The file, or its folder when the file's own bytes cannot say more.
      named = named || damage.path == mutation_.path || damage.path == mutation_.other ||
              mutation_.path.starts_with(damage.path + "/");
    }
    if (!named) fail("verify names other files only");
  }

  /// Judges what a start gave. `lost`: events may be gone, as verify said.
  void judge(const Started& got, bool lost, const std::string& when) {
    if (got.answers == wanted_.answers) return;
    if (is_error(got.answers)) {
      verdict_.refused = true;
      const bool leads = got.answers.find("verify") != std::string::npos;
      if (!verdict_.seen) return fail(when + " found what verify did not:\n" + got.answers);
      if (!leads) return fail(when + " is refused without a word of verify:\n" + got.answers);
      return;
    }
    const bool consistent = got.contradiction.empty() && got.committed_rows == wanted_.committed_rows;
    verdict_.cut = lost && consistent;
    if (!verdict_.cut) {
      fail(when + " answers wrongly" + (verdict_.seen ? ", though verify found it" : "") + ":\n" + got.answers +
           "\ninstead of:\n" + wanted_.answers + got.contradiction);
    }
  }

  void start_as_it_is() {
    const auto env = fresh();
    if (mutation_.in_savepoint()) {
      judge(start(*env), false, "a start beside the savepoint");
      const auto other = fresh();
      const Status restored = restore(*other);
      if (!restored.ok()) {
        verdict_.refused = true;
        if (!verdict_.seen) fail("the restore found what verify did not: " + render(restored.error()));
        return;
      }
      return;  // what is restored is judged by another run of verify and start
    }
    const Started got = start(*env);
    judge(got, torn_, "the start");
    if (verdict_.failure.empty() && got.answers.starts_with("error: ")) fail_again(*env);
  }

  /// Starts that fail again and again end in safe mode or keep saying why.
  void fail_again(SimulatedEnv& env) {
    for (int attempt = 0; attempt < 3; ++attempt) {
      const Started got = start(env);
      if (!is_error(got.answers)) return judge(got, torn_, "a later start");
    }
  }

  void start_repaired() {
    const auto env = fresh();
    const auto report = verify_directory(*env, "/data", true);
    if (!report.ok()) return fail("the repair fails: " + render(report.error()));
    if (!report->damages.empty()) return;  // some of it only a copy can mend
    const Started got = start(*env);
    if (is_error(got.answers)) return fail("after the repair:\n" + got.answers);
    verdict_.repaired = true;
    judge(got, torn_, "the repaired node");
  }

  const Mutation& mutation_;
  const Started& wanted_;
  const uint64_t seed_;
  VerifyReport report_;
  Verdict verdict_;
  bool repairable_ = false;
  bool torn_ = false;
};

struct Tally {
  uint64_t mutations = 0;
  uint64_t found = 0;
  uint64_t refused = 0;
  uint64_t cut = 0;
  uint64_t repaired = 0;
  uint64_t harmless = 0;
};

class DamageTest : public ::testing::Test {
 protected:
  struct Sound {
    Files files;
    Started wanted;
  };

  static void SetUpTestSuite() {
    for (const Image image : kImages) {
      Sound& sound = sound_[image];
      const auto made = in_child([&] { return packed(make_image(image)); });
      ASSERT_TRUE(made.has_value()) << "the image cannot be made: " << name_of(image);
      sound.files = unpacked(*made);
      const auto started = in_child([&] {
        SimulatedEnv env(1);
        lay_out(env, sound.files);
        const Started got = start(env);
        return packed({{"1", got.answers}, {"2", got.contradiction}, {"3", got.committed_rows}});
      });
      ASSERT_TRUE(started.has_value());
      Files parts = unpacked(*started);
      sound.wanted = {parts["1"], parts["2"], parts["3"]};
    }
  }

  static inline std::map<Image, Sound> sound_;
};

TEST_F(DamageTest, ImagesAreSoundAndHaveEveryKindOfFile) {
  std::set<std::string> kinds;
  for (const auto& [image, sound] : sound_) {
    SCOPED_TRACE(name_of(image));
    for (const auto& [path, bytes] : sound.files) kinds.insert(kind_of(path, bytes));
    EXPECT_FALSE(is_error(sound.wanted.answers)) << sound.wanted.answers;
    EXPECT_EQ(sound.wanted.contradiction, "");
    SimulatedEnv env(2);
    lay_out(env, sound.files);
    const auto report = verify_directory(env, "/data", false);
    ASSERT_TRUE(report.ok()) << render(report.error());
    for (const Damage& damage : report->damages) ADD_FAILURE() << damage.path << ": " << damage.what;
    EXPECT_GE(report->last_commit.value, 10U);
    EXPECT_GT(report->state_blocks, 0U);
  }
  for (const char* kind :
       {"segment", "compacted segment", "index", "stream file", "commits' segment", "commits' index", "state table",
        "state log", "state MANIFEST", "state CURRENT", "catalog", "VERSION", "IDENTITY", "loads",
        "savepoint's segment", "savepoint's SAVEPOINT", "savepoint's state table"}) {
    EXPECT_TRUE(kinds.contains(kind)) << kind;
  }
  if (HasFailure()) {
    for (const std::string& kind : kinds) std::printf("%s\n", kind.c_str());
  }
}

TEST_F(DamageTest, EveryMutationIsFoundOrMeansNothing) {
  const char* size = std::getenv("MILLRACE_FAULT");
  const uint64_t count = number_of("MILLRACE_MUTATIONS", size && std::string(size) == "hand" ? 20000 : 300);
  const uint64_t first = number_of("MILLRACE_SEED", 1);
  std::map<std::string, Tally> tallies;
  uint64_t failures = 0;
  for (uint64_t seed = first; seed < first + count && failures < number_of("MILLRACE_FAILURES_MAX", 10); ++seed) {
    const Image image = kImages[seed % std::size(kImages)];
    const Sound& sound = sound_[image];
    const Mutation mutation = mutate(sound.files, seed);
    const auto text = in_child([&] { return Judge(mutation, sound.wanted, seed).run().text(); });
    const Verdict verdict = text ? Verdict::of(*text) : Verdict{.failure = "it crashed or did not end"};
    for (const std::string& row : {mutation.kind, std::string("all")}) {
      Tally& tally = tallies[row];
      ++tally.mutations;
      tally.found += verdict.seen;
      tally.refused += verdict.refused;
      tally.cut += verdict.cut;
      tally.repaired += verdict.repaired;
      tally.harmless += !verdict.seen && !verdict.refused;
    }
    if (verdict.failure.empty()) continue;
    ++failures;
    ADD_FAILURE() << "seed " << seed << ", " << name_of(image) << ": " << mutation.text << "\n" << verdict.failure;
  }
  std::printf("%-36s %9s %9s %9s %9s %9s %9s\n", "kind", "mutations", "found", "refused", "cut", "repaired",
              "harmless");
  for (const auto& [kind, tally] : tallies) {
    std::printf("%-36s %9lu %9lu %9lu %9lu %9lu %9lu\n", kind.c_str(), tally.mutations, tally.found, tally.refused,
                tally.cut, tally.repaired, tally.harmless);
  }
  std::printf("%lu mutations, seeds from %lu\n", tallies["all"].mutations, first);
}

}  // namespace
}  // namespace millrace::engine
