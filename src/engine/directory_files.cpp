#include "engine/directory_files.h"

#include <fmt/format.h>

#include <charconv>

#include "base/paths.h"
#include "base/sealed_text.h"
#include "base/text.h"
#include "engine/start_checks.h"

namespace millrace::engine {
namespace {

constexpr size_t kIdentityDigits = 32;
constexpr std::string_view kLoadsTitle = "millrace-loads 1";
constexpr std::string_view kBaseWord = "base ";
constexpr std::string_view kCommitWord = "commit ";

Error damaged(const std::string& path, std::string_view why) {
  return lead_to_verify(
      external_error(sqlstate::kDataCorrupted, fmt::format("the data directory is damaged: {}: {}", path, why)));
}

/// Nothing when there is none.
Result<std::optional<std::string>> read_if_there(FileSystem& files, const std::string& path) {
  MR_ASSIGN(const bool exists, files.exists(path));
  if (!exists) return std::optional<std::string>();
  MR_ASSIGN(std::string bytes, files.read_all(path));
  return std::optional<std::string>(std::move(bytes));
}

template <typename Integer>
bool parse(std::string_view text, Integer& value) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc() && end == text.data() + text.size();
}

bool is_identity(std::string_view text) {
  return text.size() == kIdentityDigits + 1 && text.ends_with('\n') &&
         text.find_first_not_of("0123456789abcdef") == kIdentityDigits;
}

/// Lines of one number each.
bool parse_ids(std::string_view text, std::set<uint32_t>& ids) {
  if (!text.empty() && !text.ends_with('\n')) return false;
  for (const std::string_view line : split_view(text, '\n')) {
    uint32_t id = 0;
    if (line.empty() && line.data() == text.data() + text.size()) break;
    if (!parse(line, id)) return false;
    ids.insert(id);
  }
  return true;
}

}  // namespace

Result<std::optional<IdentityFile>> read_identity(FileSystem& files, const std::string& directory) {
  const std::string path = join_path(directory, kIdentityFile);
  MR_ASSIGN(const std::optional<std::string> bytes, read_if_there(files, path));
  if (!bytes) return std::optional<IdentityFile>();
  const Result<std::string_view> sealed = open_sealed(*bytes);
  const std::string_view text = sealed.ok() ? *sealed : std::string_view(*bytes);  // older releases did not seal it
  if (!is_identity(text)) return damaged(path, sealed.ok() ? "it holds no identity" : sealed.error().message);
  return std::optional<IdentityFile>({std::string(text.substr(0, kIdentityDigits)), sealed.ok()});
}

Status write_identity(FileSystem& files, const std::string& directory, const IdentityFile& identity) {
  const std::string text = identity.id + "\n";
  return files.write_atomically(join_path(directory, kIdentityFile), identity.sealed ? seal_text(text) : text);
}

Result<std::optional<std::string>> read_base(FileSystem& files, const std::string& directory) {
  const std::string path = join_path(directory, kBaseFile);
  MR_ASSIGN(const std::optional<std::string> bytes, read_if_there(files, path));
  if (!bytes) return std::optional<std::string>();
  const Result<std::string_view> text = open_sealed(*bytes);
  if (!text.ok()) return damaged(path, text.error().message);
  if (!text->starts_with(kBaseWord) || !text->ends_with('\n')) return damaged(path, "it names no folder");
  return std::optional<std::string>(text->substr(kBaseWord.size(), text->size() - kBaseWord.size() - 1));
}

Status write_base(FileSystem& files, const std::string& directory, const std::string& base) {
  return files.write_atomically(join_path(directory, kBaseFile), seal_text(std::string(kBaseWord) + base + "\n"));
}

Result<std::optional<LoadsFile>> read_loads(FileSystem& files, const std::string& directory) {
  const std::string path = join_path(directory, kLoadsFile);
  MR_ASSIGN(const std::optional<std::string> bytes, read_if_there(files, path));
  if (!bytes) return std::optional<LoadsFile>();
  LoadsFile loads;
  const Result<std::string_view> sealed = open_sealed(*bytes);
  loads.sealed = sealed.ok();
  std::string_view text = sealed.ok() ? *sealed : std::string_view(*bytes);
  const std::string title = std::string(kLoadsTitle) + "\n";
  if (sealed.ok() && text.starts_with(title)) {
    text.remove_prefix(title.size());
  } else if (sealed.ok() || text.empty()) {
    return damaged(path, "it is not a list of loads");
  }
  if (!parse_ids(text, loads.done)) return damaged(path, sealed.ok() ? "a line is no id" : sealed.error().message);
  return std::optional<LoadsFile>(std::move(loads));
}

Status write_loads(FileSystem& files, const std::string& directory, const std::set<uint32_t>& done) {
  std::string text = std::string(kLoadsTitle) + "\n";
  for (const uint32_t id : done) text += std::to_string(id) + "\n";
  return files.write_atomically(join_path(directory, kLoadsFile), seal_text(std::move(text)));
}

Result<std::optional<Epoch>> read_checkpoint_mark(FileSystem& files, const std::string& directory) {
  const std::string path = join_path(directory, kCheckpointFile);
  MR_ASSIGN(const std::optional<std::string> bytes, read_if_there(files, path));
  if (!bytes) return std::optional<Epoch>();
  const Result<std::string_view> text = open_sealed(*bytes);
  if (!text.ok()) return damaged(path, text.error().message);
  Epoch epoch;
  if (!text->starts_with(kCommitWord) || !parse(trim(text->substr(kCommitWord.size())), epoch.value)) {
    return damaged(path, "it names no commit");
  }
  return std::optional<Epoch>(epoch);
}

Status write_checkpoint_mark(FileSystem& files, const std::string& directory, Epoch epoch) {
  return files.write_atomically(join_path(directory, kCheckpointFile),
                                seal_text(std::string(kCommitWord) + std::to_string(epoch.value) + "\n"));
}

Result<std::vector<std::string>> lacking_files(FileSystem& files, const std::string& directory) {
  MR_ASSIGN(const std::optional<LoadsFile> loads, read_loads(files, directory));
  MR_ASSIGN(const std::optional<std::string> base, read_base(files, directory));
  MR_ASSIGN(const std::optional<IdentityFile> identity, read_identity(files, directory));
  MR_ASSIGN(const bool has_catalog, files.exists(join_path(directory, "catalog")));
  // Older releases made some of them later, or not at all.
  const bool wants_all = (identity && identity->sealed) || (!identity && loads && loads->sealed);
  std::vector<std::string> lacking;
  if (!has_catalog || !wants_all) return lacking;
  if (!identity) lacking.push_back(join_path(directory, kIdentityFile));
  if (!loads) lacking.push_back(join_path(directory, kLoadsFile));
  if (!base) lacking.push_back(join_path(directory, kBaseFile));
  return lacking;
}

Result<std::string> open_identity(Env& env, const std::string& directory) {
  FileSystem& files = env.files();
  MR_ASSIGN(const std::vector<std::string> lacking, lacking_files(files, directory));
  if (!lacking.empty()) return damaged(lacking.front(), "missing");
  MR_ASSIGN(const bool is_old, files.exists(join_path(directory, "catalog")));
  MR_ASSIGN(const std::optional<LoadsFile> loads, read_loads(files, directory));
  MR_ASSIGN(const std::optional<std::string> base, read_base(files, directory));
  if (!is_old && !loads) MR_TRY(write_loads(files, directory, {}));
  if (!is_old && !base) MR_TRY(write_base(files, directory, {}));
  MR_ASSIGN(std::optional<IdentityFile> identity, read_identity(files, directory));
  if (!identity) {
    const uint64_t high = env.random().next();
    identity = IdentityFile{fmt::format("{:016x}{:016x}", high, env.random().next()), !is_old};
    MR_TRY(write_identity(files, directory, *identity));
  }
  return identity->id;
}

}  // namespace millrace::engine
