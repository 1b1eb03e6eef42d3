#include "engine/given_schema.h"

#include <algorithm>

#include "engine/gone_rows.h"
#include "log/record_batch.h"

namespace millrace::engine {
namespace {

constexpr size_t kReadBytes = 8 << 20;

bool was_given_schema(const sql::CatalogObject& object) {
  return object.kind == sql::ObjectKind::kStream && object.operators.first < object.operators.end;
}

Offset written_end(const NodeState& node, StreamId stream, PartitionId partition) {
  auto entry = node.written.find({stream, partition});
  return entry == node.written.end() ? Offset(0) : entry->second;
}

/// All that the log has of a partition.
Status add_range(const log::Partition& partition, Offset end, ledger::HopId hop, ledger::Recorder& recorder) {
  log::ReadBatches read;
  for (Offset at = partition.begin_offset(); at < end; at = read.next_offset()) {
    MR_TRY(partition.read(at, kReadBytes, read));
    for (const log::StoredBatch& batch : read.batches()) {
      if (batch.base_offset >= end) break;
      recorder.add(hop, partition.stream(), partition.id(), batch.append_time, batch.base_offset,
                   static_cast<uint32_t>(batch.offset_count));
    }
  }
  return {};
}

/// Steps take what the log has. What retention took before them went as bytes, and stays so in the books. What was
/// received is counted anew too: hops are compared by sketches that began together.
Status book_anew(NodeState& node, const log::Stream& stream) {
  std::vector<Offset> ends;
  for (int32_t p = 0; p < stream.partition_count(); ++p) ends.push_back(written_end(node, stream.id(), PartitionId(p)));
  MR_ASSIGN(auto gone, gone_rows(node.ledger, "received", stream, ends));
  ledger::Recorder recorder;
  for (const char* hop : {"received", "stored", "decoded", "dead"}) node.ledger.drop_cells(stream.id(), hop);
  for (int32_t p = 0; p < stream.partition_count(); ++p) {
    MR_TRY(add_range(stream.partition(PartitionId(p)), ends[static_cast<size_t>(p)], node.ledger.hop("received"),
                     recorder));
  }
  for (const char* hop : {"received", "stored", "decoded"}) {
    for (const auto& [minute, rows] : gone) recorder.add_ids(node.ledger.hop(hop), stream.id(), minute, rows);
  }
  node.ledger.merge(recorder);
  return {};
}

}  // namespace

std::vector<sql::CatalogObject> streams_given_schema(const sql::Catalog& before, const sql::Catalog& catalog) {
  std::vector<sql::CatalogObject> given;
  for (const sql::CatalogObject* object : catalog.objects(sql::ObjectKind::kStream)) {
    const sql::CatalogObject* there = before.find(object->name);
    if (there && there->stream == object->stream && !(there->operators == object->operators)) given.push_back(*object);
  }
  return given;
}

std::string note_name(const sql::CatalogObject& stream) {
  return stream.name + '\n' + std::to_string(stream.operators.first.value);
}

std::vector<sql::CatalogObject> streams_not_in_note(const sql::Catalog& catalog, const CheckpointNote& note) {
  std::vector<sql::CatalogObject> missing;
  for (const sql::CatalogObject* object : catalog.objects(sql::ObjectKind::kStream)) {
    if (!was_given_schema(*object)) continue;
    if (std::find(note.streams.begin(), note.streams.end(), note_name(*object)) == note.streams.end()) {
      missing.push_back(*object);
    }
  }
  return missing;
}

void begin_anew(RunningSource& running) {
  for (size_t p = 0; p < running.positions.size(); ++p) {
    running.positions[p] = running.source.stream->partition(PartitionId(static_cast<int32_t>(p))).begin_offset();
    running.progress[p] = {};
  }
}

Status forget_bytes(NodeState& node, const sql::CatalogObject& stream) {
  if (auto log = node.log->find(stream.stream)) MR_TRY(book_anew(node, *log));
  for (const sql::Companion& companion : stream.companions) {
    auto dead = node.log->find(companion.stream);
    if (!dead) continue;
    MR_ASSIGN([[maybe_unused]] uint64_t freed, dead->partition(PartitionId(0))
                                                  .delete_before(written_end(node, companion.stream, PartitionId(0))));
  }
  return {};
}

}  // namespace millrace::engine
