#include "engine/replaced_changes.h"

#include <algorithm>
#include <unordered_map>

#include "base/text.h"

namespace millrace::engine {
namespace {

std::string_view row_of(const ViewStore::Snapshot& rows, size_t index) {
  const uint64_t begin = index == 0 ? 0 : rows.ends[index - 1];
  return std::string_view(rows.bytes).substr(begin, rows.ends[index] - begin);
}

/// What `after` has more than `before`, in the order of first appearance.
std::vector<Change> difference(const ViewStore::Snapshot& before, const ViewStore::Snapshot& after) {
  std::unordered_map<std::string_view, size_t> places;
  std::vector<Change> changes;
  const auto add = [&](const ViewStore::Snapshot& rows, int64_t sign) {
    for (size_t i = 0; i < rows.ends.size(); ++i) {
      const auto [place, is_new] = places.try_emplace(row_of(rows, i), changes.size());
      if (is_new) changes.push_back({place->first, 0});
      changes[place->second].diff += sign * rows.counts[i];
    }
  };
  add(before, -1);
  add(after, 1);
  std::erase_if(changes, [](const Change& change) { return change.diff == 0; });
  return changes;
}

}  // namespace

ReplacedChanges::ReplacedChanges(const PipelineView& before, const PipelineView& after)
    : view_(after.name),
      append_only_(after.plan.root().append_only),
      changelog_(after.changelog),
      before_(before.store->snapshot()),
      after_(after.store->snapshot()) {}

Result<std::unique_ptr<ReplacedChanges>> ReplacedChanges::between(const PipelineView& before,
                                                                 const PipelineView& after) {
  std::unique_ptr<ReplacedChanges> found(new ReplacedChanges(before, after));
  MR_ASSIGN(found->changes_, order_changes(difference(found->before_, found->after_), after.store->codec(), after.key));
  return found;
}

Status ReplacedChanges::check_sinks(const sql::Catalog& catalog) const {
  const bool takes_away = std::any_of(changes_.begin(), changes_.end(), [](const LoggedChange& change) {
    return change.op != ChangeOp::kInsert;
  });
  if (!takes_away) return {};
  for (const sql::CatalogObject* sink : catalog.objects(sql::ObjectKind::kSink)) {
    const std::string& mode = sink->options.text("mode");
    if (!iequals(sink->source, view_) || !(mode == "append" || (mode.empty() && append_only_))) continue;
    return user_error(sqlstate::kDependentObjects,
                      "rows of " + view_ + " would go, and sink " + sink->name + ", which appends, has them already")
        .with_hint("DROP and CREATE the view and its sink; a sink in mode 'changes', 'upsert' or 'snapshot' goes on");
  }
  return {};
}

Status ReplacedChanges::write(NodeState& node, sql::Catalog& catalog) const {
  if (changes_.empty()) return {};
  log::Partition& partition = changelog_->partition(PartitionId(0));
  MR_ASSIGN(const std::vector<log::Ticket> tickets,
            append_changes(partition, changes_, node.epoch.next(), node.env.clock().now()));
  ledger::Recorder recorder;
  for (const log::Ticket& ticket : tickets) {
    MR_ASSIGN(const log::AppendResult at, partition.wait(ticket));
    recorder.add(node.ledger.hop("changelog"), changelog_->id(), PartitionId(0), at.append_time, at.first,
                 static_cast<uint32_t>(at.last.value - at.first.value + 1));
  }
  node.ledger.merge(recorder);
  const Offset end = tickets.back().last().next();
  node.written[{changelog_->id(), PartitionId(0)}] = end;
  catalog.set_changelog_end(view_, end);
  return {};
}

Status commit_replaced_changes(NodeState& node) {
  log::ReadBatches read;
  for (const sql::CatalogObject* view : node.catalog.objects(sql::ObjectKind::kMaterializedView)) {
    const std::shared_ptr<log::Stream> changelog = node.log->find(view->stream);
    if (!changelog || view->changelog_end == Offset(0)) continue;
    Offset& written = node.written[{view->stream, PartitionId(0)}];
    ledger::Recorder recorder;
    for (; written < view->changelog_end; written = read.next_offset()) {
      MR_TRY(changelog->partition(PartitionId(0)).read(written, 8 << 20, read));
      if (read.empty()) {
        return external_error(sqlstate::kDataCorrupted, "the changelog of " + view->name + " is cut off");
      }
      for (const log::StoredBatch& batch : read.batches()) {
        if (batch.base_offset >= view->changelog_end) continue;  // of a commit that has no record
        recorder.add(node.ledger.hop("changelog"), view->stream, PartitionId(0), batch.append_time, batch.base_offset,
                     static_cast<uint32_t>(batch.offset_count));
      }
      if (read.next_offset() > view->changelog_end) break;
    }
    written = std::max(written, view->changelog_end);
    node.ledger.merge(recorder);
  }
  return {};
}

}  // namespace millrace::engine
