#include "engine/savepoint.h"

#include <algorithm>

#include "base/config.h"
#include "base/paths.h"
#include "base/sealed_text.h"
#include "base/text.h"
#include "engine/compactor.h"
#include "engine/node_state.h"

namespace millrace::engine {
namespace {

constexpr size_t kCopyBytes = 1 << 20;
constexpr size_t kNameBytesMax = 64;
constexpr std::string_view kPlace = "savepoints";
constexpr const char* kMarker = "SAVEPOINT";

/// Of a data directory's own files, those that a copy must not have.
bool stays_behind(std::string_view name) { return name == "LOCK" || name == "STARTS" || name == kMarker; }

/// Copies what the file holds now; what is appended meanwhile may be left out.
Result<uint64_t> copy_file(FileSystem& files, const std::string& from, const std::string& to) {
  MR_ASSIGN(auto source, files.open_read(from));
  MR_ASSIGN(auto target, files.create(to));
  MR_ASSIGN(uint64_t size, source->size());
  std::string buffer(std::min<uint64_t>(kCopyBytes, size), '\0');
  for (uint64_t at = 0; at < size;) {
    MR_ASSIGN(size_t count, source->read_at(at, buffer.data(), std::min<uint64_t>(buffer.size(), size - at)));
    if (count == 0) break;
    MR_TRY(target->append(std::span(buffer.data(), count)));
    at += count;
  }
  MR_TRY(target->sync());
  uint64_t copied = target->size();
  MR_TRY(target->close());
  return copied;
}

/// Copies the files of a data directory or savepoint, all folders included.
Status copy_tree(FileSystem& files, const std::string& from, const std::string& to, uint64_t depth = 0) {
  MR_TRY(files.create_directories(to));
  MR_ASSIGN(std::vector<FileInfo> found, files.list(from));
  for (const FileInfo& file : found) {
    if (depth == 0 && stays_behind(file.name)) continue;
    std::string source = join_path(from, file.name);
    std::string target = join_path(to, file.name);
    if (file.is_directory) {
      MR_TRY(copy_tree(files, source, target, depth + 1));
    } else {
      MR_ASSIGN(uint64_t copied, copy_file(files, source, target));
      (void)copied;
    }
  }
  return files.sync_directory(to);
}

/// The segments of one partition: all but the last are sealed. Retention may take the oldest away meanwhile.
Status copy_partition(FileSystem& files, const std::string& from, const std::string& to, SavepointReceipt& receipt) {
  MR_TRY(files.create_directories(to));
  MR_ASSIGN(std::vector<FileInfo> found, files.list(from));
  std::string last;
  for (const FileInfo& file : found) {
    if (file.name.ends_with(".seg")) last = std::max(last, file.name);
  }
  for (const FileInfo& file : found) {
    if (file.name.ends_with(".idx")) continue;  // made anew
    std::string source = join_path(from, file.name);
    std::string target = join_path(to, file.name);
    if (file.name == last || !file.name.ends_with(".seg")) {
      MR_ASSIGN(uint64_t copied, copy_file(files, source, target));
      receipt.bytes_copied += copied;
      continue;
    }
    Status linked = files.link(source, target);
    if (!linked.ok() && linked.error().code == sqlstate::kUndefinedFile) continue;
    MR_TRY(std::move(linked));
    receipt.bytes_linked += file.size;
  }
  return files.sync_directory(to);
}

Status copy_log(FileSystem& files, const std::string& from, const std::string& to, SavepointReceipt& receipt) {
  MR_TRY(files.create_directories(to));
  MR_ASSIGN(std::vector<FileInfo> streams, files.list(from));
  for (const FileInfo& stream : streams) {
    if (!stream.is_directory) continue;
    std::string source = join_path(from, stream.name);
    std::string target = join_path(to, stream.name);
    MR_TRY(files.create_directories(target));
    MR_ASSIGN(std::vector<FileInfo> parts, files.list(source));
    for (const FileInfo& part : parts) {
      if (part.is_directory) {
        MR_TRY(copy_partition(files, join_path(source, part.name), join_path(target, part.name), receipt));
      } else {
        MR_ASSIGN(uint64_t copied, copy_file(files, join_path(source, part.name), join_path(target, part.name)));
        receipt.bytes_copied += copied;
      }
    }
    MR_TRY(files.sync_directory(target));
  }
  return files.sync_directory(to);
}

Status check_name(std::string_view name) {
  bool fits = name.size() <= kNameBytesMax && !name.empty() && name.front() != '.' && name.front() != '-';
  for (char c : name)
    fits =
        fits && (is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.');
  if (fits) return {};
  return user_error(sqlstate::kInvalidParameter, "a savepoint cannot have this name: " + shorten(name))
      .with_hint("take up to 64 letters, digits, - _ and .");
}

/// The data directory's own files, its state and its log. With the step lock held and nothing uncommitted.
Status copy_node(NodeState& node, const std::string& to, SavepointReceipt& receipt) {
  FileSystem& files = node.env.files();
  const std::string& from = node.options.data_directory;
  MR_ASSIGN(std::vector<FileInfo> found, files.list(from));
  for (const FileInfo& file : found) {
    if (file.is_directory || stays_behind(file.name)) continue;
    MR_ASSIGN(uint64_t copied, copy_file(files, join_path(from, file.name), join_path(to, file.name)));
    (void)copied;
  }
  MR_TRY(node.store->copy_to(to + "/state"));
  return copy_log(files, from + "/log", to + "/log", receipt);
}

}  // namespace

Result<SavepointReceipt> create_savepoint(NodeState& node, std::string_view name) {
  FileSystem& files = node.env.files();
  const auto no_compaction = node.compactor->hold();  // it would replace segments between two links
  std::lock_guard ddl(node.ddl_mutex);
  std::lock_guard steps(node.step_mutex);
  if (auto failure = failure_of(node)) return *failure;
  MR_TRY(refuse_in_doubt(node));
  SavepointReceipt receipt;
  receipt.epoch = node.epoch;
  std::string chosen = name.empty() ? "commit-" + std::to_string(node.epoch.value) : std::string(name);
  MR_TRY(check_name(chosen));
  std::string place = join_path(node.options.data_directory, kPlace);
  receipt.path = join_path(place, chosen);
  MR_ASSIGN(bool exists, files.exists(receipt.path));
  if (exists) {
    return user_error(sqlstate::kDuplicateTable, "there is a savepoint already at " + receipt.path)
        .with_hint("choose another name, or remove that directory");
  }
  MR_TRY(checkpoint(node));
  std::string half = join_path(place, "." + chosen + ".half");
  MR_TRY(files.remove_recursively(half));
  MR_TRY(files.create_directories(half));
  Status copied = copy_node(node, half, receipt);
  if (copied.ok()) {
    std::string mark =
        "commit " + std::to_string(node.epoch.value) + "\ntime " + format_iso8601(node.env.clock().now()) + "\n";
    copied = files.write_atomically(join_path(half, kMarker), seal_text(std::move(mark)));
  }
  if (copied.ok()) copied = files.sync_directory(half);
  if (!copied.ok()) {
    (void)files.remove_recursively(half);
    return std::move(copied).error();
  }
  MR_TRY(files.rename(half, receipt.path));
  MR_TRY(files.sync_directory(place));
  return receipt;
}

Result<Epoch> read_savepoint_mark(FileSystem& files, const std::string& path) {
  const std::string marker = join_path(path, kMarker);
  MR_ASSIGN(bool whole, files.exists(marker));
  if (!whole) {
    return user_error(sqlstate::kUndefinedFile, "there is no savepoint at " + path)
        .with_hint("`millrace savepoint create` prints where it put one");
  }
  MR_ASSIGN(std::string bytes, files.read_all(marker));
  Result<std::string_view> sealed = open_sealed(bytes);
  std::vector<std::string_view> lines = split_view(sealed.ok() ? *sealed : std::string_view(bytes), '\n');
  constexpr std::string_view kCommit = "commit ", kTime = "time ";
  if (lines.size() == 3 && lines[0].starts_with(kCommit) && lines[1].starts_with(kTime) && lines[2].empty()) {
    auto epoch = parse_integer(kMarker, lines[0].substr(kCommit.size()), 0, INT64_MAX);
    auto time = parse_iso8601(lines[1].substr(kTime.size()));
    if (epoch.ok() && time.ok()) return Epoch{static_cast<uint64_t>(*epoch)};
  }
  return external_error(sqlstate::kDataCorrupted, "the savepoint is damaged: " + marker)
      .with_hint("`millrace verify --data DIR` on the directory that it was made of names what is damaged");
}

Status restore_savepoint(Env& env, const std::string& savepoint, const std::string& directory) {
  FileSystem& files = env.files();
  MR_ASSIGN(Epoch epoch, read_savepoint_mark(files, savepoint));
  (void)epoch;
  MR_ASSIGN(bool exists, files.exists(directory));
  if (exists) {
    MR_ASSIGN(std::vector<FileInfo> found, files.list(directory));
    if (!found.empty()) {
      return user_error(sqlstate::kObjectInUse, "the directory is not empty: " + directory)
          .with_hint("a savepoint is restored into a new directory; move this one away or name another with --data");
    }
    MR_TRY(files.remove(directory));
  }
  std::string target = directory;
  while (target.size() > 1 && target.ends_with('/')) target.pop_back();
  std::string half = target + ".half";
  MR_TRY(files.remove_recursively(half));
  MR_TRY(copy_tree(files, savepoint, half));
  MR_TRY(files.rename(half, target));
  return files.sync_directory(parent_path(target));
}

}  // namespace millrace::engine
