#include "dataflow/exchange.h"

#include <algorithm>

namespace millrace::dataflow {
namespace {

/// Copies the rows behind the others. Many workers cut a batch into small pieces: joined, they are full batches again.
void append_rows(std::vector<batch::Batch>& batches, const batch::Batch& rows) {
  for (size_t at = 0; at < rows.rows();) {
    if (batches.empty() || batches.back().full()) batches.emplace_back(rows.types());
    batch::Batch& last = batches.back();
    const size_t count = std::min(rows.rows() - at, batch::kBatchRows - last.rows());
    MR_CHECK(last.append(rows, at, count), "there is room for them");
    at += count;
  }
}

}  // namespace

Exchange::Exchange(uint32_t workers, std::vector<batch::Type> types, std::vector<uint32_t> columns)
    : codec_(types, std::move(columns)), from_(workers) {
  for (Outbox& outbox : from_) {
    outbox.to.resize(workers);
    outbox.rows.resize(workers);
  }
}

void Exchange::scatter(uint32_t worker, const batch::Batch& batch) {
  Outbox& outbox = from_[worker];
  auto workers = static_cast<uint32_t>(from_.size());
  codec_.encode(batch, outbox.keys);
  for (auto& rows : outbox.rows) rows.clear();
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    outbox.rows[owner_of(virtual_node_of(outbox.keys.hash(row)), workers)].push_back(row);
  }
  for (uint32_t to = 0; to < workers; ++to) {
    if (!outbox.rows[to].empty()) append_rows(outbox.to[to], batch.select(outbox.rows[to]));
  }
}

std::vector<batch::Batch> Exchange::take(uint32_t worker) {
  std::vector<batch::Batch> all;
  for (Outbox& outbox : from_) {
    for (batch::Batch& batch : outbox.to[worker]) all.push_back(std::move(batch));
    outbox.to[worker].clear();
  }
  return all;
}

}  // namespace millrace::dataflow
