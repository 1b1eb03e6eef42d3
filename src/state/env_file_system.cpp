#include "state/env_file_system.h"

#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/paths.h"

namespace millrace::state {

void FirstError::note(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = error;
}

std::optional<Error> FirstError::get() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

/// Only a plain error, never NoSpace or a retryable one: those make RocksDB start threads that try to go on by
/// themselves, and a store that failed is opened again instead.
IOStatus io_status(const Error& error, FirstError& first) {
  if (error.code == sqlstate::kUndefinedFile) return IOStatus::PathNotFound(error.message);
  first.note(error);
  return IOStatus::IOError(error.message);
}

IOStatus io_status(const Status& status, FirstError& first) {
  return status.ok() ? IOStatus::OK() : io_status(status.error(), first);
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  SequentialFile(std::unique_ptr<RandomAccessFile> file, FirstError& first) : file_(std::move(file)), first_(first) {}

  IOStatus Read(size_t n, const IOOptions&, Slice* result, char* scratch, IODebugContext*) override {
    const Result<size_t> got = file_->read_at(position_, scratch, n);
    if (!got.ok()) return io_status(got.error(), first_);
    position_ += *got;
    *result = Slice(scratch, *got);
    return IOStatus::OK();
  }

  IOStatus Skip(uint64_t n) override {
    position_ += n;
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<RandomAccessFile> file_;
  FirstError& first_;
  uint64_t position_ = 0;
};

class RandomFile final : public rocksdb::FSRandomAccessFile {
 public:
  RandomFile(std::unique_ptr<RandomAccessFile> file, FirstError& first) : file_(std::move(file)), first_(first) {}

  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    const Result<size_t> got = file_->read_at(offset, scratch, n);
    if (!got.ok()) return io_status(got.error(), first_);
    *result = Slice(scratch, *got);
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<RandomAccessFile> file_;
  FirstError& first_;
};

class AppendedFile final : public rocksdb::FSWritableFile {
 public:
  AppendedFile(std::unique_ptr<WritableFile> file, FirstError& first) : file_(std::move(file)), first_(first) {}

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    return io_status(file_->append({data.data(), data.size()}), first_);
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    return io_status(file_->truncate(size), first_);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return io_status(file_->sync(), first_); }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return io_status(file_->close(), first_); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return file_->size(); }

 private:
  const std::unique_ptr<WritableFile> file_;
  FirstError& first_;
};

class OpenDirectory final : public rocksdb::FSDirectory {
 public:
  OpenDirectory(FileSystem& files, std::string path, FirstError& first)
      : files_(files), path_(std::move(path)), first_(first) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return io_status(files_.sync_directory(path_), first_); }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  FileSystem& files_;
  const std::string path_;
  FirstError& first_;
};

class HeldLock final : public rocksdb::FileLock {
 public:
  explicit HeldLock(std::unique_ptr<millrace::FileLock> lock) : lock_(std::move(lock)) {}

 private:
  const std::unique_ptr<millrace::FileLock> lock_;
};

class QuietLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

/// What RocksDB does not need of a file system here (memory maps, direct and asynchronous I/O, rewriting in place) is
/// the base class's NotSupported.
class EnvFileSystem final : public rocksdb::FileSystem {
 public:
  EnvFileSystem(Env& env, FirstError& first) : files_(env.files()), clock_(env.clock()), first_(first) {}

  const char* Name() const override { return "MillraceEnv"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* file, IODebugContext*) override {
    return opened<SequentialFile>(files_.open_read(path), file);
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* file, IODebugContext*) override {
    return opened<RandomFile>(files_.open_read(path), file);
  }
  IOStatus NewWritableFile(const std::string& path, const FileOptions&, std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext*) override {
    return opened<AppendedFile>(files_.create(path), file);
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext*) override {
    return opened<AppendedFile>(files_.open_append(path), file);
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&, std::unique_ptr<rocksdb::FSDirectory>* directory,
                        IODebugContext*) override {
    *directory = std::make_unique<OpenDirectory>(files_, path, first_);
    return IOStatus::OK();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* logger,
                     IODebugContext*) override {
    *logger = std::make_shared<QuietLogger>();
    return IOStatus::OK();
  }

  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    const Result<bool> there = files_.exists(path);
    if (!there.ok()) return io_status(there.error(), first_);
    return *there ? IOStatus::OK() : IOStatus::NotFound();
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* names,
                       IODebugContext*) override {
    names->clear();
    const Result<std::vector<FileInfo>> found = files_.list(path);
    if (!found.ok()) return io_status(found.error(), first_);
    for (const FileInfo& file : *found) names->push_back(file.name);
    return IOStatus::OK();
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* size, IODebugContext*) override {
    *size = 0;
    const Result<std::unique_ptr<RandomAccessFile>> file = files_.open_read(path);
    if (!file.ok()) return io_status(file.error(), first_);
    const Result<uint64_t> found = (*file)->size();
    if (!found.ok()) return io_status(found.error(), first_);
    *size = *found;
    return IOStatus::OK();
  }
  /// Only asked for by what we do not use (limits by age); the same answer for all files is an honest "unknown".
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, uint64_t* seconds, IODebugContext*) override {
    *seconds = static_cast<uint64_t>(clock_.now().micros / 1000000);
    return IOStatus::OK();
  }
  IOStatus GetFreeSpace(const std::string& path, const IOOptions&, uint64_t* bytes, IODebugContext*) override {
    const Result<uint64_t> free = files_.free_bytes(path);
    if (!free.ok()) return io_status(free.error(), first_);
    *bytes = *free;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is_directory, IODebugContext*) override {
    *is_directory = files_.list(path).ok();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* absolute, IODebugContext*) override {
    *absolute = path;
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string*, IODebugContext*) override {
    return IOStatus::NotSupported("a test directory");
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return io_status(files_.remove(path), first_);
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return io_status(files_.remove(path), first_);
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return io_status(files_.create_directories(path), first_);
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    return io_status(files_.create_directories(path), first_);
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    return io_status(files_.rename(from, to), first_);
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    return io_status(files_.link(from, to), first_);
  }

  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock, IODebugContext*) override {
    auto held = files_.lock(path);
    if (!held.ok()) return io_status(held.error(), first_);
    *lock = std::make_unique<HeldLock>(std::move(held).value()).release();  // UnlockFile takes it back
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    const std::unique_ptr<rocksdb::FileLock> owned(lock);
    return IOStatus::OK();
  }

 private:
  template <typename Adapter, typename File, typename Target>
  IOStatus opened(Result<std::unique_ptr<File>> file, Target* target) {
    target->reset();
    if (!file.ok()) return io_status(file.error(), first_);
    *target = std::make_unique<Adapter>(std::move(file).value(), first_);
    return IOStatus::OK();
  }

  millrace::FileSystem& files_;
  Clock& clock_;
  FirstError& first_;
};

class EnvClock final : public rocksdb::SystemClockWrapper {
 public:
  explicit EnvClock(Clock& clock) : SystemClockWrapper(rocksdb::SystemClock::Default()), clock_(clock) {}

  const char* Name() const override { return "MillraceEnvClock"; }
  uint64_t NowMicros() override { return static_cast<uint64_t>(clock_.now().micros); }
  uint64_t NowNanos() override { return static_cast<uint64_t>(clock_.monotonic().micros) * 1000; }
  uint64_t CPUNanos() override { return 0; }
  uint64_t CPUMicros() override { return 0; }
  rocksdb::Status GetCurrentTime(int64_t* seconds) override {
    *seconds = clock_.now().micros / 1000000;
    return rocksdb::Status::OK();
  }

 private:
  Clock& clock_;
};

/// Files alone are ours; jobs run on RocksDB's threads.
class ThreadedRocksEnv : public RocksEnv {
 public:
  ThreadedRocksEnv(const std::shared_ptr<rocksdb::FileSystem>& files, std::unique_ptr<FirstError> first)
      : RocksEnv(rocksdb::NewCompositeEnv(files)), first_(std::move(first)) {
    file_system_ = files;
  }
  const char* Name() const override { return "MillraceEnv"; }
  void run_jobs() override {}
  std::optional<Error> first_error() const override { return first_->get(); }

 private:
  const std::unique_ptr<FirstError> first_;
};

class QueuedRocksEnv final : public ThreadedRocksEnv {
 public:
  QueuedRocksEnv(const std::shared_ptr<rocksdb::FileSystem>& files, std::unique_ptr<FirstError> first, Clock& clock)
      : ThreadedRocksEnv(files, std::move(first)) {
    system_clock_ = std::make_shared<EnvClock>(clock);
  }
  void Schedule(void (*function)(void*), void* argument, Priority priority, void* tag,
                void (*unschedule)(void*)) override {
    jobs_.push_back({function, argument, priority, tag, unschedule});
  }

  int UnSchedule(void* tag, Priority priority) override {
    const auto dropped = [&](const Job& job) { return job.tag == tag && job.priority == priority; };
    int count = 0;
    for (const Job& job : jobs_) {
      if (!dropped(job)) continue;
      if (job.unschedule != nullptr) job.unschedule(job.argument);
      ++count;
    }
    std::erase_if(jobs_, dropped);
    return count;
  }

  unsigned int GetThreadPoolQueueLen(Priority) const override { return static_cast<unsigned int>(jobs_.size()); }

  void run_jobs() override {
    while (!jobs_.empty()) {
      const Job job = jobs_.front();
      jobs_.pop_front();
      job.function(job.argument);
    }
  }

 private:
  struct Job {
    void (*function)(void*);
    void* argument;
    Priority priority;
    void* tag;
    void (*unschedule)(void*);
  };
  std::deque<Job> jobs_;  // all on one thread
};

}  // namespace

std::unique_ptr<RocksEnv> make_rocks_env(Env& env) {
  auto first = std::make_unique<FirstError>();
  auto files = std::make_shared<EnvFileSystem>(env, *first);
  if (env.single_threaded()) return std::make_unique<QueuedRocksEnv>(files, std::move(first), env.clock());
  return std::make_unique<ThreadedRocksEnv>(files, std::move(first));
}

}  // namespace millrace::state
