// Producers of numbered messages, and what they know: which messages were sent, and which of them acked.
//
// A producer waits for its answer before it sends the next request. The wire loses requests on their way there and
// answers on their way back; what got no answer is sent again under its Idempotency-Key, or, now and then, given up.
#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "base/time.h"
#include "engine/node.h"

namespace millrace::simulation {

struct Message {
  int32_t producer = 0;
  int64_t number = 0;
  int64_t k = 0;
  int64_t v = 0;
  std::string g;
  Timestamp ts;         ///< by the producer's own clock
  bool broken = false;  ///< does not decode
  bool acked = false;

  std::string json() const;
  /// The columns as a query shows them: what is compared.
  std::string row() const;
};

class Producer {
 public:
  Producer(int32_t id, std::string stream) : id_(id), stream_(std::move(stream)) {}

  /// One request, new or again. `now` is the producer's clock. True when it was acked; the error, if the node gave one.
  Result<bool> send(engine::Node& node, std::mt19937_64& random, Timestamp now);
  /// The last acked request comes once more, from a proxy that was slow: nothing must be stored.
  Status deliver_late(engine::Node& node);

  const std::string& stream() const { return stream_; }
  const std::deque<Message>& messages() const { return messages_; }
  uint64_t retries() const { return retries_; }

 private:
  struct Request {
    size_t first = 0;  ///< of messages_
    size_t end = 0;
    std::string key;
  };
  void make_request(std::mt19937_64& random, Timestamp now);
  Result<engine::AppendReceipt> append(engine::Node& node, const Request& request);

  const int32_t id_;
  const std::string stream_;
  std::deque<Message> messages_;  // others point into it
  Request request_;
  bool pending_ = false;
  Request acked_request_;
  uint64_t requests_ = 0;
  uint64_t retries_ = 0;
};

}  // namespace millrace::simulation
