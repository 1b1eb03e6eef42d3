#include "state/verify.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <set>

#include "base/bytes.h"
#include "state/block.h"
#include "state/key_values.h"
#include "state/run_index.h"

namespace millrace::state {

namespace {

uint64_t number_after(const std::string& text, std::string_view word) {
  const size_t at = text.find(word);
  uint64_t number = 0;
  if (at != std::string::npos) {
    std::from_chars(text.data() + at + word.size(), text.data() + text.size(), number);
  }
  return number;
}

/// The file of `directory` that the message names first; the directory when it names none.
std::string path_in(const std::string& message, const std::string& directory) {
  const std::string start = directory + "/";
  for (size_t at = message.find(start); at != std::string::npos; at = message.find(start, at + 1)) {
    const size_t end = message.find_first_of(" :,;", at);
    std::string path = message.substr(at, end == std::string::npos ? end : end - at);
    while (path.ends_with('.')) path.pop_back();  // of a sentence
    // A table that it misses it looks for under its former ending too.
    if (path.ends_with(".ldb")) path.replace(path.size() - 4, 4, ".sst");
    if (path.size() > start.size()) return path;
  }
  return directory;
}

/// RocksDB says "… in PATH offset N size M" of a bad block of a file, and only the reason, perhaps with a path,
/// otherwise.
Damage damage_of(const std::string& directory, const Error& error) {
  Damage damage{.path = path_in(error.message, directory), .what = error.message};
  if (error.message.find(" in " + directory + "/") == std::string::npos) return damage;
  damage.first = number_after(error.message, " offset ");
  damage.end = damage.first + number_after(error.message, " size ");
  return damage;
}

/// A manifest that is missing while another one is there: then it is CURRENT that names the wrong one.
void blame_current(const std::vector<FileInfo>& files, const std::string& directory, Damage& damage) {
  const std::string manifest = directory + "/MANIFEST-";
  if (!damage.path.starts_with(manifest)) return;
  bool is_there = false, another = false;
  for (const FileInfo& file : files) {
    is_there = is_there || directory + "/" + file.name == damage.path;
    another = another || file.name.starts_with("MANIFEST-");
  }
  if (!is_there && another) damage.path = directory + "/CURRENT";
}

/// A table whose last bytes, the version of its format and a magic number, are damaged is opened while the manifest is
/// read, and RocksDB names only that.
void blame_table(Env& env, const std::vector<FileInfo>& files, const std::string& directory, Damage& damage) {
  constexpr size_t kEnd = sizeof(uint32_t) + sizeof(uint64_t);
  constexpr std::string_view kWord = "format_version: ";
  if (damage.what.find(kWord) == std::string::npos) return;
  const auto version = static_cast<uint32_t>(number_after(damage.what, kWord));
  for (const FileInfo& file : files) {
    if (!file.name.ends_with(".sst") || file.size < kEnd) continue;
    const std::string path = directory + "/" + file.name;
    const auto opened = env.files().open_read(path);
    char end[kEnd];
    if (!opened.ok() || !(*opened)->read_at(file.size - kEnd, end, kEnd).ok()) continue;
    if (load_little<uint32_t>(end) == version) {
      damage.path = path;
      damage.first = file.size - kEnd;
      damage.end = file.size;
    }
  }
}

class Verifier {
 public:
  Verifier(KeyValues& key_values, std::string directory, VerifiedState& out)
      : key_values_(key_values), directory_(std::move(directory)), out_(out) {}

  Status run();

 private:
  Status index(std::string_view key, std::string_view value);
  Status block(std::string_view key, std::string_view value);
  void missing();
  void damage(std::string what) { out_.damages.push_back({.path = directory_, .what = std::move(what)}); }

  KeyValues& key_values_;
  const std::string directory_;
  VerifiedState& out_;
  std::map<std::string, uint64_t> wanted_;  // run prefix → blocks
  std::map<std::string, uint64_t> entries_wanted_;
  std::map<std::string, uint64_t> found_;
  std::map<std::string, uint64_t> entries_found_;
};

Status Verifier::run() {
  MR_TRY(key_values_.scan("version", [&](std::string_view, std::string_view value) -> Status {
    if (value != "1") damage("operator state has format version " + std::string(value));
    return {};
  }));
  MR_TRY(key_values_.scan("note", [&](std::string_view, std::string_view value) -> Status {
    out_.note = value;
    return {};
  }));
  MR_TRY(key_values_.scan(std::string(1, kIndexPrefix),
                          [&](std::string_view key, std::string_view value) { return index(key, value); }));
  MR_TRY(key_values_.scan(std::string(1, kBlockPrefix),
                          [&](std::string_view key, std::string_view value) { return block(key, value); }));
  missing();
  return {};
}

Status Verifier::index(std::string_view key, std::string_view value) {
  const Result<TableId> id = table_of_index_key(key);
  const Result<RunIndex> index = RunIndex::decode(value);
  if (!id.ok() || !index.ok()) {
    damage("a list of runs does not decode");
    return {};
  }
  out_.tables.push_back(*id);
  for (uint32_t group = 0; group < kGroups; ++group) {
    for (const Run& run : index->groups[group]) {
      const std::string prefix = run_prefix(*id, group, run.number);
      wanted_[prefix] = run.blocks;
      entries_wanted_[prefix] = run.entries;
    }
  }
  return {};
}

Status Verifier::block(std::string_view key, std::string_view value) {
  const Result<BlockPlace> place = place_of_block_key(key);
  if (!place.ok()) {
    damage("the key of a block does not decode");
    return {};
  }
  const std::string name =
      fmt::format("a block of operator {}, table {}, run {}", place->id.op.value, place->id.slot, place->run);
  const std::string prefix = run_prefix(place->id, place->group, place->run);
  ++found_[prefix];
  ++out_.blocks;
  BlockReader reader;
  if (const Status opened = reader.open(std::string(value)); !opened.ok()) {
    damage(name + ": " + opened.error().message);
    return {};
  }
  Entry entry;
  uint64_t before = 0;
  while (reader.next(entry)) {
    if (entry.hash < before || group_of(entry.hash) != place->group) {
      damage(name + " is not sorted");
      break;
    }
    before = entry.hash;
  }
  entries_found_[prefix] += reader.size();
  return {};
}

/// Blocks that no list names are what a crash within a checkpoint leaves; the next start erases them.
void Verifier::missing() {
  for (const auto& [prefix, blocks] : wanted_) {
    if (found_[prefix] < blocks) {
      damage(fmt::format("{} of {} blocks of a run are missing", blocks - found_[prefix], blocks));
    } else if (entries_found_[prefix] != entries_wanted_[prefix]) {
      damage(fmt::format("a run has {} entries and should have {}", entries_found_[prefix], entries_wanted_[prefix]));
    }
  }
}

}  // namespace

Result<VerifiedState> verify_state(Env& env, const std::string& directory) {
  VerifiedState out;
  MR_ASSIGN(const bool exists, env.files().exists(directory));
  if (!exists) return out;
  MR_ASSIGN(const std::vector<FileInfo> files, env.files().list(directory));
  if (files.empty()) return out;
  auto key_values = open_rocksdb_to_verify(env, directory);
  Status status = key_values.ok() ? (*key_values)->check_files() : Status(key_values.error());
  if (status.ok()) status = Verifier(**key_values, directory, out).run();
  if (!status.ok()) {
    out.damages.push_back(damage_of(directory, status.error()));
    blame_current(files, directory, out.damages.back());
    blame_table(env, files, directory, out.damages.back());
  }
  return out;
}

}  // namespace millrace::state
