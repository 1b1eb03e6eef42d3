#include "simulation/producers.h"

#include <fmt/format.h>

#include "base/text.h"

namespace millrace::simulation {

std::string Message::json() const {
  if (broken) return fmt::format("{{\"producer\":{},\"number\":{},\"k\":{},", producer, number, k);
  return fmt::format(R"({{"producer":{},"number":{},"k":{},"v":{},"g":"{}","ts":"{}"}})", producer, number, k, v, g,
                     format_iso8601(ts));
}

std::string Message::row() const { return fmt::format("{}|{}|{}|{}|{}", producer, number, k, v, g); }

void Producer::make_request(std::mt19937_64& random, Timestamp now) {
  request_ = {messages_.size(), messages_.size(), fmt::format("{}/{}", id_, requests_++)};
  const uint64_t count = random() % 10 == 0 ? 60 + random() % 100 : 1 + random() % 12;
  for (uint64_t i = 0; i < count; ++i) {
    Message message;
    message.producer = id_;
    message.number = static_cast<int64_t>(messages_.size());
    message.k = static_cast<int64_t>(random() % 9);
    message.v = static_cast<int64_t>(random() % 100) - 20;
    message.g = std::string(1 + random() % 3, static_cast<char>('a' + random() % 4));
    // Most come in time, some behind the watermark.
    const uint64_t age_ms = random() % 8 == 0 ? random() % 200000 : random() % 20000;
    message.ts = Timestamp{now.micros - static_cast<int64_t>(age_ms) * 1000};
    message.broken = random() % 50 == 0;
    messages_.push_back(std::move(message));
  }
  request_.end = messages_.size();
  pending_ = true;
}

Result<engine::AppendReceipt> Producer::append(engine::Node& node, const Request& request) {
  std::vector<std::string> lines;
  for (size_t i = request.first; i < request.end; ++i) lines.push_back(messages_[i].json());
  std::vector<std::string_view> records(lines.begin(), lines.end());
  engine::AppendRequest options;
  options.idempotency_key = request.key;
  MR_ASSIGN(engine::AppendReceipt receipt, node.append(stream_, records, options));
  if (receipt.accepted != lines.size() || !receipt.rejected.empty()) {
    return internal_error(fmt::format("of {} messages {} were accepted", lines.size(), receipt.accepted));
  }
  return receipt;
}

Result<bool> Producer::send(engine::Node& node, std::mt19937_64& random, Timestamp now) {
  if (pending_ && random() % 12 == 0) pending_ = false;  // given up: there once, in part, or not at all
  if (pending_) ++retries_;
  if (!pending_) make_request(random, now);
  if (random() % 25 == 0) return false;  // lost on the way there
  MR_TRY(append(node, request_));
  if (random() % 15 == 0) return false;  // the answer is lost on its way back
  for (size_t i = request_.first; i < request_.end; ++i) messages_[i].acked = true;
  acked_request_ = request_;
  pending_ = false;
  return true;
}

Status Producer::deliver_late(engine::Node& node) {
  if (acked_request_.key.empty()) return {};
  MR_TRY(append(node, acked_request_));
  return {};
}

}  // namespace millrace::simulation
