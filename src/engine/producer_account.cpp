#include "engine/producer_account.h"

#include "base/bytes.h"
#include "log/record_batch.h"

namespace millrace::engine {
namespace {

constexpr uint8_t kFormat = 1;

void append_sum(std::string& out, const ledger::IdSum& sum) {
  append_varint(out, sum.count);
  append_little(out, sum.fingerprint);
}

Result<ledger::IdSum> read_sum(ByteReader& reader) {
  ledger::IdSum sum;
  MR_ASSIGN(sum.count, reader.varint());
  MR_ASSIGN(sum.fingerprint, reader.little<uint64_t>());
  return sum;
}

}  // namespace

std::string ProducerShare::encode() const {
  std::string out(1, static_cast<char>(kFormat));
  append_string(out, producer);
  append_zigzag(out, minute.micros);
  append_sum(out, received);
  append_sum(out, rejected);
  if (sent) append_sum(out, *sent);
  return out;
}

Result<ProducerShare> ProducerShare::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  ProducerShare share;
  MR_ASSIGN(const uint8_t format, reader.little<uint8_t>());
  if (format != kFormat) return external_error(sqlstate::kDataCorrupted, "a producer's account of another format");
  MR_ASSIGN(const std::string_view producer, reader.string());
  share.producer = producer;
  MR_ASSIGN(share.minute.micros, reader.zigzag());
  MR_ASSIGN(share.received, read_sum(reader));
  MR_ASSIGN(share.rejected, read_sum(reader));
  if (!reader.done()) {
    MR_ASSIGN(share.sent, read_sum(reader));
  }
  return share;
}

std::optional<ProducerShare> ProducerShare::of_batch(std::string_view batch) {
  auto view = log::RecordBatchView::parse_unchecked(batch);
  // Ours are not compressed; what a Kafka client packed has no such header.
  if (!view.ok() || view->control() || view->compression() != log::Compression::kNone) return std::nullopt;
  log::Decompressor none;
  auto cursor = view->records(none);
  log::RecordView record;
  if (!cursor.ok() || !cursor->next(record)) return std::nullopt;
  log::RecordHeader header;
  while (record.headers.next(header)) {
    if (header.key != kProducerShareHeader || !header.value) continue;
    auto share = decode(*header.value);
    if (share.ok()) return std::move(share).value();
  }
  return std::nullopt;
}

void ProducerShare::enter(StreamId stream, ledger::Ledger& ledger, ledger::Recorder& recorder) const {
  recorder.add_ids(ledger.hop("received:" + producer), stream, minute, received);
  recorder.add_ids(ledger.hop("rejected:" + producer), stream, minute, rejected);
  if (sent) recorder.add_ids(ledger.hop("sent:" + producer), stream, minute, *sent);
}

}  // namespace millrace::engine
