#include "dataflow/exchange.h"

namespace millrace::dataflow {

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
    if (!outbox.rows[to].empty()) outbox.to[to].push_back(batch.select(outbox.rows[to]).clone());
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
