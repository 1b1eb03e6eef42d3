#include "log/producer_window.h"

#include <fmt/format.h>

#include <algorithm>

#include "log/record_batch.h"

namespace millrace::log {

namespace {

/// Behind the largest number a sequence begins again at 0.
int32_t sequence_after(const ProducerMark& batch) {
  return static_cast<int32_t>(
      (static_cast<uint32_t>(batch.producer.sequence) + static_cast<uint32_t>(batch.record_count)) & 0x7FFFFFFFU);
}

OffsetRange range_of(const ProducerMark& batch) {
  return {batch.first, Offset{batch.first.value + batch.record_count - 1}};
}

Error gap(const ProducerMark& batch, int32_t due) {
  return user_error(kSequenceGap,
                    fmt::format("a producer's batch is out of order: producer {}, sequence {} where {} is due",
                                batch.producer.id, batch.producer.sequence, due));
}

}  // namespace

Result<std::optional<OffsetRange>> ProducerWindow::find(const ProducerMark& batch) const {
  const ProducerSequence& producer = batch.producer;
  if (producer.epoch < 0 || producer.sequence < 0) {
    return user_error(sqlstate::kInvalidParameter,
                      fmt::format("a producer's batch has no epoch or sequence: producer {}", producer.id));
  }
  auto known = producers_.find(producer.id);
  if (known == producers_.end()) return std::optional<OffsetRange>();
  const ProducerMark& last = known->second.back();
  if (producer.epoch < last.producer.epoch) {
    return user_error(kFencedProducer, fmt::format("a producer's epoch is over: producer {}, epoch {} of {}",
                                                   producer.id, producer.epoch, last.producer.epoch));
  }
  if (producer.epoch > last.producer.epoch) {
    if (producer.sequence != 0) return gap(batch, 0);
    return std::optional<OffsetRange>();
  }
  for (const ProducerMark& stored : known->second) {
    if (stored.producer == producer && stored.record_count == batch.record_count) {
      return std::optional<OffsetRange>(range_of(stored));
    }
  }
  const int32_t due = sequence_after(last);
  if (producer.sequence != due) return gap(batch, due);
  return std::optional<OffsetRange>();
}

void ProducerWindow::add(const ProducerMark& batch, Offset durable_end) {
  std::deque<ProducerMark>& batches = producers_[batch.producer.id];
  batches.push_back(batch);
  auto first_queued =
      std::find_if(batches.begin(), batches.end(), [&](const ProducerMark& each) { return each.first >= durable_end; });
  auto durable = static_cast<size_t>(first_queued - batches.begin());
  for (; durable > kBatchesPerProducer; --durable) batches.pop_front();
  if (producers_.size() > producers_max_) forget_silent();
}

/// A quarter of them, so that this is seldom.
void ProducerWindow::forget_silent() {
  std::vector<std::pair<Offset, int64_t>> by_age;
  by_age.reserve(producers_.size());
  for (const auto& [id, batches] : producers_) by_age.emplace_back(batches.back().first, id);
  const size_t going = std::max<size_t>(producers_.size() / 4, 1);
  std::nth_element(by_age.begin(), by_age.begin() + static_cast<std::ptrdiff_t>(going) - 1, by_age.end());
  for (size_t i = 0; i < going; ++i) producers_.erase(by_age[i].second);
}

void ProducerWindow::cut(Offset end) {
  for (auto known = producers_.begin(); known != producers_.end();) {
    std::deque<ProducerMark>& batches = known->second;
    while (!batches.empty() && batches.back().first >= end) batches.pop_back();
    known = batches.empty() ? producers_.erase(known) : std::next(known);
  }
}

ProducerSequence sequence_of(const RecordBatchView& batch) {
  return {batch.producer_id(), batch.producer_epoch(), batch.base_sequence()};
}

void keep_last_of_each(std::vector<ProducerMark>& marks) {
  std::unordered_map<int64_t, size_t> seen;
  std::vector<ProducerMark> kept;
  for (auto mark = marks.rbegin(); mark != marks.rend(); ++mark) {
    if (seen.size() >= kProducersMax && !seen.contains(mark->producer.id)) continue;
    if (++seen[mark->producer.id] <= kBatchesPerProducer) kept.push_back(*mark);
  }
  marks.assign(kept.rbegin(), kept.rend());
}

}  // namespace millrace::log
