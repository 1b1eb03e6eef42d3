#include "server/kafka/request.h"

#include "log/producer_window.h"

namespace millrace::server::kafka {

bool read_head(Request& request) {
  WireReader in(request.bytes);
  int16_t key = -1;
  in.integer(key);
  in.integer(request.version);
  in.integer(request.correlation_id);
  if (!in.ok()) return false;
  request.key = static_cast<ApiKey>(key);
  const ApiRange* range = nullptr;
  for (const ApiRange& candidate : kApiRanges) {
    if (candidate.key == request.key) range = &candidate;
  }
  // A client that is newer than we are asks for the versions in one that we do not know: its head is readable.
  if (range == nullptr) return false;
  request.supported = request.version >= range->first && request.version <= range->last;
  if (!request.supported && request.key != ApiKey::kApiVersions) return true;
  request.flexible = request.version >= range->flexible;
  std::optional<std::string_view> client;
  in.text(client, false);
  if (request.flexible) in.tags();
  if (!in.ok()) return false;
  request.client_id = client.value_or(std::string_view());
  request.body = std::string_view(request.bytes).substr(request.bytes.size() - in.remaining());
  return true;
}

Code code_of(const Error& error) {
  if (error.code == sqlstate::kUndefinedTable) return Code::kUnknownTopicOrPartition;
  if (error.code == sqlstate::kTooLarge) return Code::kMessageTooLarge;
  if (error.code == sqlstate::kDataCorrupted && error.fault == Fault::kUser) return Code::kCorruptMessage;
  if (error.code == sqlstate::kReadOnly) return Code::kPolicyViolation;
  if (error.code == sqlstate::kDuplicateTable) return Code::kTopicAlreadyExists;
  if (error.code == log::kSequenceGap) return Code::kOutOfOrderSequence;
  if (error.code == log::kFencedProducer) return Code::kInvalidProducerEpoch;
  if (error.fault == Fault::kUser) return Code::kInvalidRecord;
  if (error.fault == Fault::kExternal) return Code::kStorageError;
  return Code::kUnknownServerError;
}

}  // namespace millrace::server::kafka
