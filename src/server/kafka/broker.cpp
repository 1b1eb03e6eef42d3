#include "server/kafka/broker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace millrace::server::kafka {

namespace {

constexpr size_t kTopicNameMax = 249;

}  // namespace

Broker::Broker(Env& env, Metrics& metrics, engine::Node& node, engine::RawLog& log, std::unique_ptr<Journal> journal,
               KafkaOptions options)
    : connections(metrics.gauge("millrace_kafka_connections", "Open connections of Kafka clients")),
      requests(metrics.counter("millrace_kafka_requests", "Requests of Kafka clients")),
      received_bytes(
          metrics.counter("millrace_kafka_received_bytes", "Bytes of requests of Kafka clients", {}, Unit::kBytes)),
      produced_records(metrics.counter("millrace_kafka_produced_records", "Records that Kafka clients sent")),
      fetched_bytes(metrics.counter("millrace_kafka_fetched_bytes", "Bytes of record batches that Kafka clients read",
                                    {}, Unit::kBytes)),
      failed_logins(metrics.counter("millrace_kafka_failed_logins", "Logins of Kafka clients that were refused")),
      env_(env),
      node_(node),
      log_(log),
      options_(std::move(options)),
      budget_(options_.bytes_in_hand_max),
      journal_(std::move(journal)),
      groups_(env_, *journal_, options_.groups),
      workers_(options_.request_threads, options_.queued_requests_max) {}

void Broker::tick() {
  waiters_.tick(env_.clock().monotonic());
  groups_.tick();
  expire_offsets();
  if (!journal_->wants_snapshot()) return;
  workers_.try_post([this] {
    if (!journal_->wants_snapshot()) return;
    // A failure shows at the next commit, which meets the same disk.
    (void)journal_->snapshot([this](StreamId stream) { return log_.has_topic(stream); });
  });
}

void Broker::expire_offsets() {
  const Duration now = env_.clock().monotonic();
  if (now < expires_at_) return;
  // Not at once after a start: members join again first.
  if (expires_at_ != Duration()) workers_.try_post([this] { groups_.expire(); });
  expires_at_ = Duration{now.micros + options_.groups.expiry_interval.micros};
}

Code Broker::create_topic(std::string_view name, int32_t partitions, std::string_view options, std::string* message) {
  if (!valid_topic_name(name)) return Code::kInvalidTopic;
  // Or nothing would be made, and that is no error, when it has the same definition.
  if (log_.topic(name)) return Code::kTopicAlreadyExists;
  auto made = node_.execute(fmt::format("CREATE STREAM \"{}\" (value BLOB) WITH (format = 'raw', partitions = {}{})",
                                        name, partitions, options));
  if (made.ok()) return Code::kNone;
  if (message != nullptr) *message = made.error().message;
  if (log_.topic(name)) return Code::kTopicAlreadyExists;
  return made.error().fault == Fault::kUser ? Code::kInvalidTopic : code_of(made.error());
}

bool valid_topic_name(std::string_view name) {
  return !name.empty() && name.size() <= kTopicNameMax && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return is_digit(c) || (to_lower_ascii(c) >= 'a' && to_lower_ascii(c) <= 'z') || c == '.' || c == '_' ||
                  c == '-';
         });
}

}  // namespace millrace::server::kafka
