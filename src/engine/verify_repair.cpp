// What `verify --repair` does, and the way in.
#include "base/paths.h"
#include "engine/commit_record.h"
#include "engine/directory_files.h"
#include "engine/verify.h"

namespace millrace::engine {
namespace {

Status apply(Env& env, const std::string& directory, const VerifyReport& report, const Damage& damage) {
  FileSystem& files = env.files();
  switch (damage.repair) {
    case Repair::kNone: return {};
    case Repair::kRemoveFile: MR_TRY(files.remove(damage.path)); return files.sync_directory(parent_path(damage.path));
    case Repair::kCutTail: {
      MR_ASSIGN(auto file, files.open_append(damage.path));
      MR_TRY(file->truncate(damage.first));
      MR_TRY(file->sync());
      return file->close();
    }
    case Repair::kReplay: return write_checkpoint_mark(files, directory, report.state_epoch);
    case Repair::kDropState:
      MR_TRY(files.remove_recursively(join_path(directory, "state")));
      MR_TRY(write_checkpoint_mark(files, directory, Epoch{}));
      return files.sync_directory(directory);
  }
  return {};
}

}  // namespace

Result<VerifyReport> verify_directory(Env& env, const std::string& directory, bool repair) {
  bool found = false;
  for (const char* part : {"VERSION", "catalog", "log", "state"}) {
    MR_ASSIGN(const bool exists, env.files().exists(join_path(directory, part)));
    found = found || exists;
  }
  if (!found) return user_error(sqlstate::kUndefinedFile, "there is no data directory " + directory);
  auto lock = env.files().lock(join_path(directory, "LOCK"));
  if (!lock.ok()) return std::move(lock).error().with_hint("stop the node that uses this data directory");
  MR_ASSIGN(VerifyReport report, look_at_directory(env, directory));
  if (!repair) return report;
  std::vector<Damage> repaired;
  for (const Damage& damage : report.damages) {
    if (damage.repair == Repair::kNone) continue;
    MR_TRY(apply(env, directory, report, damage));
    repaired.push_back(damage);
  }
  MR_ASSIGN(report, look_at_directory(env, directory));
  report.repaired = std::move(repaired);
  return report;
}

}  // namespace millrace::engine
