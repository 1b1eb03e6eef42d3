#include "engine/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/paths.h"
#include "base/text.h"
#include "engine/commit_record.h"
#include "engine/directory_files.h"
#include "engine/node_state.h"
#include "engine/savepoint.h"
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
  Status small_files();
  Status savepoints();
  Status savepoint(const std::string& path);
  Status catalog();
  Status commits();
  Status commit(std::string_view bytes);
  Status changelogs();
  Status state();
  void ends();
  void streams();
  void forbid_cut(const std::string& directory);
  bool log_is_whole() const;
  bool reaches_back_to(const CheckpointNote& note) const;
  bool holds_compacted(const CheckpointNote& note) const;
  void checkpoint(const CheckpointNote& note, std::vector<Damage>& damages);
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
  std::optional<Epoch> mark_;          // the last commit of a durable checkpoint
  std::map<Place, Offset> committed_;  // how far the commits say that a partition reaches
  std::map<Place, Offset> taken_;      // how far their steps have read it
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

/// IDENTITY, BASE, loads, CHECKPOINT.
Status Verifier::small_files() {
  const auto note = [&](const char* name, const auto& file, Repair repair = Repair::kNone) {
    if (!file.ok()) report_.damages.push_back({.path = at(name), .what = file.error().message, .repair = repair});
  };
  note(kIdentityFile, read_identity(files_, directory_));
  note(kLoadsFile, read_loads(files_, directory_));
  note(kBaseFile, read_base(files_, directory_));
  const Result<std::vector<std::string>> lacking = lacking_files(files_, directory_);
  if (lacking.ok()) {
    for (const std::string& path : *lacking) damage(path, "missing");
  }
  const auto mark = read_checkpoint_mark(files_, directory_);
  note(kCheckpointFile, mark, Repair::kRemoveFile);
  if (mark.ok()) mark_ = *mark;
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
  const auto reach = [](std::map<Place, Offset>& ends, const PartitionEnd& end) {
    Offset& known = ends[{end.stream, end.partition}];
    known = std::max(known, end.end);
  };
  for (const StepRecord& step : record.steps) {
    for (const PartitionEnd& end : step.ends) {
      reach(committed_, end);
      reach(taken_, end);
    }
  }
  for (const PartitionEnd& end : record.written) reach(committed_, end);
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
    forbid_cut(found->second.directory);
  }
}

/// What lies behind a bad place there was acked after all.
void Verifier::forbid_cut(const std::string& directory) {
  for (Damage& damage : report_.damages) {
    if (damage.repair == Repair::kCutTail && damage.path.starts_with(directory)) damage.repair = Repair::kNone;
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

bool Verifier::log_is_whole() const { return catalog_ && report_.damages.empty() && reaches_back_to(CheckpointNote()); }

/// How far a checkpoint has read a partition.
Offset position_in(const CheckpointNote& note, const std::pair<StreamId, PartitionId>& place) {
  const auto known = std::find_if(note.positions.begin(), note.positions.end(), [&](const PartitionEnd& end) {
    return std::pair(end.stream, end.partition) == place;
  });
  return known == note.positions.end() ? Offset(0) : known->end;
}

/// A compaction takes only rows that a checkpoint has read, so a state that has not is an older one.
bool Verifier::holds_compacted(const CheckpointNote& note) const {
  return std::all_of(log_.partitions.begin(), log_.partitions.end(),
                     [&](const auto& entry) { return entry.second.compacted_end <= position_in(note, entry.first); });
}

/// What came after a checkpoint is all in the log.
bool Verifier::reaches_back_to(const CheckpointNote& note) const {
  if (first_commit_ && first_commit_->value > note.epoch.value + 1) return false;
  if (!holds_compacted(note)) return false;
  return std::all_of(log_.partitions.begin(), log_.partitions.end(), [&](const auto& entry) {
    const auto& [place, partition] = entry;
    const Offset from = position_in(note, place);
    const auto taken = taken_.find(place);
    return taken == taken_.end() || taken->second <= from || partition.begin <= from;
  });
}

/// How the state's checkpoint fits to the commits. Nothing of it is changed; a state that is behind has lost its end.
void Verifier::checkpoint(const CheckpointNote& note, std::vector<Damage>& damages) {
  report_.state_epoch = note.epoch;
  const uint64_t mark = mark_ ? mark_->value : 0;
  const std::string stands = fmt::format("the state stands at commit {}", note.epoch.value);
  if (note.epoch.value < mark) {
    const bool can_replay = report_.damages.empty() && report_.last_commit.value >= mark && reaches_back_to(note);
    damages.push_back(
        {.path = at("state"),
         .what = fmt::format("{}, and the checkpoint of commit {} was durable: its end is lost", stands, mark),
         .repair = can_replay ? Repair::kReplay : Repair::kNone});
  } else if (first_commit_ && first_commit_->value > note.epoch.value + 1) {
    damages.push_back(
        {.path = at("state"), .what = fmt::format("{}, and the commits begin at {}", stands, first_commit_->value)});
  } else if (!holds_compacted(note)) {
    damages.push_back({.path = at("state"), .what = stands + ", and rows behind that were compacted"});
  } else if (note.epoch > report_.last_commit) {
    const std::string folder = at("log/" + log::stream_folder(kCommitStream));
    forbid_cut(folder);
    damage(folder, fmt::format("{}, and the commits end at {}", stands, report_.last_commit.value));
  }
}

Status Verifier::state() {
  const bool whole = log_is_whole();
  MR_ASSIGN(state::VerifiedState state, state::verify_state(env_, at("state")));
  report_.state_blocks = state.blocks;
  if (state.damages.empty()) {
    const Result<CheckpointNote> note = state.note.empty() ? CheckpointNote() : decode_note(state.note);
    if (note.ok()) {
      checkpoint(*note, state.damages);
    } else {
      state.damages.push_back({.path = at("state"), .what = note.error().message});
    }
  }
  for (Damage& damage : state.damages) {
    if (whole && damage.repair == Repair::kNone) damage.repair = Repair::kDropState;
    report_.damages.push_back(std::move(damage));
  }
  return {};
}

/// A savepoint is a data directory of its own; what is wrong in one is no matter of this one's repair.
Status Verifier::savepoint(const std::string& path) {
  const Result<Epoch> made_at = read_savepoint_mark(files_, path);
  if (!made_at.ok()) {
    damage(join_path(path, "SAVEPOINT"), made_at.error().message);
  }
  MR_ASSIGN(VerifyReport found, Verifier(env_, path).run());
  if (found.damages.empty() && made_at.ok() && found.state_epoch != *made_at) {
    damage(join_path(path, "state"),
           fmt::format("the savepoint is of commit {}, and its state of another", made_at->value));
  }
  for (Damage& other : found.damages) {
    other.repair = Repair::kNone;
    report_.damages.push_back(std::move(other));
  }
  return {};
}

Status Verifier::savepoints() {
  MR_ASSIGN(const bool exists, files_.exists(at("savepoints")));
  if (!exists) return {};
  MR_ASSIGN(const std::vector<FileInfo> found, files_.list(at("savepoints")));
  for (const FileInfo& file : found) {
    const bool is_half_made = file.name.starts_with('.');
    if (file.is_directory && !is_half_made) MR_TRY(savepoint(join_path(at("savepoints"), file.name)));
  }
  return {};
}

Result<VerifyReport> Verifier::run() {
  MR_TRY(version());
  MR_TRY(small_files());
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
  MR_TRY(savepoints());
  return std::move(report_);
}

}  // namespace

Result<VerifyReport> look_at_directory(Env& env, const std::string& directory) {
  return Verifier(env, directory).run();
}

}  // namespace millrace::engine
