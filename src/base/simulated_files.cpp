#include "base/simulated_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/failpoints.h"
#include "base/file_steps.h"
#include "base/simulated_node.h"
#include "base/text.h"

namespace millrace {
namespace {

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  for (const std::string_view part : split_view(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..")
      parts.push_back(part);
    else if (!parts.empty())
      parts.pop_back();
  }
  return parts;
}

std::string plain_path(std::string_view path) {
  std::string plain;
  for (const std::string_view part : parts_of(path)) plain.append("/").append(part);
  return plain;
}

Error path_error(const char* verb, const std::string& path, int errno_value) {
  return errno_error(std::string(verb) + " " + path, errno_value);
}

}  // namespace

// The three kinds of handle know the file system, which outlives them (it belongs to the Env).

class SimulatedWritableFile final : public WritableFile {
 public:
  SimulatedWritableFile(SimulatedFiles& files, SimulatedFiles::NodePtr node, std::string path, uint64_t generation)
      : files_(files), node_(std::move(node)), path_(std::move(path)), generation_(generation) {}

  Status append(std::span<const char> bytes) override { return files_.append(*node_, path_, generation_, bytes); }
  Status sync() override { return files_.sync(*node_, path_, generation_); }
  Status truncate(uint64_t size) override { return files_.truncate(*node_, path_, generation_, size); }
  uint64_t size() const override {
    const std::lock_guard lock(files_.mutex_);
    return node_->content.size();
  }
  Status close() override { return {}; }

 private:
  SimulatedFiles& files_;
  const SimulatedFiles::NodePtr node_;
  const std::string path_;
  const uint64_t generation_;
};

class SimulatedRandomAccessFile final : public RandomAccessFile {
 public:
  SimulatedRandomAccessFile(SimulatedFiles& files, SimulatedFiles::NodePtr node, std::string path, uint64_t generation)
      : files_(files), node_(std::move(node)), path_(std::move(path)), generation_(generation) {}

  Result<size_t> read_at(uint64_t offset, char* buffer, size_t length) const override {
    const std::lock_guard lock(files_.mutex_);
    MR_TRY(files_.check_alive(generation_, path_));
    MR_TRY(files_.begin(FileOperation::kRead, path_));
    const std::string& content = node_->content;
    if (offset >= content.size()) return size_t{0};
    const size_t count = std::min(length, content.size() - static_cast<size_t>(offset));
    std::memcpy(buffer, content.data() + offset, count);
    return count;
  }

  Result<uint64_t> size() const override {
    const std::lock_guard lock(files_.mutex_);
    MR_TRY(files_.check_alive(generation_, path_));
    return static_cast<uint64_t>(node_->content.size());
  }

 private:
  SimulatedFiles& files_;
  const SimulatedFiles::NodePtr node_;
  const std::string path_;
  const uint64_t generation_;
};

class SimulatedFileLock final : public FileLock {
 public:
  SimulatedFileLock(SimulatedFiles& files, std::string path, uint64_t token)
      : files_(files), path_(std::move(path)), token_(token) {}
  ~SimulatedFileLock() override {
    const std::lock_guard lock(files_.mutex_);
    const auto held = files_.locks_.find(path_);
    if (held != files_.locks_.end() && held->second == token_) files_.locks_.erase(held);
  }

 private:
  SimulatedFiles& files_;
  const std::string path_;
  const uint64_t token_;
};

SimulatedFiles::SimulatedFiles(Failpoints& failpoints, uint64_t seed)
    : append_point_(failpoints.point("files.append")),
      sync_point_(failpoints.point("files.sync")),
      root_(std::make_shared<Node>(true)),
      random_state_(seed) {}

SimulatedFiles::~SimulatedFiles() = default;

// ---- every operation starts here ----

bool SimulatedFiles::is_change(FileOperation operation) {
  return operation != FileOperation::kOpenRead && operation != FileOperation::kRead &&
         operation != FileOperation::kList;
}

Status SimulatedFiles::check_alive(uint64_t generation, const std::string& path) const {
  if (!down_ && generation == generation_) return {};
  return errno_error("the simulated process has died: " + path, EIO);
}

Status SimulatedFiles::begin(FileOperation operation, const std::string& path) {
  MR_TRY(check_alive(generation_, path));
  if (is_change(operation)) {
    if (power_cut_at_ && changes_ >= *power_cut_at_) {
      die();
      recover(power_cut_survival_);
      return check_alive(generation_, path);
    }
    ++changes_;
  }
  for (FileFault& fault : faults_) {
    if (fault.operation != operation || path.find(fault.path_part) == std::string::npos) continue;
    if (fault.after > 0) {
      --fault.after;
      continue;
    }
    const int errno_value = fault.errno_value;
    if (fault.times > 0 && --fault.times == 0) faults_.erase(faults_.begin() + (&fault - faults_.data()));
    return errno_error("injected: " + path, errno_value);
  }
  return {};
}

// ---- paths ----

Result<SimulatedFiles::Place> SimulatedFiles::find(const std::string& path, const char* verb) const {
  const auto parts = parts_of(path);
  if (path.empty()) return path_error(verb, path, ENOENT);
  if (parts.empty()) return Place{nullptr, "", root_};
  NodePtr directory = root_;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const auto entry = directory->entries.find(std::string(parts[i]));
    if (entry == directory->entries.end()) return path_error(verb, path, ENOENT);
    if (!entry->second->is_directory) return path_error(verb, path, ENOTDIR);
    directory = entry->second;
  }
  Place place{directory, std::string(parts.back()), nullptr};
  if (const auto entry = directory->entries.find(place.name); entry != directory->entries.end())
    place.node = entry->second;
  return place;
}

Result<SimulatedFiles::NodePtr> SimulatedFiles::find_file(const std::string& path, const char* verb) const {
  MR_ASSIGN(const Place place, find(path, verb));
  if (!place.node) return path_error(verb, path, ENOENT);
  if (place.node->is_directory) return path_error(verb, path, EISDIR);
  return place.node;
}

Result<SimulatedFiles::NodePtr> SimulatedFiles::find_directory(const std::string& path, const char* verb) const {
  MR_ASSIGN(const Place place, find(path, verb));
  if (!place.node) return path_error(verb, path, ENOENT);
  if (!place.node->is_directory) return path_error(verb, path, ENOTDIR);
  return place.node;
}

// ---- opening and reading ----

Result<std::unique_ptr<WritableFile>> SimulatedFiles::open_writable(const std::string& path, bool cut,
                                                                    const char* verb) {
  const std::lock_guard lock(mutex_);
  MR_TRY(begin(FileOperation::kOpen, path));
  MR_ASSIGN(Place place, find(path, verb));
  if (place.node && place.node->is_directory) return path_error(verb, path, EISDIR);
  if (!place.node) {
    place.node = std::make_shared<Node>(false);
    place.directory->change({{place.name, place.node}});
  } else if (cut) {
    const size_t before = place.node->content.size();
    place.node->cut(0);
    charge(*place.node, before);
  }
  return std::unique_ptr<WritableFile>(std::make_unique<SimulatedWritableFile>(*this, place.node, path, generation_));
}

Result<std::unique_ptr<WritableFile>> SimulatedFiles::open_append(const std::string& path) {
  return open_writable(path, false, "open");
}

Result<std::unique_ptr<WritableFile>> SimulatedFiles::create(const std::string& path) {
  return open_writable(path, true, "create");
}

Result<std::unique_ptr<RandomAccessFile>> SimulatedFiles::open_read(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_TRY(begin(FileOperation::kOpenRead, path));
  MR_ASSIGN(NodePtr node, find_file(path, "open"));
  return std::unique_ptr<RandomAccessFile>(
      std::make_unique<SimulatedRandomAccessFile>(*this, std::move(node), path, generation_));
}

Result<std::string> SimulatedFiles::read_all(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_TRY(begin(FileOperation::kOpenRead, path));
  MR_TRY(begin(FileOperation::kRead, path));
  MR_ASSIGN(const NodePtr node, find_file(path, "open"));
  return node->content;
}

Result<bool> SimulatedFiles::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_TRY(check_alive(generation_, path));
  const auto place = find(path, "look for");
  return place.ok() && place->node != nullptr;
}

Result<std::vector<FileInfo>> SimulatedFiles::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_TRY(begin(FileOperation::kList, path));
  MR_ASSIGN(const NodePtr directory, find_directory(path, "list"));
  std::vector<FileInfo> found;
  for (const auto& [name, node] : directory->entries) found.push_back({name, node->content.size(), node->is_directory});
  return found;
}

Result<uint64_t> SimulatedFiles::free_bytes(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_TRY(check_alive(generation_, path));
  return capacity_ > used_ ? capacity_ - used_ : 0;
}

// ---- writing ----

void SimulatedFiles::lose_name(Node& node) {
  if (--node.names == 0) used_ -= node.content.size();
}

/// Counts a change of a file's size; one that was removed while open counts no more.
void SimulatedFiles::charge(const Node& file, size_t before) {
  if (file.names > 0) used_ = used_ - before + file.content.size();
}

Status SimulatedFiles::append(Node& file, const std::string& path, uint64_t generation, std::span<const char> bytes) {
  MR_TRY(append_point_.check());
  const std::lock_guard lock(mutex_);
  MR_TRY(check_alive(generation, path));
  Status allowed = begin(FileOperation::kAppend, path);
  MR_TRY(check_alive(generation, path));
  size_t fits = allowed.ok() ? bytes.size() : static_cast<size_t>(random_below(bytes.size() + 1));
  const uint64_t room = capacity_ > used_ ? capacity_ - used_ : 0;
  if (fits > room) {
    fits = static_cast<size_t>(room);
    if (allowed.ok()) allowed = path_error("write", path, ENOSPC);
  }
  const size_t before = file.content.size();
  file.content.append(bytes.data(), fits);
  charge(file, before);
  return allowed;
}

Status SimulatedFiles::sync(Node& file, const std::string& path, uint64_t generation) {
  const Status point = sync_point_.check();
  const std::lock_guard lock(mutex_);
  MR_TRY(check_alive(generation, path));
  Status allowed = point.ok() ? begin(FileOperation::kSync, path) : point;
  MR_TRY(check_alive(generation, path));
  if (allowed.ok() && !ignored_syncs_.empty() && path.find(ignored_syncs_) != std::string::npos) return {};
  if (allowed.ok())
    file.make_content_durable();
  else
    file.lose_unsynced();
  return allowed;
}

Status SimulatedFiles::truncate(Node& file, const std::string& path, uint64_t generation, uint64_t size) {
  const std::lock_guard lock(mutex_);
  MR_TRY(check_alive(generation, path));
  MR_CHECK(size <= file.content.size(), "truncate only cuts");
  MR_TRY(begin(FileOperation::kTruncate, path));
  const size_t before = file.content.size();
  file.cut(static_cast<size_t>(size));
  charge(file, before);
  return {};
}

Status SimulatedFiles::write_atomically(const std::string& path, std::string_view bytes) {
  return write_atomically_in_steps(*this, path, bytes);
}

// ---- names ----

Status SimulatedFiles::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  MR_TRY(begin(FileOperation::kRename, from));
  const std::string both = from + " to " + to;
  MR_ASSIGN(const Place source, find(from, "rename"));
  MR_ASSIGN(const Place target, find(to, "rename"));
  if (!source.node) return path_error("rename", both, ENOENT);
  if (!source.directory || !target.directory) return path_error("rename", both, EBUSY);
  if (source.node == target.node) return {};
  if (source.node->is_directory && plain_path(to).starts_with(plain_path(from) + "/")) {
    return path_error("rename", both, EINVAL);
  }
  if (target.node) {
    if (target.node->is_directory && !source.node->is_directory) return path_error("rename", both, EISDIR);
    if (!target.node->is_directory && source.node->is_directory) return path_error("rename", both, ENOTDIR);
    if (!target.node->entries.empty()) return path_error("rename", both, ENOTEMPTY);
    lose_name(*target.node);
  }
  if (source.directory == target.directory) {
    source.directory->change({{target.name, source.node}, {source.name, nullptr}});
  } else {
    target.directory->change({{target.name, source.node}});
    source.directory->change({{source.name, nullptr}});
  }
  return {};
}

Status SimulatedFiles::link(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  MR_TRY(begin(FileOperation::kLink, from));
  const std::string both = from + " to " + to;
  MR_ASSIGN(const Place source, find(from, "link"));
  MR_ASSIGN(const Place target, find(to, "link"));
  if (!source.node) return path_error("link", both, ENOENT);
  if (target.node || !target.directory) return path_error("link", both, EEXIST);
  if (source.node->is_directory) return path_error("link", both, EPERM);
  ++source.node->names;
  target.directory->change({{target.name, source.node}});
  return {};
}

Status SimulatedFiles::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_TRY(begin(FileOperation::kRemove, path));
  MR_ASSIGN(const Place place, find(path, "remove"));
  if (!place.node) return path_error("remove", path, ENOENT);
  if (!place.directory) return path_error("remove", path, EBUSY);
  if (!place.node->entries.empty()) return path_error("remove", path, ENOTEMPTY);
  remove_tree(place.directory, place.name);
  return {};
}

Status SimulatedFiles::remove_recursively(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_TRY(begin(FileOperation::kRemove, path));
  const auto place = find(path, "remove");
  if (!place.ok() || !place->node) return {};
  if (!place->directory) return path_error("remove", path, EBUSY);
  remove_tree(place->directory, place->name);
  return {};
}

void SimulatedFiles::remove_tree(const NodePtr& directory, const std::string& name) {
  const NodePtr node = directory->entries.at(name);
  lose_name(*node);
  while (!node->entries.empty()) remove_tree(node, std::string(node->entries.begin()->first));
  directory->change({{name, nullptr}});
}

Status SimulatedFiles::create_directories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_TRY(begin(FileOperation::kCreateDirectory, path));
  if (path.empty()) return path_error("create directory", path, ENOENT);
  NodePtr directory = root_;
  for (const std::string_view part : parts_of(path)) {
    const std::string name(part);
    auto entry = directory->entries.find(name);
    if (entry == directory->entries.end()) {
      directory->change({{name, std::make_shared<Node>(true)}});
      directory->make_entries_durable();
      entry = directory->entries.find(name);
    }
    if (!entry->second->is_directory) return path_error("create directory", path, ENOTDIR);
    directory = entry->second;
  }
  return {};
}

Status SimulatedFiles::sync_directory(const std::string& path) {
  MR_TRY(sync_point_.check());
  const std::lock_guard lock(mutex_);
  MR_TRY(begin(FileOperation::kSyncDirectory, path));
  MR_ASSIGN(const NodePtr directory, find_directory(path, "sync directory"));
  directory->make_entries_durable();
  return {};
}

Result<std::unique_ptr<FileLock>> SimulatedFiles::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  MR_TRY(begin(FileOperation::kLock, path));
  MR_ASSIGN(const Place place, find(path, "lock"));
  if (place.node && place.node->is_directory) return path_error("lock", path, EISDIR);
  const std::string plain = plain_path(path);
  if (locks_.contains(plain)) {
    return external_error(sqlstate::kObjectInUse, "the lock " + path + " is held by another process", Retry::kBackoff);
  }
  if (!place.node) place.directory->change({{place.name, std::make_shared<Node>(false)}});
  locks_[plain] = ++last_token_;
  return std::unique_ptr<FileLock>(std::make_unique<SimulatedFileLock>(*this, plain, last_token_));
}

// ---- what a test sets ----

void SimulatedFiles::ignore_syncs(std::string path_part) {
  const std::lock_guard lock(mutex_);
  ignored_syncs_ = std::move(path_part);
}

void SimulatedFiles::inject(FileFault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void SimulatedFiles::clear_faults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

void SimulatedFiles::set_capacity(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

uint64_t SimulatedFiles::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

uint64_t SimulatedFiles::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

void SimulatedFiles::power_cut_after(uint64_t changes, Survival survival) {
  const std::lock_guard lock(mutex_);
  power_cut_at_ = changes_ + changes;
  power_cut_survival_ = survival;
}

}  // namespace millrace
