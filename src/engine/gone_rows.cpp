#include "engine/gone_rows.h"

#include "ledger/identity.h"
#include "log/record_batch.h"

namespace millrace::engine {
namespace {

constexpr size_t kReadBytes = 8 << 20;

}  // namespace

Result<std::map<Timestamp, ledger::IdSum>> gone_rows(const ledger::Ledger& ledger, std::string_view hop,
                                                     const log::Stream& stream, const std::vector<Offset>& ends) {
  std::map<Timestamp, ledger::IdSum> gone;  // all that the stream ever had, then less what it still has
  for (const ledger::Ledger::Row& row : ledger.rows()) {
    if (row.stream == stream.id() && row.hop == hop) gone[row.minute] = {row.count, row.fingerprint};
  }
  log::ReadBatches read;
  for (int32_t p = 0; p < stream.partition_count(); ++p) {
    const log::Partition& partition = stream.partition(PartitionId(p));
    const uint64_t base = ledger::fingerprint_base(stream.id(), PartitionId(p));
    const Offset end = ends[static_cast<size_t>(p)];
    for (Offset at = partition.begin_offset(); at < end; at = read.next_offset()) {
      MR_TRY(partition.read(at, kReadBytes, read));
      for (const log::StoredBatch& batch : read.batches()) {
        if (batch.base_offset >= end) break;
        auto minute = gone.upper_bound(batch.append_time);  // old minutes are joined into hours and days
        if (minute == gone.begin()) continue;
        --minute;
        const auto rows = static_cast<uint64_t>(batch.offset_count);
        minute->second.count -= rows;
        minute->second.fingerprint -= ledger::fingerprint_sum(base, batch.base_offset.value, rows);
      }
    }
  }
  std::erase_if(gone, [](const auto& entry) { return entry.second == ledger::IdSum(); });
  return gone;
}

}  // namespace millrace::engine
