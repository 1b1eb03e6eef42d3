#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/failpoints.h"
#include "base/file_faults.h"
#include "base/file_steps.h"
#include "base/paths.h"
#include "base/real_env.h"
#include "base/sync_watch.h"

namespace millrace {
namespace {

Error file_error(const char* verb, const std::string& path) {
  return errno_error(std::string(verb) + " " + path, errno);
}

template <typename Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// Closes what it holds; never 0, 1 or 2 on purpose, but any value ≥ 0 is owned.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Result<Descriptor> open_file(const std::string& path, int flags, const char* verb) {
  const int fd = retry_interrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0644); });
  if (fd < 0) return file_error(verb, path);
  return Descriptor(fd);
}

class RealWritableFile final : public WritableFile {
 public:
  RealWritableFile(Descriptor fd, std::string path, uint64_t size, FileFaults& faults, FailPoint& append_point,
                   FailPoint& sync_point, SyncWatch& watch)
      : fd_(std::move(fd)),
        path_(std::move(path)),
        size_(size),
        faults_(faults),
        append_point_(append_point),
        sync_point_(sync_point),
        watch_(watch) {}

  Status append(std::span<const char> bytes) override {
    MR_TRY(append_point_.check());
    return faults_.around(FileOperation::kAppend, [&] { return write_all(bytes); });
  }

  Status sync() override {
    const SyncWatch::Running running(watch_);
    MR_TRY(sync_point_.check());
    return faults_.around(FileOperation::kSync, [&]() -> Status {
      if (retry_interrupted([&] { return ::fdatasync(fd_.get()); }) < 0) return file_error("sync", path_);
      return {};
    });
  }

  Status truncate(uint64_t size) override {
    MR_CHECK(size <= size_, "truncate only cuts");
    return faults_.around(FileOperation::kTruncate, [&]() -> Status {
      if (retry_interrupted([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) < 0) {
        return file_error("truncate", path_);
      }
      size_ = size;
      return {};
    });
  }

  uint64_t size() const override { return size_; }

  Status close() override {
    const int fd = fd_.release();
    // After EINTR Linux has closed the descriptor already; a second close could hit another thread's file.
    if (fd >= 0 && ::close(fd) < 0 && errno != EINTR) return file_error("close", path_);
    return {};
  }

 private:
  Status write_all(std::span<const char> bytes) {
    while (!bytes.empty()) {
      const ssize_t written =
          retry_interrupted([&] { return ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(size_)); });
      if (written < 0) return file_error("write", path_);
      size_ += static_cast<uint64_t>(written);
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return {};
  }

  Descriptor fd_;
  const std::string path_;
  uint64_t size_;
  FileFaults& faults_;
  FailPoint& append_point_;
  FailPoint& sync_point_;
  SyncWatch& watch_;
};

class RealRandomAccessFile final : public RandomAccessFile {
 public:
  RealRandomAccessFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<size_t> read_at(uint64_t offset, char* buffer, size_t length) const override {
    size_t done = 0;
    while (done < length) {
      const ssize_t got = retry_interrupted(
          [&] { return ::pread(fd_.get(), buffer + done, length - done, static_cast<off_t>(offset + done)); });
      if (got < 0) return file_error("read", path_);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Result<uint64_t> size() const override {
    struct stat status {};
    if (::fstat(fd_.get(), &status) < 0) return file_error("stat", path_);
    return static_cast<uint64_t>(status.st_size);
  }

 private:
  Descriptor fd_;
  const std::string path_;
};

class RealFileLock final : public FileLock {
 public:
  explicit RealFileLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  Descriptor fd_;  // closing it gives the lock back
};

Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) return {};
  if (errno != EEXIST) return file_error("create directory", path);
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
  errno = ENOTDIR;
  return file_error("create directory", path);
}

class RealFileSystem final : public FileSystem {
 public:
  explicit RealFileSystem(Failpoints& failpoints)
      : faults_(failpoints),
        append_point_(failpoints.point("files.append")),
        sync_point_(failpoints.point("files.sync")),
        clock_(make_real_clock()),
        watch_(*clock_) {}

  Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) override {
    return open_writable(path, O_WRONLY | O_CREAT, "open");
  }

  Result<std::unique_ptr<WritableFile>> create(const std::string& path) override {
    return faults_.of(path).around(FileOperation::kCreate,
                                   [&] { return open_writable(path, O_WRONLY | O_CREAT | O_TRUNC, "create"); });
  }

  Result<std::unique_ptr<RandomAccessFile>> open_read(const std::string& path) override {
    MR_ASSIGN(Descriptor fd, open_to_read(path));
    return std::unique_ptr<RandomAccessFile>(std::make_unique<RealRandomAccessFile>(std::move(fd), path));
  }

  Result<std::string> read_all(const std::string& path) override;
  Status write_atomically(const std::string& path, std::string_view bytes) override {
    return write_atomically_in_steps(*this, path, bytes);
  }

  Status rename(const std::string& from, const std::string& to) override {
    return faults_.of(to).around(FileOperation::kRename, [&]() -> Status {
      if (::rename(from.c_str(), to.c_str()) < 0) return file_error("rename", from + " to " + to);
      return {};
    });
  }

  Status link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) < 0) return file_error("link", from + " to " + to);
    return {};
  }

  Status remove(const std::string& path) override {
    return faults_.of(path).around(FileOperation::kRemove, [&]() -> Status {
      if (::remove(path.c_str()) < 0) return file_error("remove", path);
      return {};
    });
  }

  Status remove_recursively(const std::string& path) override {
    return faults_.directory().around(FileOperation::kRemove, [&]() -> Status {
      std::error_code error;
      std::filesystem::remove_all(path, error);
      if (error && error.value() != ENOENT && error.value() != ENOTDIR) {
        return errno_error("remove " + path, error.value());
      }
      return {};
    });
  }

  Status create_directories(const std::string& path) override;

  Status sync_directory(const std::string& path) override {
    const SyncWatch::Running running(watch_);
    MR_TRY(sync_point_.check());
    return faults_.directory().around(FileOperation::kSync, [&]() -> Status {
      MR_ASSIGN(Descriptor fd, open_file(path, O_RDONLY | O_DIRECTORY, "open directory"));
      if (retry_interrupted([&] { return ::fsync(fd.get()); }) < 0) return file_error("sync directory", path);
      return {};
    });
  }

  Result<std::vector<FileInfo>> list(const std::string& path) override;

  Result<bool> exists(const std::string& path) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return file_error("look for", path);
  }

  Result<uint64_t> free_bytes(const std::string& path) override {
    struct statvfs status {};
    if (::statvfs(path.c_str(), &status) < 0) return file_error("ask for the free space of", path);
    return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
  }

  Duration oldest_sync() override { return watch_.oldest(); }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

 private:
  Result<std::unique_ptr<WritableFile>> open_writable(const std::string& path, int flags, const char* verb) {
    MR_ASSIGN(Descriptor fd, open_file(path, flags, verb));
    struct stat status {};
    if (::fstat(fd.get(), &status) < 0) return file_error("stat", path);
    return std::unique_ptr<WritableFile>(
        std::make_unique<RealWritableFile>(std::move(fd), path, static_cast<uint64_t>(status.st_size), faults_.of(path),
                                           append_point_, sync_point_, watch_));
  }

  static Result<Descriptor> open_to_read(const std::string& path) {
    MR_ASSIGN(Descriptor fd, open_file(path, O_RDONLY, "open"));
    struct stat status {};
    if (::fstat(fd.get(), &status) < 0) return file_error("stat", path);
    if (S_ISDIR(status.st_mode)) return errno_error("open " + path, EISDIR);
    return fd;
  }

  FaultsByKind faults_;
  FailPoint& append_point_;
  FailPoint& sync_point_;
  const std::unique_ptr<Clock> clock_;
  SyncWatch watch_;
};

Result<std::string> RealFileSystem::read_all(const std::string& path) {
  MR_ASSIGN(Descriptor fd, open_to_read(path));
  struct stat status {};
  if (::fstat(fd.get(), &status) < 0) return file_error("stat", path);
  std::string content;
  // One byte more than the size, so that the read which finds the end needs no growth; pipes have size 0 and grow.
  size_t room = static_cast<size_t>(status.st_size) + 1;
  while (true) {
    const size_t have = content.size();
    content.resize(have + room);
    const ssize_t got = retry_interrupted([&] { return ::read(fd.get(), content.data() + have, room); });
    if (got < 0) return file_error("read", path);
    content.resize(have + static_cast<size_t>(got));
    if (got == 0) return content;
    if (content.size() > static_cast<size_t>(status.st_size))
      room = 65536;
    else
      room = static_cast<size_t>(status.st_size) - content.size() + 1;
  }
}

Status RealFileSystem::create_directories(const std::string& path) {
  std::vector<std::string> missing;
  for (std::string level = path; !level.empty();) {
    MR_ASSIGN(const bool there, exists(level));
    if (there) break;
    missing.push_back(level);
    std::string above = parent_path(level);
    if (above == level) break;
    level = std::move(above);
  }
  if (missing.empty()) return make_directory(path);  // an error when it is a file
  for (auto level = missing.rbegin(); level != missing.rend(); ++level) {
    MR_TRY(faults_.directory().around(FileOperation::kCreate, [&] { return make_directory(*level); }));
    MR_TRY(sync_directory(parent_path(*level)));
  }
  return {};
}

Result<std::vector<FileInfo>> RealFileSystem::list(const std::string& path) {
  MR_ASSIGN(Descriptor fd, open_file(path, O_RDONLY | O_DIRECTORY, "open directory"));
  DIR* directory = ::fdopendir(fd.get());
  if (directory == nullptr) return file_error("list", path);
  fd.release();
  std::vector<FileInfo> found;
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    struct stat status {};
    if (name == "." || name == "..") continue;
    if (::fstatat(::dirfd(directory), entry->d_name, &status, 0) == 0) {  // else it has just been removed
      found.push_back({std::string(name), static_cast<uint64_t>(status.st_size), S_ISDIR(status.st_mode)});
    }
    errno = 0;
  }
  const int read_errno = errno;
  ::closedir(directory);
  if (read_errno != 0) return errno_error("list " + path, read_errno);
  std::sort(found.begin(), found.end(), [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
  return found;
}

Result<std::unique_ptr<FileLock>> RealFileSystem::lock(const std::string& path) {
  MR_ASSIGN(Descriptor fd, open_file(path, O_RDWR | O_CREAT, "open"));
  if (retry_interrupted([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) < 0) {
    if (errno != EWOULDBLOCK) return file_error("lock", path);
    char holder[32] = {};
    const ssize_t got = ::pread(fd.get(), holder, sizeof holder - 1, 0);
    std::string message = "the lock " + path + " is held by another process";
    if (got > 0) message.append(": ").append(holder, static_cast<size_t>(got));
    return external_error(sqlstate::kObjectInUse, std::move(message), Retry::kBackoff);
  }
  // Who holds it is a courtesy for the message above; a full disk must not stop the lock.
  char self[32];
  const int length = std::snprintf(self, sizeof self, "%d", static_cast<int>(::getpid()));
  if (::ftruncate(fd.get(), 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(fd.get(), self, static_cast<size_t>(length), 0);
  }
  return std::unique_ptr<FileLock>(std::make_unique<RealFileLock>(std::move(fd)));
}

}  // namespace

std::unique_ptr<FileSystem> make_real_files(Failpoints& failpoints) {
  return std::make_unique<RealFileSystem>(failpoints);
}

}  // namespace millrace
