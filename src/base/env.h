// Env: the only door to time, randomness, files and the network. A test owns them all by passing a simulated one.
//
// Real implementation: real_env.h. Simulated: simulated_env.h (virtual time, a seeded generator, files that lose what
// was not synced). Every object below is safe to call from any thread unless it says otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace {

class Failpoints;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall-clock time. May jump.
  virtual Timestamp now() = 0;
  /// Never goes back; its zero means nothing.
  virtual Duration monotonic() = 0;
  /// Waits; under simulation it only advances virtual time.
  virtual void sleep_for(Duration duration) = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next() = 0;
};

/// A file open for appending. One thread at a time.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  /// All or an error; after an error, size() tells how much of it is in the file, and truncate can take that back.
  virtual Status append(std::span<const char> bytes) = 0;
  /// Makes all appended bytes survive a power cut (fdatasync). After an error the file must be closed and not believed.
  virtual Status sync() = 0;
  /// Cuts the file to `size`, which is at most its present size; the next append goes there. Durable after sync.
  virtual Status truncate(uint64_t size) = 0;
  virtual uint64_t size() const = 0;
  /// Closes without syncing. Also done, with its result unseen, by the destructor.
  virtual Status close() = 0;
};

/// A file open for reading at any place.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  /// Reads up to `length` bytes at `offset` into `buffer` and returns how many there were (fewer only at the end).
  virtual Result<size_t> read_at(uint64_t offset, char* buffer, size_t length) const = 0;
  virtual Result<uint64_t> size() const = 0;
};

/// Holds a lock on a file until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct FileInfo {
  std::string name;  ///< within its directory
  uint64_t size = 0;
  bool is_directory = false;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// Creates the file, or opens it to append when it exists. The directory entry survives only after sync_directory.
  virtual Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) = 0;
  /// Creates the file empty, cutting what was there.
  virtual Result<std::unique_ptr<WritableFile>> create(const std::string& path) = 0;
  virtual Result<std::unique_ptr<RandomAccessFile>> open_read(const std::string& path) = 0;
  virtual Result<std::string> read_all(const std::string& path) = 0;
  /// Writes to a temporary name, syncs, renames over `path`, syncs the directory: all or nothing, and durable.
  virtual Status write_atomically(const std::string& path, std::string_view bytes) = 0;
  /// Replaces a file at `to`. Between two directories, both must be synced afterwards.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  /// Gives a file a second name (a hard link), which must be free. The new name is durable after sync_directory.
  virtual Status link(const std::string& from, const std::string& to) = 0;
  /// Removes a file or an empty directory; a path that does not exist is a kUndefinedFile error.
  virtual Status remove(const std::string& path) = 0;
  /// Removes a file, or a directory with all that is in it. A path that does not exist is fine.
  virtual Status remove_recursively(const std::string& path) = 0;
  /// Creates the directory and the missing ones above it. Each one made is durable when this returns.
  virtual Status create_directories(const std::string& path) = 0;
  /// Makes creations, renames and removals inside `path` survive a power cut.
  virtual Status sync_directory(const std::string& path) = 0;
  /// What is in the directory, by name.
  virtual Result<std::vector<FileInfo>> list(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<uint64_t> free_bytes(const std::string& path) = 0;
  /// How long the oldest sync that has not come back has been running; zero when there is none. Never waits.
  virtual Duration oldest_sync() { return {}; }
  /// Fails with kObjectInUse when another process (or another owner in this one) holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

/// A connected byte stream. Reads and writes block. One reader and one writer at a time.
class Connection {
 public:
  virtual ~Connection() = default;
  /// Returns how many bytes came; 0 means that the peer closed.
  virtual Result<size_t> read(char* buffer, size_t length) = 0;
  virtual Status write(std::span<const char> bytes) = 0;
  /// May be called from another thread: a read that waits returns 0, a write fails.
  virtual void close() = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;
  /// Waits for the next connection; fails with kCancelled after close(), which another thread may call.
  virtual Result<std::unique_ptr<Connection>> accept() = 0;
  virtual uint16_t port() const = 0;
  virtual void close() = 0;
};

class Network {
 public:
  virtual ~Network() = default;
  virtual Result<std::unique_ptr<Connection>> connect(const std::string& host, uint16_t port, Duration timeout) = 0;
  /// Port 0 picks a free one. A taken port is a kObjectInUse error.
  virtual Result<std::unique_ptr<Listener>> listen(const std::string& host, uint16_t port) = 0;
};

/// Owned by main (or by a test) and outlives everything else.
class Env {
 public:
  virtual ~Env() = default;
  virtual Clock& clock() = 0;
  virtual Random& random() = 0;
  virtual FileSystem& files() = 0;
  virtual Network& network() = 0;
  /// Places that misbehave on purpose (failpoints.h); all off unless a test or an option sets them.
  virtual Failpoints& failpoints() = 0;
  /// True when the engine must run everything on the calling thread (simulation).
  virtual bool single_threaded() const = 0;
};

}  // namespace millrace
