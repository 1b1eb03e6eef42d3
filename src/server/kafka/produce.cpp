// Produce: batches into the log, byte for byte. The answer goes out when all of them are durable; so acks = 1 and all
// are the same, and for acks = 0 there is none.
#include <atomic>

#include "log/record_batch.h"
#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

namespace {

constexpr int16_t kVersionFirst = 3;  // older ones are advertised for clients that look for them, and refused

/// One request on its way. Shared by the callbacks of its topics.
struct Producing {
  Broker& broker;
  std::shared_ptr<Request> request;
  Respond respond;
  int16_t acks = 0;
  ProduceResponse answer;
  std::atomic<size_t> left{1};

  void settle_one() {
    if (--left > 0) return;
    respond({acks == 0 ? std::nullopt : std::optional<std::string>(encode(*request, answer))});
  }
};

using AskedTopic = ProduceRequest::Topics;
using AnsweredPartition = ProduceResponse::Topics::Partitions;

void refuse(AnsweredPartition& partition, Code code, std::string message = {}) {
  partition.error_code = number(code);
  if (!message.empty()) partition.error_message = std::move(message);
}

/// Fails every partition of the request.
void refuse_all(ProduceResponse& answer, Code code, const std::string& message) {
  for (auto& topic : answer.topics) {
    for (auto& partition : topic.partitions) refuse(partition, code, message);
  }
}

void fill(AnsweredPartition& partition, const Result<log::AppendResult>& result, const log::Partition& stored) {
  if (!result.ok()) return refuse(partition, code_of(result.error()), result.error().message);
  partition.base_offset = result->first.value;
  partition.log_start_offset = stored.begin_offset().value;
}

/// Queues the batches of one topic; which partitions of the answer they are for.
void queue_topic(const std::shared_ptr<Producing>& producing, const AskedTopic& asked, size_t place,
                 std::vector<std::function<void()>>& settle) {
  auto& answered = producing->answer.topics[place].partitions;
  std::optional<engine::Topic> topic = producing->broker.log().topic(asked.name);
  std::vector<engine::RawBatch> batches;
  std::vector<size_t> places;
  for (size_t i = 0; i < asked.partitions.size(); ++i) {
    const auto& partition = asked.partitions[i];
    if (!producing->request->may(Right::kWrite, asked.name)) {
      refuse(answered[i], Code::kTopicAuthorizationFailed, "you may not write to " + std::string(asked.name));
    } else if (topic && !topic->takes_records()) {
      refuse(answered[i], Code::kTopicAuthorizationFailed, "only the node itself writes to " + topic->name);
    } else if (find_partition(topic, partition.index) == nullptr) {
      refuse(answered[i], Code::kUnknownTopicOrPartition);
    } else if (!partition.records || partition.records->empty()) {
      refuse(answered[i], Code::kInvalidRecord, "there is no record batch");
    } else if (partition.records->size() > 16 && (*partition.records)[16] != 2) {
      refuse(answered[i], Code::kUnsupportedForMessageFormat, "record batches have version 2");
    } else {
      batches.push_back({PartitionId(partition.index), std::string(*partition.records)});
      places.push_back(i);
    }
  }
  if (batches.empty()) return;
  std::shared_ptr<engine::QueuedBatches> queued = producing->broker.log().queue(*topic, std::move(batches));
  ++producing->left;
  settle.push_back([producing, topic, queued, place, places] {
    queued->settle([producing, stream = topic->stream.get(), place, places](engine::QueuedBatches::Results results) {
      auto& partitions = producing->answer.topics[place].partitions;
      for (size_t i = 0; i < results.size(); ++i) {
        auto& partition = partitions[places[i]];
        fill(partition, results[i], stream->partition(PartitionId(partition.index)));
        if (!results[i].ok() || results[i]->duplicate) continue;
        producing->broker.produced_records.add(
            static_cast<uint64_t>(results[i]->last.value - results[i]->first.value + 1));
      }
      producing->settle_one();
    });
  });
}

}  // namespace

void produce(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
             const std::function<void()>& proceed) {
  ProduceRequest asked;
  if (!decode(*request, asked)) return respond({std::nullopt, true});
  auto producing = std::make_shared<Producing>(broker, request, respond, asked.acks);
  for (const auto& topic : asked.topics) {
    auto& answered = producing->answer.topics.emplace_back();
    answered.name = std::string(topic.name);
    for (const auto& partition : topic.partitions) answered.partitions.emplace_back().index = partition.index;
  }
  Status allowed = broker.log().check_appends();
  std::vector<std::function<void()>> settle;
  if (request->version < kVersionFirst) {
    refuse_all(producing->answer, Code::kUnsupportedVersion, "produce requests have version 3 or later");
  } else if (asked.acks < -1 || asked.acks > 1) {
    refuse_all(producing->answer, Code::kInvalidRequiredAcks, "acks is -1, 0 or 1");
  } else if (!allowed.ok()) {
    refuse_all(producing->answer, code_of(allowed.error()), allowed.error().message);
  } else {
    for (size_t i = 0; i < asked.topics.size(); ++i) queue_topic(producing, asked.topics[i], i, settle);
  }
  proceed();  // the next request's batches come behind these
  for (const auto& each : settle) each();
  producing->settle_one();
}

}  // namespace millrace::server::kafka
