// A file system in memory that models what survives a crash, and fails on demand. Part of SimulatedEnv.
//
// What it models, of the worst that POSIX file systems are known to do:
//   - Bytes of a file survive a power cut up to the last successful sync(). Of what was appended since, a prefix of any
//     length may be there, with whole or partial pages of zeros in it. A cut (truncate, create over an old file) that
//     was not synced may be undone.
//   - Names in a directory (created, renamed, removed) survive up to the last sync_directory() of it. Of the changes
//   since,
//     a prefix in their order may have happened. A rename inside one directory is atomic; one between two directories
//     is an addition and a removal that survive apart.
//   - After a failed sync() the unsynced bytes still read back, but are never written: a later sync() that succeeds
//   puts
//     zeros there on disk (what Linux did to PostgreSQL, "fsyncgate", 2018). Cutting and appending again repairs it.
//   - A full disk takes the part of an append that fits.
// Absolute and relative paths share one root; `.` and `..` are resolved by text. There are hard links, no others.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/env.h"

namespace millrace {

class FailPoint;

/// What a power cut leaves of that which was not synced.
enum class Survival : uint8_t {
  kNothing,     ///< only what was synced
  kEverything,  ///< all of it, but for what a failed sync dropped
  kSeeded,      ///< chosen by the seed, for each file and directory apart
};

enum class FileOperation : uint8_t {
  kOpen,      ///< open_append, create
  kOpenRead,  ///< open_read, read_all
  kRead,
  kAppend,  ///< a part of the bytes, by the seed, is written
  kSync,
  kTruncate,
  kRename,
  kLink,
  kRemove,
  kCreateDirectory,
  kSyncDirectory,
  kList,
  kLock,
};

/// Makes an operation fail on paths that contain a text.
struct FileFault {
  FileOperation operation = FileOperation::kAppend;
  std::string path_part;  ///< empty: any path
  int errno_value = 0;    ///< ENOSPC, EIO, …
  uint64_t after = 0;     ///< so many matching operations succeed first
  uint64_t times = 1;     ///< then so many fail; 0: all
};

class SimulatedFiles final : public FileSystem {
 public:
  /// Fires the same failpoints as the real file system, `files.append` and `files.sync`.
  SimulatedFiles(Failpoints& failpoints, uint64_t seed);
  ~SimulatedFiles() override;

  Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> create(const std::string& path) override;
  Result<std::unique_ptr<RandomAccessFile>> open_read(const std::string& path) override;
  Result<std::string> read_all(const std::string& path) override;
  Status write_atomically(const std::string& path, std::string_view bytes) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status link(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_recursively(const std::string& path) override;
  Status create_directories(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<FileInfo>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  // What follows is for tests.

  void crash();
  void power_cut(Survival survival = Survival::kSeeded);
  void restart();
  /// True from crash() or power_cut() to restart().
  bool down() const;

  void inject(FileFault fault);
  void clear_faults();
  /// The disk's size; 1 TiB at first. Smaller than what is there means full.
  void set_capacity(uint64_t bytes);
  uint64_t used_bytes() const;

  /// From now on a sync of a file whose path contains the text says that it succeeded and does nothing; empty: none.
  void ignore_syncs(std::string path_part);
  /// Operations so far that change something or make it durable. With it a test can find out how many a run has, and
  /// then let the machine die before each of them in turn.
  uint64_t changes() const;
  /// Dies, as by power_cut(survival), in place of the change after the next `changes` ones.
  void power_cut_after(uint64_t changes, Survival survival = Survival::kSeeded);

 private:
  friend class SimulatedWritableFile;
  friend class SimulatedRandomAccessFile;
  friend class SimulatedFileLock;
  struct Node;
  using NodePtr = std::shared_ptr<Node>;  // shared: named by the live and the durable directory, and held by open files
  struct Place {                          // a name in a directory that exists; `node` is null when the name is free
    NodePtr directory;
    std::string name;
    NodePtr node;
  };

  // All below with mutex_ held.
  Status begin(FileOperation operation, const std::string& path);
  static bool is_change(FileOperation operation);
  Result<Place> find(const std::string& path, const char* verb) const;
  Result<NodePtr> find_file(const std::string& path, const char* verb) const;
  Result<NodePtr> find_directory(const std::string& path, const char* verb) const;
  Result<std::unique_ptr<WritableFile>> open_writable(const std::string& path, bool cut, const char* verb);
  void remove_tree(const NodePtr& directory, const std::string& name);
  void die();
  void recover(Survival survival);
  void charge(const Node& file, size_t before);
  void lose_name(Node& node);
  void recover_directory(Node& directory, Survival survival, std::unordered_set<const Node*>& seen);
  void recover_file(Node& file, Survival survival);
  std::string surviving_tail(const Node& file);
  uint64_t random_below(uint64_t bound);

  Status append(Node& file, const std::string& path, uint64_t generation, std::span<const char> bytes);
  Status sync(Node& file, const std::string& path, uint64_t generation);
  Status truncate(Node& file, const std::string& path, uint64_t generation, uint64_t size);
  Status check_alive(uint64_t generation, const std::string& path) const;

  FailPoint& append_point_;
  FailPoint& sync_point_;

  mutable std::mutex mutex_;  // guards all below, and every Node
  NodePtr root_;
  uint64_t random_state_;
  uint64_t generation_ = 0;  // moves at each death; older open files and locks are void
  bool down_ = false;
  uint64_t capacity_ = uint64_t{1} << 40;
  uint64_t used_ = 0;
  uint64_t changes_ = 0;
  std::optional<uint64_t> power_cut_at_;  // a value of changes_
  Survival power_cut_survival_ = Survival::kSeeded;
  std::vector<FileFault> faults_;
  std::string ignored_syncs_;
  std::map<std::string, uint64_t> locks_;  // plain path → token of the holder
  uint64_t last_token_ = 0;
};

}  // namespace millrace
