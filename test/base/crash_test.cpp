// What the simulated file system leaves after a death, held against a model that knows only whole copies: what every
// file and directory was at its last sync, and each state since.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/simulated_env.h"

namespace millrace {
namespace {

struct ModelFile {
  std::string live;
  std::string synced;
  size_t shortest = 0;  // of live since the sync
};
using Names = std::map<std::string, int>;  // name → index of a ModelFile
struct ModelDirectory {
  Names live;
  std::vector<Names> since_sync{Names()};  // the synced state, then each one after a change
};

class Model {
 public:
  std::vector<ModelFile> files;
  std::map<std::string, ModelDirectory> directories;

  void changed(const std::string& directory) {
    directories[directory].since_sync.push_back(directories[directory].live);
  }
  void sync_directory(const std::string& directory) {
    directories[directory].since_sync = {directories[directory].live};
  }
  int add_file() {
    files.emplace_back();
    return static_cast<int>(files.size()) - 1;
  }

  /// What may be on the disk of a file after a power cut.
  static bool may_be(const ModelFile& file, const std::string& found) {
    if (found == file.synced) return true;
    if (found.size() > file.live.size() || found.size() < file.shortest) return false;
    for (size_t i = 0; i < found.size(); ++i) {
      if (found[i] == file.live[i]) continue;
      if (i < file.shortest || found[i] != '\0') return false;
    }
    return true;
  }
};

/// All files of a directory, by name.
std::map<std::string, std::string> content_of(SimulatedFiles& files, const std::string& directory) {
  std::map<std::string, std::string> all;
  const auto listed = files.list(directory);
  EXPECT_TRUE(listed.ok());
  for (const FileInfo& file : *listed) all[file.name] = *files.read_all(directory + "/" + file.name);
  return all;
}

/// Runs random operations on both; ends in the middle of a life.
class RandomLife {
 public:
  RandomLife(SimulatedFiles& files, uint64_t seed) : files_(files), random_(seed) {
    for (const char* directory : {"/a", "/b"}) {
      EXPECT_TRUE(files_.create_directories(directory).ok());
      model_.directories[directory];
    }
  }

  void run(int operations) {
    for (int i = 0; i < operations; ++i) step();
  }
  const Model& model() const { return model_; }

 private:
  void step() {
    const std::string directory = random_.below(2) == 0 ? "/a" : "/b";
    const std::string name = std::string(1, static_cast<char>('p' + random_.below(4)));
    switch (random_.below(8)) {
      case 0: return write(directory, name, true);
      case 1:
      case 2:
      case 3: return write(directory, name, false);
      case 4: return rename(directory, name);
      case 5: return remove(directory, name);
      default: EXPECT_TRUE(files_.sync_directory(directory).ok()); model_.sync_directory(directory);
    }
  }

  void write(const std::string& directory, const std::string& name, bool cut) {
    const std::string path = directory + "/" + name;
    auto file = cut ? std::move(files_.create(path)).value() : std::move(files_.open_append(path)).value();
    Names& names = model_.directories[directory].live;
    if (!names.contains(name)) {
      names[name] = model_.add_file();
      model_.changed(directory);
    }
    ModelFile& model = model_.files[static_cast<size_t>(names[name])];
    if (cut) cut_to(model, 0);
    for (uint64_t part = random_.below(4); part > 0; --part) {
      const std::string bytes(random_.below(9000), static_cast<char>('A' + random_.below(26)));
      EXPECT_TRUE(file->append(bytes).ok());
      model.live += bytes;
      const uint64_t then = random_.below(5);
      if (then == 0) {
        const size_t size = random_.below(model.live.size() + 1);
        EXPECT_TRUE(file->truncate(size).ok());
        cut_to(model, size);
      } else if (then == 1) {
        EXPECT_TRUE(file->sync().ok());
        model.synced = model.live;
        model.shortest = model.live.size();
      }
    }
  }

  static void cut_to(ModelFile& file, size_t size) {
    file.live.resize(size);
    file.shortest = std::min(file.shortest, size);
  }

  void rename(const std::string& directory, const std::string& name) {
    const std::string to_directory = random_.below(3) == 0 ? (directory == "/a" ? "/b" : "/a") : directory;
    const std::string to_name = std::string(1, static_cast<char>('p' + random_.below(4)));
    Names& from = model_.directories[directory].live;
    const bool there = from.contains(name);
    const Status renamed = files_.rename(directory + "/" + name, to_directory + "/" + to_name);
    ASSERT_EQ(renamed.ok(), there);
    if (!there || (to_directory == directory && to_name == name)) return;
    const int file = from[name];
    Names& to = model_.directories[to_directory].live;
    if (to_directory == directory) {
      from.erase(name);
      to[to_name] = file;
      model_.changed(directory);
    } else {
      to[to_name] = file;
      model_.changed(to_directory);
      from.erase(name);
      model_.changed(directory);
    }
  }

  void remove(const std::string& directory, const std::string& name) {
    Names& names = model_.directories[directory].live;
    ASSERT_EQ(files_.remove(directory + "/" + name).ok(), names.contains(name));
    if (names.erase(name) > 0) model_.changed(directory);
  }

  SimulatedFiles& files_;
  SeededRandom random_;
  Model model_;
};

TEST(Crash, ProcessDeathKeepsAllThatWasWritten) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimulatedEnv env(seed);
    RandomLife life(env.files(), seed);
    life.run(60);
    env.crash();
    env.restart();
    for (const auto& [path, directory] : life.model().directories) {
      std::map<std::string, std::string> expected;
      for (const auto& [name, file] : directory.live)
        expected[name] = life.model().files[static_cast<size_t>(file)].live;
      ASSERT_EQ(content_of(env.files(), path), expected) << "seed " << seed;
    }
  }
}

TEST(PowerCut, NothingAndEverythingAreExact) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    for (const Survival survival : {Survival::kNothing, Survival::kEverything}) {
      SimulatedEnv env(seed);
      RandomLife life(env.files(), seed);
      life.run(60);
      env.power_cut(survival);
      env.restart();
      for (const auto& [path, directory] : life.model().directories) {
        const bool all = survival == Survival::kEverything;
        std::map<std::string, std::string> expected;
        for (const auto& [name, file] : all ? directory.live : directory.since_sync.front()) {
          const ModelFile& model = life.model().files[static_cast<size_t>(file)];
          expected[name] = all ? model.live : model.synced;
        }
        ASSERT_EQ(content_of(env.files(), path), expected) << "seed " << seed;
      }
    }
  }
}

struct Seen {
  int lost_names = 0;
  int lost_tails = 0;
  int zeros = 0;
  int undone_cuts = 0;
};

bool explains(const Model& model, const Names& names, const std::map<std::string, std::string>& found) {
  if (names.size() != found.size()) return false;
  return std::all_of(names.begin(), names.end(), [&](const auto& entry) {
    const auto file = found.find(entry.first);
    return file != found.end() && Model::may_be(model.files[static_cast<size_t>(entry.second)], file->second);
  });
}

void count_what_happened(const Model& model, const Names& names, const std::map<std::string, std::string>& found,
                         Seen& seen) {
  for (const auto& [name, index] : names) {
    const ModelFile& file = model.files[static_cast<size_t>(index)];
    const std::string& content = found.at(name);
    seen.lost_tails += content.size() < file.live.size();
    seen.zeros += content.find('\0') != std::string::npos;
    seen.undone_cuts += content == file.synced && file.shortest < file.synced.size() && content != file.live;
  }
}

TEST(PowerCut, ASeededOneLeavesOnlyWhatTheModelAllowsAndEachKindOfIt) {
  Seen seen;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SimulatedEnv env(seed);
    RandomLife life(env.files(), seed);
    life.run(40);
    env.power_cut();
    env.restart();
    for (const auto& [path, directory] : life.model().directories) {
      const auto found = content_of(env.files(), path);
      const auto state = std::find_if(directory.since_sync.begin(), directory.since_sync.end(),
                                      [&](const Names& names) { return explains(life.model(), names, found); });
      ASSERT_NE(state, directory.since_sync.end()) << "seed " << seed << " directory " << path;
      seen.lost_names += *state != directory.live;
      count_what_happened(life.model(), *state, found, seen);
    }
  }
  EXPECT_GT(seen.lost_names, 50);
  EXPECT_GT(seen.lost_tails, 50);
  EXPECT_GT(seen.zeros, 50);
  EXPECT_GT(seen.undone_cuts, 10);
}

TEST(PowerCut, TheSameSeedLeavesTheSameDisk) {
  const auto life = [](uint64_t seed) {
    SimulatedEnv env(seed);
    RandomLife run(env.files(), 5);
    run.run(80);
    env.power_cut();
    env.restart();
    return std::make_pair(content_of(env.files(), "/a"), content_of(env.files(), "/b"));
  };
  EXPECT_EQ(life(1), life(1));
  std::set<std::map<std::string, std::string>> outcomes;
  for (uint64_t seed = 0; seed < 20; ++seed) outcomes.insert(life(seed).first);
  EXPECT_GT(outcomes.size(), 3u);
}

TEST(PowerCut, WhatIsOnTheDiskSurvivesTheNextOneToo) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimulatedEnv env(seed);
    RandomLife life(env.files(), seed);
    life.run(40);
    env.power_cut();
    env.restart();
    const auto first = content_of(env.files(), "/a");
    env.power_cut(Survival::kNothing);
    env.restart();
    EXPECT_EQ(content_of(env.files(), "/a"), first);
  }
}

TEST(PowerCut, ALinkSurvivesOnceItsDirectoryIsSynced) {
  for (const bool synced : {false, true}) {
    SimulatedEnv env(1);
    SimulatedFiles& files = env.files();
    ASSERT_TRUE(files.write_atomically("/a", "12345").ok());
    ASSERT_TRUE(files.link("/a", "/b").ok());
    EXPECT_EQ(files.used_bytes(), 5u);
    if (synced) {
      ASSERT_TRUE(files.sync_directory("/").ok());
    }
    env.power_cut(Survival::kNothing);
    env.restart();
    EXPECT_EQ(*files.exists("/b"), synced);
    EXPECT_EQ(files.used_bytes(), 5u);
    ASSERT_TRUE(files.remove("/a").ok());
    EXPECT_EQ(files.used_bytes(), synced ? 5u : 0u);
  }
}

TEST(Death, WhatWasOpenIsVoidAndNothingWorksUntilRestart) {
  SimulatedEnv env(1);
  SimulatedFiles& files = env.files();
  auto lock = std::move(files.lock("LOCK")).value();
  auto writer = std::move(files.create("a")).value();
  ASSERT_TRUE(writer->append(std::string_view("x")).ok());
  auto reader = std::move(files.open_read("a")).value();
  env.crash();
  char buffer[1];
  EXPECT_FALSE(writer->append(std::string_view("y")).ok());
  EXPECT_FALSE(writer->sync().ok());
  EXPECT_FALSE(reader->read_at(0, buffer, 1).ok());
  EXPECT_FALSE(files.read_all("a").ok());
  EXPECT_FALSE(files.exists("a").ok());
  EXPECT_FALSE(files.remove_recursively("a").ok());
  env.restart();
  EXPECT_FALSE(writer->append(std::string_view("y")).ok());
  EXPECT_FALSE(reader->read_at(0, buffer, 1).ok());
  EXPECT_EQ(*files.read_all("a"), "x");
  auto again = files.lock("LOCK");
  ASSERT_TRUE(again.ok());
  lock.reset();  // the dead process's lock object must not free the living one's
  EXPECT_FALSE(files.lock("LOCK").ok());
}

TEST(Faults, FailTheNamedOperationOnly) {
  SimulatedEnv env(1);
  SimulatedFiles& files = env.files();
  files.inject({.operation = FileOperation::kRename, .path_part = "x", .errno_value = EIO, .after = 1, .times = 2});
  for (const char* name : {"x1", "x2", "x3", "x4", "y"}) ASSERT_TRUE(files.create(name).ok());
  EXPECT_TRUE(files.rename("y", "z").ok());
  EXPECT_TRUE(files.rename("x1", "a1").ok());
  EXPECT_EQ(files.rename("x2", "a2").error().code, sqlstate::kIoError);
  EXPECT_FALSE(files.rename("x3", "a3").ok());
  EXPECT_TRUE(files.rename("x4", "a4").ok());
  files.inject({.operation = FileOperation::kOpenRead, .path_part = "", .errno_value = EACCES, .after = 0, .times = 0});
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(files.read_all("z").ok());
  files.clear_faults();
  EXPECT_TRUE(files.read_all("z").ok());
}

TEST(Faults, AnAppendThatFailsMayBePartlyThereAndCanBeCut) {
  std::set<uint64_t> sizes;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimulatedEnv env(seed);
    auto file = std::move(env.files().create("a")).value();
    ASSERT_TRUE(file->append(std::string_view("head")).ok());
    env.files().inject({.operation = FileOperation::kAppend, .path_part = "a", .errno_value = ENOSPC});
    EXPECT_EQ(file->append(std::string_view("0123456789")).error().code, sqlstate::kDiskFull);
    sizes.insert(file->size());
    ASSERT_TRUE(file->truncate(4).ok());
    ASSERT_TRUE(file->append(std::string_view("tail")).ok());
    EXPECT_EQ(*env.files().read_all("a"), "headtail");
  }
  EXPECT_GT(sizes.size(), 5u);
}

TEST(Faults, AFullDiskTakesWhatFits) {
  SimulatedEnv env(1);
  SimulatedFiles& files = env.files();
  files.set_capacity(10);
  auto a = std::move(files.create("a")).value();
  ASSERT_TRUE(a->append(std::string_view("123456")).ok());
  EXPECT_EQ(*files.free_bytes("/"), 4u);
  auto b = std::move(files.create("b")).value();
  EXPECT_EQ(b->append(std::string_view("abcdef")).error().code, sqlstate::kDiskFull);
  EXPECT_EQ(b->size(), 4u);
  EXPECT_EQ(*files.free_bytes("/"), 0u);
  ASSERT_TRUE(files.remove("a").ok());
  EXPECT_EQ(files.used_bytes(), 4u);
  ASSERT_TRUE(a->truncate(0).ok());  // removed while open: counts no more
  EXPECT_EQ(files.used_bytes(), 4u);
  EXPECT_TRUE(b->append(std::string_view("ef")).ok());
}

TEST(Faults, AFailedSyncLosesItsBytesForGood) {
  SimulatedEnv env(1);
  SimulatedFiles& files = env.files();
  auto file = std::move(files.create("a")).value();
  ASSERT_TRUE(files.sync_directory("/").ok());
  ASSERT_TRUE(file->append(std::string_view("one")).ok());
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(file->append(std::string_view("two")).ok());
  files.inject({.operation = FileOperation::kSync, .path_part = "a", .errno_value = EIO});
  EXPECT_FALSE(file->sync().ok());
  ASSERT_TRUE(file->append(std::string_view("six")).ok());
  EXPECT_TRUE(file->sync().ok());  // the lie
  EXPECT_EQ(*files.read_all("a"), "onetwosix");
  env.power_cut(Survival::kEverything);
  env.restart();
  EXPECT_EQ(*files.read_all("a"), std::string("one\0\0\0six", 9));
}

TEST(Faults, CuttingAndAppendingAgainRepairsAFailedSync) {
  SimulatedEnv env(1);
  auto file = std::move(env.files().create("a")).value();
  ASSERT_TRUE(env.files().sync_directory("/").ok());
  ASSERT_TRUE(file->append(std::string_view("two")).ok());
  ASSERT_TRUE(env.failpoints().configure("files.sync=error(EIO),times=1").ok());
  EXPECT_FALSE(file->sync().ok());
  ASSERT_TRUE(file->truncate(0).ok());
  ASSERT_TRUE(file->append(std::string_view("two")).ok());
  ASSERT_TRUE(file->sync().ok());
  env.power_cut(Survival::kNothing);
  env.restart();
  EXPECT_EQ(*env.files().read_all("a"), "two");
}

// ---- protocols, with the power going before each of their changes in turn ----

TEST(Protocol, WriteAtomicallyIsAllOrNothingAtEveryPoint) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    for (uint64_t point = 0;; ++point) {
      SimulatedEnv env(seed);
      ASSERT_TRUE(env.files().write_atomically("/f", "old").ok());
      env.files().power_cut_after(point);
      const bool done = env.files().write_atomically("/f", std::string(5000, 'n')).ok();
      const bool died = env.files().down();
      if (!died) env.power_cut();
      env.restart();
      const std::string found = *env.files().read_all("/f");
      ASSERT_TRUE(found == std::string(5000, 'n') || (!done && found == "old"))
          << "seed " << seed << " point " << point;
      ASSERT_EQ(done, !died);
      if (!died) break;
    }
  }
}

/// A log of length-and-checksum framed records, one sync each. Returns how many were acked.
int append_records(SimulatedFiles& files, bool sync_name) {
  auto file = files.open_append("/log");
  if (!file.ok()) return 0;
  if (sync_name && !files.sync_directory("/").ok()) return 0;
  for (int i = 0; i < 12; ++i) {
    const std::string body(static_cast<size_t>(700 * (i % 5) + 1), static_cast<char>('a' + i));
    std::string frame;
    append_little<uint32_t>(frame, static_cast<uint32_t>(body.size()));
    append_little<uint32_t>(frame, crc32c(body));
    frame += body;
    if (!(*file)->append(frame).ok() || !(*file)->sync().ok()) return i;
  }
  return 12;
}

int count_records(const std::string& bytes) {
  ByteReader reader(bytes);
  for (int count = 0;; ++count) {
    const auto length = reader.little<uint32_t>();
    const auto sum = reader.little<uint32_t>();
    if (!length.ok() || !sum.ok() || *length == 0) return count;
    const auto body = reader.bytes(*length);
    if (!body.ok() || crc32c(*body) != *sum || body->front() != static_cast<char>('a' + count)) return count;
  }
}

/// In how many of the runs an acked record was missing.
int runs_that_lose(bool sync_name) {
  int losing = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (uint64_t point = 0;; ++point) {
      SimulatedEnv env(seed);
      env.files().power_cut_after(point);
      const int acked = append_records(env.files(), sync_name);
      const bool died = env.files().down();
      if (!died) env.power_cut();
      env.restart();
      const auto bytes = env.files().read_all("/log");
      losing += (bytes.ok() ? count_records(*bytes) : 0) < acked;
      if (!died) break;
    }
  }
  return losing;
}

TEST(Protocol, ASyncedLogKeepsWhatItAcked) { EXPECT_EQ(runs_that_lose(true), 0); }

TEST(Protocol, ALogThatForgetsItsDirectoryIsCaught) { EXPECT_GT(runs_that_lose(false), 50); }

}  // namespace
}  // namespace millrace
