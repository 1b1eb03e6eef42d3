// The contract of FileSystem, held against the real one and the simulated one, and the two against each other.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>

#include "base/failpoints.h"
#include "base/paths.h"
#include "base/real_env.h"
#include "base/simulated_env.h"

namespace millrace {
namespace {

/// An Env and a fresh directory in it, removed at the end.
struct Place {
  Place(std::unique_ptr<Env> env_to_own, std::string path) : env(std::move(env_to_own)), root(std::move(path)) {}
  ~Place() { (void)env->files().remove_recursively(root).ok(); }
  std::unique_ptr<Env> env;
  std::string root;
};

std::unique_ptr<Place> real_place() {
  std::string path = ::testing::TempDir() + "millrace_files_XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return nullptr;
  return std::make_unique<Place>(std::make_unique<RealEnv>(), path);
}

std::unique_ptr<Place> simulated_place() {
  auto place = std::make_unique<Place>(std::make_unique<SimulatedEnv>(1), "/data");
  EXPECT_TRUE(place->env->files().create_directories("/data").ok());
  return place;
}

struct FilesKind {
  const char* name;
  std::function<std::unique_ptr<Place>()> make;
};

class FilesTest : public ::testing::TestWithParam<FilesKind> {
 protected:
  void SetUp() override {
    place_ = GetParam().make();
    ASSERT_NE(place_, nullptr);
  }
  FileSystem& files() { return place_->env->files(); }
  std::string at(std::string_view name) const { return join_path(place_->root, name); }
  std::set<std::string> names(const std::string& directory = "") {
    std::set<std::string> found;
    const auto listed = files().list(directory.empty() ? place_->root : at(directory));
    EXPECT_TRUE(listed.ok());
    if (listed.ok()) {
      for (const FileInfo& file : *listed) found.insert(file.name);
    }
    return found;
  }

  std::unique_ptr<Place> place_;
};

TEST_P(FilesTest, AppendReopenCutAndRead) {
  {
    auto file = std::move(files().open_append(at("log"))).value();
    EXPECT_EQ(file->size(), 0u);
    ASSERT_TRUE(file->append(std::string_view("hello ")).ok());
    ASSERT_TRUE(file->append(std::string_view("world")).ok());
    ASSERT_TRUE(file->sync().ok());
    EXPECT_EQ(file->size(), 11u);
    ASSERT_TRUE(file->close().ok());
  }
  auto file = std::move(files().open_append(at("log"))).value();
  EXPECT_EQ(file->size(), 11u);
  ASSERT_TRUE(file->truncate(5).ok());
  ASSERT_TRUE(file->append(std::string_view("!")).ok());
  EXPECT_EQ(*files().read_all(at("log")), "hello!");

  auto reader = std::move(files().open_read(at("log"))).value();
  char buffer[10];
  EXPECT_EQ(*reader->size(), 6u);
  EXPECT_EQ(*reader->read_at(1, buffer, 3), 3u);
  EXPECT_EQ(std::string_view(buffer, 3), "ell");
  EXPECT_EQ(*reader->read_at(4, buffer, 10), 2u);
  EXPECT_EQ(*reader->read_at(6, buffer, 10), 0u);
  EXPECT_EQ(*reader->read_at(1000, buffer, 10), 0u);
}

TEST_P(FilesTest, ReadersSeeWhatIsAppendedAfterTheyOpened) {
  auto file = std::move(files().create(at("log"))).value();
  auto reader = std::move(files().open_read(at("log"))).value();
  ASSERT_TRUE(file->append(std::string_view("abc")).ok());
  char buffer[3];
  EXPECT_EQ(*reader->read_at(0, buffer, 3), 3u);
}

TEST_P(FilesTest, CreateCutsAndLargeContentComesBack) {
  std::string large(3000000, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 >> 3);
  auto file = std::move(files().create(at("a"))).value();
  ASSERT_TRUE(file->append(large).ok());
  EXPECT_EQ(*files().read_all(at("a")), large);
  auto again = std::move(files().create(at("a"))).value();
  EXPECT_EQ(*files().read_all(at("a")), "");
}

TEST_P(FilesTest, MissingThingsAreNamed) {
  for (const auto& error : {files().read_all(at("none")).error(), files().open_read(at("none")).error(),
                            files().remove(at("none")).error(), files().rename(at("none"), at("b")).error(),
                            files().list(at("none")).error(), files().create(at("none/a")).error(),
                            files().open_append(at("none/a")).error(), files().sync_directory(at("none")).error()}) {
    EXPECT_EQ(error.code, sqlstate::kUndefinedFile) << error.message;
    EXPECT_NE(error.message.find("none"), std::string::npos);
  }
  EXPECT_FALSE(*files().exists(at("none")));
  EXPECT_FALSE(*files().exists(at("none/deeper")));
  EXPECT_TRUE(files().remove_recursively(at("none")).ok());
}

TEST_P(FilesTest, DirectoriesAreNotFiles) {
  ASSERT_TRUE(files().create_directories(at("d/e/f")).ok());
  ASSERT_TRUE(files().create_directories(at("d/e/f")).ok());
  EXPECT_TRUE(*files().exists(at("d/e/f")));
  EXPECT_FALSE(files().open_read(at("d")).ok());
  EXPECT_FALSE(files().read_all(at("d")).ok());
  EXPECT_FALSE(files().create(at("d")).ok());
  EXPECT_FALSE(files().remove(at("d")).ok());
  ASSERT_TRUE(files().create(at("file")).ok());
  EXPECT_FALSE(files().create_directories(at("file")).ok());
  EXPECT_FALSE(files().create_directories(at("file/below")).ok());
  EXPECT_FALSE(files().list(at("file")).ok());
  EXPECT_TRUE(files().remove(at("d/e/f")).ok());
  ASSERT_TRUE(files().create(at("d/e/x")).ok());
  EXPECT_TRUE(files().remove_recursively(at("d")).ok());
  EXPECT_EQ(names(), (std::set<std::string>{"file"}));
}

TEST_P(FilesTest, ListTellsSizeAndKindByName) {
  ASSERT_TRUE(files().create_directories(at("b")).ok());
  auto file = std::move(files().create(at("c"))).value();
  ASSERT_TRUE(file->append(std::string_view("12345")).ok());
  ASSERT_TRUE(files().create(at("a")).ok());
  const auto listed = std::move(files().list(place_->root)).value();
  ASSERT_EQ(listed.size(), 3u);
  EXPECT_EQ(listed[0].name, "a");
  EXPECT_EQ(listed[0].size, 0u);
  EXPECT_TRUE(listed[1].is_directory);
  EXPECT_EQ(listed[2].size, 5u);
  EXPECT_FALSE(listed[2].is_directory);
}

TEST_P(FilesTest, RenameReplacesAndMoves) {
  ASSERT_TRUE(files().write_atomically(at("a"), "new").ok());
  ASSERT_TRUE(files().write_atomically(at("b"), "old").ok());
  ASSERT_TRUE(files().rename(at("a"), at("b")).ok());
  EXPECT_EQ(*files().read_all(at("b")), "new");
  EXPECT_EQ(names(), (std::set<std::string>{"b"}));
  ASSERT_TRUE(files().create_directories(at("d")).ok());
  ASSERT_TRUE(files().rename(at("b"), at("d/c")).ok());
  EXPECT_EQ(*files().read_all(at("d/c")), "new");
  EXPECT_FALSE(files().rename(at("d"), at("d/inside")).ok());
  ASSERT_TRUE(files().rename(at("d"), at("moved")).ok());
  EXPECT_EQ(names("moved"), (std::set<std::string>{"c"}));
}

TEST_P(FilesTest, ALinkIsTheSameFileUntilBothNamesAreGone) {
  auto file = std::move(files().create(at("a"))).value();
  ASSERT_TRUE(files().link(at("a"), at("b")).ok());
  ASSERT_TRUE(file->append(std::string_view("one")).ok());
  EXPECT_EQ(*files().read_all(at("b")), "one");
  EXPECT_FALSE(files().link(at("a"), at("b")).ok()) << "the name is taken";
  EXPECT_EQ(files().link(at("none"), at("c")).error().code, sqlstate::kUndefinedFile);
  ASSERT_TRUE(files().remove(at("a")).ok());
  EXPECT_EQ(*files().read_all(at("b")), "one");
  EXPECT_EQ(names(), (std::set<std::string>{"b"}));
}

TEST_P(FilesTest, OpenFilesOutliveTheirNames) {
  auto file = std::move(files().create(at("a"))).value();
  auto reader = std::move(files().open_read(at("a"))).value();
  ASSERT_TRUE(files().remove(at("a")).ok());
  ASSERT_TRUE(file->append(std::string_view("still")).ok());
  char buffer[5];
  EXPECT_EQ(*reader->read_at(0, buffer, 5), 5u);
  ASSERT_TRUE(file->truncate(0).ok());
  EXPECT_TRUE(names().empty());
}

TEST_P(FilesTest, WriteAtomicallyLeavesNoOtherFile) {
  ASSERT_TRUE(files().write_atomically(at("a"), "1").ok());
  ASSERT_TRUE(files().write_atomically(at("a"), "22").ok());
  EXPECT_EQ(*files().read_all(at("a")), "22");
  EXPECT_EQ(names(), (std::set<std::string>{"a"}));
}

TEST_P(FilesTest, WriteAtomicallyKeepsTheOldOneWhenTheDiskFails) {
  ASSERT_TRUE(files().write_atomically(at("a"), "old").ok());
  for (const char* rule : {"files.append=error(ENOSPC)", "files.sync=error(EIO)"}) {
    ASSERT_TRUE(place_->env->failpoints().configure(rule).ok());
    EXPECT_FALSE(files().write_atomically(at("a"), "new").ok());
    place_->env->failpoints().clear();
    EXPECT_EQ(*files().read_all(at("a")), "old");
    EXPECT_EQ(names(), (std::set<std::string>{"a"}));
  }
}

TEST_P(FilesTest, ALockHasOneHolder) {
  auto held = std::move(files().lock(at("LOCK"))).value();
  const auto second = files().lock(at("LOCK"));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, sqlstate::kObjectInUse);
  EXPECT_NE(second.error().message.find("LOCK"), std::string::npos);
  EXPECT_TRUE(files().lock(at("OTHER")).ok());
  held.reset();
  EXPECT_TRUE(files().lock(at("LOCK")).ok());
}

TEST_P(FilesTest, FreeBytesOfWhatExists) { EXPECT_GT(*files().free_bytes(place_->root), 0u); }

INSTANTIATE_TEST_SUITE_P(Both, FilesTest,
                         ::testing::Values(FilesKind{"Real", real_place}, FilesKind{"Simulated", simulated_place}),
                         [](const auto& named) { return std::string(named.param.name); });

/// One random call, the same on both sides; the text is its outcome.
std::string random_call(Place& place, uint64_t choice, uint64_t bits) {
  static constexpr const char* kNames[] = {"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "d/e/b", "a/x", "none/a"};
  FileSystem& files = place.env->files();
  const auto name = [&](uint64_t index) { return join_path(place.root, kNames[index % std::size(kNames)]); };
  const std::string path = name(bits);
  const std::string bytes((bits >> 8) % 300, static_cast<char>('a' + (bits >> 20) % 26));
  const auto said = [](const auto& result) { return result.ok() ? std::string("ok") : result.error().code; };
  switch (choice % 10) {
    case 0:
    case 1: {
      auto file = choice % 10 == 0 ? files.open_append(path) : files.create(path);
      if (!file.ok()) return said(file);
      const Status appended = (*file)->append(bytes);
      const Status cut = (bits >> 30) % 3 == 0 ? (*file)->truncate((bits >> 40) % ((*file)->size() + 1)) : Status();
      return said(appended) + said(cut) + std::to_string((*file)->size());
    }
    case 2: {
      const auto read = files.read_all(path);
      return read.ok() ? *read : read.error().code;
    }
    case 3: return said(files.rename(path, name(bits >> 16)));
    case 4: return said(files.remove(path));
    case 5: return (bits >> 10) % 4 == 0 ? said(files.remove_recursively(path)) : "";
    case 6: return said(files.create_directories(path));
    case 7: return said(files.write_atomically(path, bytes));
    case 8: return said(files.link(path, name(bits >> 16)));
    default: {
      const auto listed = files.list(path);
      if (!listed.ok()) return listed.error().code;
      std::string all;
      for (const FileInfo& file : *listed) {
        all += file.name + (file.is_directory ? "/" : ":" + std::to_string(file.size)) + " ";
      }
      return all;
    }
  }
}

TEST(FilesDifferential, RandomCallsAnswerAlikeOnBoth) {
  const auto real = real_place();
  ASSERT_NE(real, nullptr);
  const auto simulated = simulated_place();
  SeededRandom random(11);
  std::map<std::string, int> outcomes;
  for (int call = 0; call < 6000; ++call) {
    const uint64_t choice = random.next();
    const uint64_t bits = random.next();
    const std::string expected = random_call(*real, choice, bits);
    ASSERT_EQ(random_call(*simulated, choice, bits), expected) << "call " << call << " kind " << choice % 10;
    ++outcomes[expected.substr(0, 5)];
  }
  EXPECT_GT(outcomes["ok"], 100);
  EXPECT_GT(outcomes["58P01"], 100);
  EXPECT_GT(outcomes["58030"], 10);
}

TEST(RealFiles, ADirectoryWithoutPermissionIsAClearError) {
  const auto place = real_place();
  ASSERT_EQ(::chmod(place->root.c_str(), 0555), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);  // root may write everywhere
    const auto created = place->env->files().create(place->root + "/a");
    const bool clear = !created.ok() && created.error().message.ends_with("/a: Permission denied") &&
                       created.error().code == sqlstate::kIoError && !created.error().hint.empty();
    ::_exit(clear ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ASSERT_EQ(::chmod(place->root.c_str(), 0755), 0);
}

TEST(RealFiles, AFullDeviceIsDiskFull) {
  RealEnv env;
  if (!*env.files().exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  auto file = std::move(env.files().open_append("/dev/full")).value();
  const Status written = file->append(std::string_view("x"));
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, sqlstate::kDiskFull);
  EXPECT_EQ(file->size(), 0u);
}

TEST(RealFiles, TheLockIsHeldAgainstOtherProcesses) {
  const auto place = real_place();
  auto held = std::move(place->env->files().lock(place->root + "/LOCK")).value();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // A new open file in another process; the inherited descriptor does not count as its own.
    RealEnv env;
    const auto tried = env.files().lock(place->root + "/LOCK");
    ::_exit(!tried.ok() && tried.error().code == sqlstate::kObjectInUse &&
                    tried.error().message.find(std::to_string(::getppid())) != std::string::npos
                ? 0
                : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Paths, TextOnly) {
  EXPECT_EQ(join_path("a/b", "c"), "a/b/c");
  EXPECT_EQ(join_path("a/b/", "c"), "a/b/c");
  EXPECT_EQ(join_path("", "c"), "c");
  EXPECT_EQ(join_path("a", "/c"), "/c");
  EXPECT_EQ(parent_path("a/b/c"), "a/b");
  EXPECT_EQ(parent_path("a/b//c/"), "a/b");
  EXPECT_EQ(parent_path("c"), ".");
  EXPECT_EQ(parent_path("/c"), "/");
  EXPECT_EQ(parent_path("/"), "/");
  EXPECT_EQ(file_name("a/b/c"), "c");
  EXPECT_EQ(file_name("a/b/"), "b");
  EXPECT_EQ(file_name("c"), "c");
  EXPECT_EQ(file_name("/"), "/");
}

}  // namespace
}  // namespace millrace
