#include "engine/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/paths.h"
#include "base/text.h"
#include "engine/commit_record.h"
#include "engine/node_state.h"
#include "log/record_batch.h"
#include "log/verify.h"
#include "sql/catalog.h"
#include "state/verify.h"

namespace millrace::engine {
namespace {

class Verifier {
 public:
  Verifier(Env& env, const std::string& directory) : env_(env), files_(env.files()), directory_(directory) {}

  Result<VerifyReport> run();

 private:
  using Place = std::pair<StreamId, PartitionId>;

  Status version();
  Status catalog();
  Status commits();
  Status commit(std::string_view bytes);
  Status changelogs();
  Status state();
  void ends();
  void streams();
  bool log_is_whole() const;
  std::string at(std::string_view name) const { return join_path(directory_, name); }
  void damage(std::string path, std::string what) {
    report_.damages.push_back({.path = std::move(path), .what = std::move(what)});
  }
  Status each_record(const log::VerifiedPartition& partition,
                     const std::function<Status(const log::RecordView& record)>& visit);

  Env& env_;
  FileSystem& files_;
  const std::string directory_;
  VerifyReport report_;
  log::VerifiedLog log_;
  std::optional<sql::Catalog> catalog_;
  std::optional<Epoch> first_commit_;
  std::map<Place, Offset> committed_;  // how far the commits say that a partition reaches
};

Status Verifier::version() {
  const std::string path = at("VERSION");
  MR_ASSIGN(const bool exists, files_.exists(path));
  if (!exists) {
    damage(path, "missing");
    return {};
  }
  MR_ASSIGN(const std::string text, files_.read_all(path));
  if (text != "1\n") damage(path, "this program reads version 1; found: " + std::string(trim(text)));
  return {};
}

Status Verifier::catalog() {
  MR_ASSIGN(const bool exists, files_.exists(at("catalog")));
  if (!exists) return {};
  MR_ASSIGN(const std::string bytes, files_.read_all(at("catalog")));
  Result<sql::Catalog> catalog = sql::Catalog::decode(bytes);
  if (catalog.ok()) {
    catalog_ = std::move(catalog).value();
  } else {
    report_.damages.push_back({at("catalog"), 0, bytes.size(), catalog.error().message, Repair::kNone});
  }
  return {};
}

Status Verifier::each_record(const log::VerifiedPartition& partition,
                             const std::function<Status(const log::RecordView& record)>& visit) {
  log::Decompressor decompressor;
  return log::for_each_batch(env_, partition, [&](std::string_view batch) -> Status {
    MR_ASSIGN(auto view, log::RecordBatchView::parse(batch));
    MR_ASSIGN(auto cursor, view.records(decompressor));
    log::RecordView record;
    while (cursor.next(record)) MR_TRY(visit(record));
    return cursor.status();
  });
}

Status Verifier::commit(std::string_view bytes) {
  MR_ASSIGN(const CommitRecord record, decode_commit(bytes));
  if (!first_commit_) {
    first_commit_ = record.epoch;
  } else if (record.epoch.value != report_.last_commit.value + 1) {
    return external_error(sqlstate::kDataCorrupted,
                          fmt::format("commit {} follows commit {}", record.epoch.value, report_.last_commit.value));
  }
  report_.last_commit = record.epoch;
  const auto reach = [&](const PartitionEnd& end) {
    Offset& known = committed_[{end.stream, end.partition}];
    known = std::max(known, end.end);
  };
  for (const StepRecord& step : record.steps) {
    for (const PartitionEnd& end : step.ends) reach(end);
  }
  for (const PartitionEnd& end : record.written) reach(end);
  return {};
}

Status Verifier::commits() {
  const auto found = log_.partitions.find({kCommitStream, PartitionId(0)});
  if (found == log_.partitions.end()) {
    if (catalog_) damage(at("log/" + log::stream_folder(kCommitStream)), "missing: the stream of commits");
    return {};
  }
  const Status read = each_record(
      found->second, [&](const log::RecordView& record) { return commit(record.value.value_or(std::string_view())); });
  if (!read.ok()) damage(found->second.directory, "the commits do not decode: " + read.error().message);
  MR_ASSIGN(const bool has_catalog, files_.exists(at("catalog")));
  if (first_commit_ && !has_catalog) damage(at("catalog"), "missing, and there are commits");
  return {};
}

void Verifier::streams() {
  if (!catalog_) return;
  const auto check = [&](StreamId id, const std::string& name) {
    if (log_.partitions.contains({id, PartitionId(0)})) return;
    const std::string path = at("log/" + log::stream_folder(id));
    const auto known = [&](const Damage& damage) { return damage.path.starts_with(path); };
    if (std::none_of(log_.damages.begin(), log_.damages.end(), known)) {
      damage(path + "/stream", "missing: the stream of " + name);
    }
  };
  for (const sql::CatalogObject* object : catalog_->objects()) {
    const bool has_log = object->kind == sql::ObjectKind::kStream || object->kind == sql::ObjectKind::kTable ||
                         object->kind == sql::ObjectKind::kMaterializedView;
    if (has_log) check(object->stream, object->name);
    for (const sql::Companion& companion : object->companions) check(companion.stream, object->name);
  }
}

/// What a commit has seen was durable, so a partition that ends before it has lost acked data.
void Verifier::ends() {
  for (const auto& [place, end] : committed_) {
    const auto found = log_.partitions.find(place);
    if (found == log_.partitions.end() || found->second.end >= end) continue;
    damage(found->second.directory,
           fmt::format("missing: offsets {} to {}, which commits refer to", found->second.end.value, end.value - 1));
    for (Damage& other : report_.damages) {
      if (other.repair == Repair::kCutTail && other.path.starts_with(found->second.directory)) {
        other.repair = Repair::kNone;
      }
    }
  }
}

Status Verifier::changelogs() {
  if (!catalog_) return {};
  for (const sql::CatalogObject* object : catalog_->objects()) {
    const auto found = log_.partitions.find({object->stream, PartitionId(0)});
    if (object->kind != sql::ObjectKind::kMaterializedView || found == log_.partitions.end()) continue;
    const Status read = each_record(found->second, [](const log::RecordView& record) -> Status {
      const std::string_view key = record.key.value_or(std::string_view());
      if (key.size() >= 2 && static_cast<uint8_t>(key[0]) <= 3) return {};
      return external_error(sqlstate::kDataCorrupted, "the key of a change does not decode");
    });
    if (!read.ok()) damage(found->second.directory, read.error().message);
  }
  return {};
}

bool Verifier::log_is_whole() const {
  if (!catalog_ || !report_.damages.empty() || (first_commit_ && first_commit_->value != 1)) return false;
  return std::all_of(log_.partitions.begin(), log_.partitions.end(),
                     [](const auto& entry) { return entry.second.begin.value == 0; });
}

Status Verifier::state() {
  const bool whole = log_is_whole();
  MR_ASSIGN(state::VerifiedState state, state::verify_state(env_, at("state")));
  report_.state_blocks = state.blocks;
  if (state.damages.empty() && !state.note.empty()) {
    const Result<CheckpointNote> note = decode_note(state.note);
    if (!note.ok()) {
      state.damages.push_back({.path = at("state"), .what = note.error().message});
    } else if (first_commit_ && first_commit_->value > note->epoch.value + 1) {
      state.damages.push_back({.path = at("state"),
                               .what = fmt::format("the checkpoint stands at commit {}, and the commits begin at {}",
                                                   note->epoch.value, first_commit_->value)});
    } else if (note->epoch > report_.last_commit) {
      damage(at("log/" + log::stream_folder(kCommitStream)),
             fmt::format("the checkpoint stands at commit {}, and the commits end at {}", note->epoch.value,
                         report_.last_commit.value));
    }
  } else if (state.damages.empty() && first_commit_ && first_commit_->value > 1) {
    state.damages.push_back({.path = at("state"), .what = "missing, and the commits do not begin at 1"});
  }
  for (Damage& damage : state.damages) {
    if (whole) damage.repair = Repair::kDropState;
    report_.damages.push_back(std::move(damage));
  }
  return {};
}

Result<VerifyReport> Verifier::run() {
  MR_TRY(version());
  MR_TRY(catalog());
  MR_ASSIGN(const bool has_log, files_.exists(at("log")));
  if (has_log) {
    MR_ASSIGN(log_, log::verify_log(env_, at("log")));
  } else if (catalog_) {
    damage(at("log"), "missing");
  }
  report_.log_bytes = log_.bytes;
  report_.damages.insert(report_.damages.end(), log_.damages.begin(), log_.damages.end());
  MR_TRY(commits());
  if (has_log) streams();
  ends();
  MR_TRY(changelogs());
  MR_TRY(state());
  return std::move(report_);
}

Status apply(Env& env, const std::string& directory, const Damage& damage) {
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
    case Repair::kDropState:
      MR_TRY(files.remove_recursively(join_path(directory, "state")));
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
  MR_ASSIGN(VerifyReport report, Verifier(env, directory).run());
  if (!repair) return report;
  std::vector<Damage> repaired;
  for (const Damage& damage : report.damages) {
    if (damage.repair == Repair::kNone) continue;
    MR_TRY(apply(env, directory, damage));
    repaired.push_back(damage);
  }
  MR_ASSIGN(report, Verifier(env, directory).run());
  report.repaired = std::move(repaired);
  return report;
}

}  // namespace millrace::engine
