#include "engine/start_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/node_state.h"
#include "log/verify.h"

namespace millrace::engine {
namespace {

Error lost(std::string what) {
  return lead_to_verify(external_error(sqlstate::kDataCorrupted, "the data directory is damaged: " + std::move(what)));
}

Status check_end(NodeState& node, const PartitionEnd& end) {
  const std::shared_ptr<log::Stream> stream = node.log->find(end.stream);
  if (!stream || end.partition.value >= stream->partition_count()) return {};  // dropped since
  const Offset found = stream->partition(end.partition).end_offset();
  if (found >= end.end) return {};
  return lost(fmt::format("partition {} of {} ends at offset {}, and commits refer to offsets before {}",
                          end.partition.value, stream->name(), found.value, end.end.value));
}

/// Commits are run again over the rows that they took, not over the last ones of each key.
Status check_compacted(NodeState& node, const CheckpointNote& note) {
  for (const auto& stream : node.log->streams()) {
    for (int32_t p = 0; p < stream->partition_count(); ++p) {
      const Offset needed = stream->partition(PartitionId(p)).compacted_end();
      if (needed == stream->partition(PartitionId(p)).begin_offset()) continue;
      const bool there = std::any_of(note.positions.begin(), note.positions.end(), [&](const PartitionEnd& at) {
        return at.stream == stream->id() && at.partition.value == p && at.end >= needed;
      });
      if (there) continue;
      return lost(
          fmt::format("missing: a state that holds what partition {} of {} had before offset {}, which was "
                      "compacted",
                      p, stream->name(), needed.value));
    }
  }
  return {};
}

}  // namespace

Error lead_to_verify(Error error) {
  // An error that came through a query has kept its text alone.
  const bool in_query = error.message.starts_with("log is damaged") ||
                        error.message.find("operator state is damaged") != std::string::npos;
  if (in_query) {
    error.fault = Fault::kExternal;
    error.code = sqlstate::kDataCorrupted;
  }
  const bool damage = error.fault == Fault::kExternal && error.code == sqlstate::kDataCorrupted;
  if (!damage || error.hint.find("millrace verify") != std::string::npos) return error;
  if (!error.hint.empty()) error.hint += "; ";
  error.hint += "`millrace verify --data DIR` names all that is damaged and offers what can be repaired";
  return error;
}

Status check_files_present(NodeState& node) {
  FileSystem& files = node.env.files();
  const std::string& directory = node.options.data_directory;
  MR_ASSIGN(const bool has_catalog, files.exists(directory + "/catalog"));
  if (!has_catalog) return {};
  MR_ASSIGN(const bool has_version, files.exists(directory + "/VERSION"));
  if (!has_version) return lost("missing: " + directory + "/VERSION");
  MR_ASSIGN(const std::string bytes, files.read_all(directory + "/catalog"));
  const Result<sql::Catalog> catalog = sql::Catalog::decode(bytes);
  if (!catalog.ok()) return {};  // whoever loads it says so
  std::vector<StreamId> wanted{kCommitStream};
  for (const sql::CatalogObject* object : catalog->objects()) {
    const bool has_log = object->kind == sql::ObjectKind::kStream || object->kind == sql::ObjectKind::kTable ||
                         object->kind == sql::ObjectKind::kMaterializedView;
    if (has_log) wanted.push_back(object->stream);
    for (const sql::Companion& companion : object->companions) wanted.push_back(companion.stream);
  }
  for (const StreamId id : wanted) {
    const std::string path = directory + "/log/" + log::stream_folder(id) + "/stream";
    MR_ASSIGN(const bool exists, files.exists(path));
    if (!exists) return lost("missing: " + path);
  }
  return {};
}

Status check_catalog_present(NodeState& node, bool catalog_exists) {
  if (catalog_exists || node.commits->partition(PartitionId(0)).end_offset() == Offset(0)) return {};
  return lost("missing: " + node.options.data_directory + "/catalog, and there are commits");
}

Status check_commits(NodeState& node, const CheckpointNote& note, std::span<const CommitRecord> commits) {
  MR_TRY(check_compacted(node, note));
  uint64_t last = note.epoch.value;
  for (const CommitRecord& commit : commits) {
    if (commit.epoch.value != last + 1) {
      return lost(fmt::format("the state stands at commit {}, and the next one found is {}", last, commit.epoch.value));
    }
    last = commit.epoch.value;
    for (const StepRecord& step : commit.steps) {
      for (const PartitionEnd& end : step.ends) MR_TRY(check_end(node, end));
    }
  }
  for (const PartitionEnd& end : note.positions) MR_TRY(check_end(node, end));
  for (const PartitionEnd& end : commits.empty() ? note.written : commits.back().written) MR_TRY(check_end(node, end));
  return {};
}

}  // namespace millrace::engine
