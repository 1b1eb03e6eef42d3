#include "engine/compactor.h"

#include <algorithm>
#include <chrono>

#include "engine/node_state.h"
#include "engine/table_keys.h"
#include "log/compaction.h"

namespace millrace::engine {
namespace {

/// Records grow old without a checkpoint.
constexpr std::chrono::seconds kPause{15};

}  // namespace

std::vector<Compactor::Job> Compactor::jobs_of_pipeline() const {
  std::vector<Job> jobs;
  add_tables(jobs);
  add_topics(jobs);
  return jobs;
}

void Compactor::add_topics(std::vector<Job>& jobs) const {
  for (const auto& view : node_.pipeline->views()) {
    if (!view->topic || !view->topic->options().compaction) continue;
    const auto end = node_.written.find({view->topic->id(), PartitionId(0)});
    if (end != node_.written.end()) jobs.push_back({view->name, view->topic, PartitionId(0), end->second, {}, {}});
  }
}

void Compactor::add_tables(std::vector<Job>& jobs) const {
  for (const RunningSource& running : node_.pipeline->sources()) {
    const std::shared_ptr<log::Stream>& stream = running.source.stream;
    if (!stream->options().compaction) continue;
    const sql::CatalogObject* table = nullptr;
    for (const sql::CatalogObject* object : node_.catalog.objects(sql::ObjectKind::kTable)) {
      if (object->stream == running.source.id) table = object;
    }
    if (!table || table->primary_key.empty()) continue;
    for (int32_t p = 0; p < stream->partition_count(); ++p) {
      const auto received = node_.written.find({running.source.id, PartitionId(p)});
      if (received == node_.written.end()) continue;
      const Offset taken = running.positions[static_cast<size_t>(p)];
      const Offset end = std::min(taken, received->second);
      jobs.push_back({running.source.name, stream, PartitionId(p), end, running.source, table->primary_key});
    }
  }
}

void Compactor::follow() {
  std::vector<Job> jobs = jobs_of_pipeline();
  if (node_.env.single_threaded()) {
    for (const Job& job : jobs) compact(job);
    return;
  }
  {
    std::lock_guard guard(mutex_);
    jobs_ = std::move(jobs);
    told_ = true;
  }
  changed_.notify_all();
}

void Compactor::start() {
  if (!node_.env.single_threaded() && !thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void Compactor::stop() {
  {
    std::lock_guard guard(mutex_);  // or a thread that is about to wait would miss it
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

CompactionStatus Compactor::status() const {
  std::lock_guard guard(mutex_);
  return status_;
}

void Compactor::run() {
  while (!stopping_) {
    std::vector<Job> jobs;
    {
      std::unique_lock guard(mutex_);
      changed_.wait_for(guard, kPause, [&] { return told_ || stopping_; });
      told_ = false;
      jobs = jobs_;
    }
    for (const Job& job : jobs) compact(job);
  }
}

void Compactor::compact(const Job& job) {
  Result<bool> more = true;
  while (more.ok() && *more && !stopping_) {
    more = compact_once(job);
    if (node_.env.single_threaded()) break;  // a pass a checkpoint
  }
  if (more.ok() || more.error().code == sqlstate::kUnavailable) return;  // the table was dropped meanwhile
  // Nothing depends on it, and the next round tries again.
  std::lock_guard guard(mutex_);
  status_.failure = job.name + ": " + more.error().message;
}

Result<bool> Compactor::compact_once(const Job& job) {
  const uint64_t map_bytes = std::clamp<uint64_t>(node_.options.memory_bytes / 64, 1 << 20, 64 << 20);
  std::unique_ptr<log::RecordKeys> keys = std::make_unique<log::KafkaKeys>();
  if (job.source) {
    MR_ASSIGN(keys, TableKeys::make(*job.source, job.primary_key));
  }
  log::Compaction compaction(job.stream->partition(job.partition), *keys,
                             {.end = job.end, .now = node_.env.clock().now(), .map_bytes = map_bytes});
  bool more = true;
  while (more && !stopping_) {
    std::unique_lock<std::mutex> piece(pieces_mutex_, std::defer_lock);
    if (!node_.env.single_threaded()) piece.lock();  // in simulation the caller may hold it
    MR_ASSIGN(more, compaction.advance());
  }
  const log::CompactionReport& report = compaction.report();
  if (report.bytes_before == 0) return false;
  std::lock_guard guard(mutex_);
  ++status_.passes;
  status_.records_removed += report.records_removed;
  status_.bytes_freed += report.bytes_before - std::min(report.bytes_before, report.bytes_after);
  status_.failure.clear();
  return true;
}

}  // namespace millrace::engine
