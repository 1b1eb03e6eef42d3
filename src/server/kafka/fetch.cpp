// Fetch: whole batches as they lie in the log; those that the engine wrote are unpacked, since not every client knows
// its compression. When there is less than the client wants it waits, without a thread.
//
// Every fetch is complete in itself: sessions (KIP-227) are not offered, which a session id of 0 says.
#include <algorithm>
#include <atomic>

#include "log/record_batch.h"
#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

namespace {

using AnsweredPartition = FetchResponse::Topics::Partitions;

/// One fetch, from its request to its answer. Runs on a worker, then waits, then runs again.
class Fetching : public std::enable_shared_from_this<Fetching> {
 public:
  Fetching(Broker& broker, std::shared_ptr<Request> request, Respond respond)
      : broker_(broker), request_(std::move(request)), respond_(std::move(respond)) {}

  void begin() {
    if (!decode(*request_, asked_)) return respond_({std::nullopt, true});
    int64_t wait_ms = std::clamp<int64_t>(asked_.max_wait_ms, 0, broker_.options().fetch_wait_max.micros / 1000);
    deadline_ = Duration{broker_.env().clock().monotonic().micros + wait_ms * 1000};
    if (asked_.session_id != 0) {
      FetchResponse answer;
      answer.error_code = number(Code::kFetchSessionIdNotFound);
      return respond_({encode(*request_, answer)});
    }
    run();
  }

 private:
  /// What a try reads, and where more would come.
  struct Try {
    FetchResponse answer;
    std::vector<DataWaiters::Place> places;
    std::vector<std::pair<engine::Topic, log::Partition*>> partitions;
    std::vector<Offset> ends;
    uint64_t bytes = 0;
    bool failed = false;
  };

  void run();
  void wait(const Try& tried);
  void wake();
  void read_partition(const std::optional<engine::Topic>& topic, Code refused,
                      const FetchRequest::Topics::Partitions& asked, AnsweredPartition& answered, Try& tried);
  /// From an offset on, what is before `end`.
  void read_batches(const engine::Topic& topic, log::Partition& partition, Offset from, Offset end, uint64_t bytes_max,
                    AnsweredPartition& answered, Try& tried);

  Broker& broker_;
  std::shared_ptr<Request> request_;
  Respond respond_;
  FetchRequest asked_;
  Duration deadline_;
  DataWaiters::Id waiter_ = 0;
  std::atomic<bool> waiting_{false};
};

Result<std::string> unpack(std::string_view stored) {
  thread_local log::Decompressor decompressor;
  MR_ASSIGN(auto batch, log::RecordBatchView::parse_unchecked(stored));
  return log::unpacked_batch(batch, decompressor);
}

void Fetching::run() {
  Try tried;
  for (const auto& topic : asked_.topics) {
    Code refused = Code::kNone;
    std::optional<engine::Topic> there = topic_to_read(broker_, *request_, topic.name, refused);
    auto& answered = tried.answer.topics.emplace_back();
    answered.name = std::string(topic.name);
    for (const auto& partition : topic.partitions) {
      read_partition(there, refused, partition, answered.partitions.emplace_back(), tried);
    }
  }
  const bool over = broker_.stopping() || broker_.env().clock().monotonic() >= deadline_;
  const bool enough = tried.bytes >= static_cast<uint64_t>(std::max(asked_.min_bytes, 0));
  if (over || enough || tried.failed || tried.places.empty()) {
    broker_.fetched_bytes.add(tried.bytes);
    return respond_({encode(*request_, tried.answer)});
  }
  wait(tried);
}

void Fetching::read_partition(const std::optional<engine::Topic>& topic, Code refused,
                              const FetchRequest::Topics::Partitions& asked, AnsweredPartition& answered, Try& tried) {
  answered.index = asked.index;
  answered.records = "";
  auto fail = [&](Code code) {
    answered.error_code = number(code);
    tried.failed = true;
  };
  log::Partition* partition = find_partition(topic, asked.index);
  if (partition == nullptr) return fail(refused);
  if (asked.current_leader_epoch > 0) return fail(Code::kUnknownLeaderEpoch);
  const Offset end = broker_.log().end_of(*topic, *partition);
  const Offset begin = partition->begin_offset();
  answered.high_watermark = end.value;
  answered.last_stable_offset = end.value;
  answered.log_start_offset = begin.value;
  if (asked.fetch_offset < begin.value || asked.fetch_offset > end.value) return fail(Code::kOffsetOutOfRange);
  tried.places.emplace_back(topic->id, partition->id());
  tried.partitions.emplace_back(*topic, partition);
  tried.ends.push_back(end);
  const uint64_t bytes_max =
      std::min(static_cast<uint64_t>(std::max(asked_.max_bytes, 0)), broker_.options().fetch_bytes_max);
  if (asked.fetch_offset == end.value || (tried.bytes > 0 && tried.bytes >= bytes_max)) return;
  const uint64_t left =
      std::min(static_cast<uint64_t>(std::max(asked.max_bytes, 0)), bytes_max - std::min(tried.bytes, bytes_max));
  read_batches(*topic, *partition, Offset(asked.fetch_offset), end, left, answered, tried);
}

void Fetching::read_batches(const engine::Topic& topic, log::Partition& partition, Offset from, Offset end,
                            uint64_t bytes_max, AnsweredPartition& answered, Try& tried) {
  thread_local log::ReadBatches batches;  // of this worker: its buffer is used again
  auto failed = [&](const Error& error) {
    answered.error_code = number(code_of(error));
    tried.failed = true;
  };
  // Only what the budget has is read: answers that slow clients do not take do not grow.
  if (!request_->claim.grow_to(request_->bytes.size() + tried.bytes + bytes_max)) {
    if (tried.bytes > 0 || !request_->claim.add(std::min<uint64_t>(bytes_max, 64 << 10))) return;
    bytes_max = std::min<uint64_t>(bytes_max, 64 << 10);
  }
  batches = log::ReadBatches();
  Status read = partition.read(from, bytes_max, batches);
  if (!read.ok()) {
    // Retention may have taken it since it was looked for.
    if (from < partition.begin_offset()) {
      answered.error_code = number(Code::kOffsetOutOfRange);
      tried.failed = true;
      return;
    }
    return failed(read.error());
  }
  std::string& records = *answered.records;
  for (const log::StoredBatch& batch : batches.batches()) {
    if (batch.base_offset >= end) break;
    Result<std::string> unpacked = topic.takes_records() ? std::string() : unpack(batch.bytes);
    if (!unpacked.ok()) return failed(unpacked.error());
    const std::string_view bytes = topic.takes_records() ? batch.bytes : std::string_view(*unpacked);
    // The first batch of an answer always goes out, however large: a client must get on.
    if (tried.bytes > 0 && records.size() + bytes.size() > bytes_max) break;
    records.append(bytes);
    tried.bytes += bytes.size();
  }
}

void Fetching::wait(const Try& tried) {
  waiting_ = true;
  auto self = shared_from_this();
  waiter_ = broker_.waiters().add(tried.places, deadline_, [self] { self->wake(); });
  // What came between the try and now told nobody.
  for (size_t i = 0; i < tried.partitions.size(); ++i) {
    const auto& [topic, partition] = tried.partitions[i];
    if (broker_.log().end_of(topic, *partition) > tried.ends[i]) return wake();
  }
  if (broker_.stopping()) wake();
}

void Fetching::wake() {
  if (!waiting_.exchange(false)) return;
  auto self = shared_from_this();
  bool posted = broker_.workers().try_post([self] {
    self->broker_.waiters().remove(self->waiter_);
    self->run();
  });
  if (!posted) waiting_ = true;  // the next tick tries again
}

}  // namespace

void fetch(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
           const std::function<void()>&) {
  std::make_shared<Fetching>(broker, request, respond)->begin();
}

}  // namespace millrace::server::kafka
