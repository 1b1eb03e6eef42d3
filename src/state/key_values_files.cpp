#include <algorithm>
#include <charconv>
#include <map>

#include "base/bytes.h"
#include "base/hash.h"
#include "state/key_values.h"

namespace millrace::state {

namespace {

// One file a write, named by its number; a file that starts with kWhole holds everything and makes the older ones
// useless.
constexpr char kWhole = 'W';
constexpr char kChanges = 'C';
constexpr size_t kFilesMax = 16;
constexpr std::string_view kPrefix = "state-";

std::string encode(const WriteSet& changes, char kind) {
  std::string out(1, kind);
  append_varint(out, changes.erased_prefixes.size());
  for (const std::string& prefix : changes.erased_prefixes) append_string(out, prefix);
  append_varint(out, changes.erased.size());
  for (const std::string& key : changes.erased) append_string(out, key);
  append_varint(out, changes.blocks.size() + changes.put.size());
  for (const auto* pairs : {&changes.blocks, &changes.put}) {
    for (const auto& [key, value] : *pairs) {
      append_string(out, key);
      append_string(out, value);
    }
  }
  append_little(out, crc32c(out));
  return out;
}

Result<std::vector<std::string>> read_keys(ByteReader& reader) {
  MR_ASSIGN(const uint64_t count, reader.varint());
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < count; ++i) {
    MR_ASSIGN(const std::string_view key, reader.string());
    keys.emplace_back(key);
  }
  return keys;
}

Result<WriteSet> decode(std::string_view bytes) {
  const Error damaged = external_error(sqlstate::kDataCorrupted, "a file of operator state is damaged");
  if (bytes.size() < 5) return damaged;
  const std::string_view content = bytes.substr(0, bytes.size() - 4);
  if (crc32c(content) != load_little<uint32_t>(bytes.data() + content.size())) return damaged;
  ByteReader reader(content.substr(1));
  WriteSet changes;
  MR_ASSIGN(changes.erased_prefixes, read_keys(reader));
  MR_ASSIGN(changes.erased, read_keys(reader));
  MR_ASSIGN(const uint64_t count, reader.varint());
  for (uint64_t i = 0; i < count; ++i) {
    MR_ASSIGN(const std::string_view key, reader.string());
    MR_ASSIGN(const std::string_view value, reader.string());
    changes.put.emplace_back(key, value);
  }
  return changes;
}

class FileKeyValues final : public KeyValues {
 public:
  FileKeyValues(Env& env, std::string directory) : files_(env.files()), directory_(std::move(directory)) {}

  Status open() {
    MR_TRY(files_.create_directories(directory_));
    MR_ASSIGN(const std::vector<FileInfo> found, files_.list(directory_));
    for (const FileInfo& file : found) {
      uint64_t number = 0;
      if (!file.name.starts_with(kPrefix)) continue;
      const char* end = file.name.data() + file.name.size();
      const auto parsed = std::from_chars(file.name.data() + kPrefix.size(), end, number);
      if (parsed.ec == std::errc() && parsed.ptr == end) numbers_.push_back(number);  // else a temporary file
    }
    std::sort(numbers_.begin(), numbers_.end());
    for (const uint64_t number : numbers_) {
      MR_ASSIGN(const std::string bytes, files_.read_all(path(number)));
      MR_ASSIGN(const WriteSet changes, decode(bytes));
      if (bytes[0] == kWhole) pairs_.clear();
      apply(changes);
    }
    return {};
  }

  Result<std::string> get(const std::string& key) override {
    const auto found = pairs_.find(key);
    if (found == pairs_.end()) return external_error(sqlstate::kDataCorrupted, "a block of operator state is missing");
    return found->second;
  }

  Result<bool> write_was_cut() override { return false; }

  Result<std::string> first_key(const std::string& from, std::string_view prefix) override {
    const auto found = pairs_.lower_bound(from);
    return found != pairs_.end() && found->first.starts_with(prefix) ? found->first : std::string();
  }

  Status scan(const std::string& prefix,
              const std::function<Status(std::string_view, std::string_view)>& visit) override {
    for (auto at = pairs_.lower_bound(prefix); at != pairs_.end() && at->first.starts_with(prefix); ++at) {
      MR_TRY(visit(at->first, at->second));
    }
    return {};
  }

  Status write(const WriteSet& changes) override {
    const bool whole = numbers_.size() >= kFilesMax;
    const uint64_t number = numbers_.empty() ? 1 : numbers_.back() + 1;
    if (!whole) {
      MR_TRY(files_.write_atomically(path(number), encode(changes, kChanges)));
      apply(changes);
      numbers_.push_back(number);
      return {};
    }
    apply(changes);
    WriteSet all;
    all.put.assign(pairs_.begin(), pairs_.end());
    MR_TRY(files_.write_atomically(path(number), encode(all, kWhole)));
    // Whichever of these removals survive a power cut, the whole comes after what is left.
    for (const uint64_t old : numbers_) MR_TRY(files_.remove(path(old)));
    numbers_.assign(1, number);
    return {};
  }

 private:
  std::string path(uint64_t number) const { return directory_ + "/" + std::string(kPrefix) + std::to_string(number); }

  void apply(const WriteSet& changes) {
    for (const std::string& prefix : changes.erased_prefixes) {
      pairs_.erase(pairs_.lower_bound(prefix), pairs_.lower_bound(prefix_end(prefix)));
    }
    for (const std::string& key : changes.erased) pairs_.erase(key);
    for (const auto& [key, value] : changes.blocks) pairs_[key] = value;
    for (const auto& [key, value] : changes.put) pairs_[key] = value;
  }

  FileSystem& files_;
  const std::string directory_;
  std::map<std::string, std::string> pairs_;
  std::vector<uint64_t> numbers_;  // of the files that are there, ascending
};

}  // namespace

Result<std::unique_ptr<KeyValues>> open_file_key_values(Env& env, const std::string& directory) {
  auto key_values = std::make_unique<FileKeyValues>(env, directory);
  MR_TRY(key_values->open());
  return std::unique_ptr<KeyValues>(std::move(key_values));
}

}  // namespace millrace::state
