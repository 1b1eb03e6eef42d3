// ProducerShare: what one stored record batch holds of a producer's account with the ledger. It is a header of the
// batch's first record (docs/formats/log.md), so that it is durable with the messages and a crash before the next
// commit loses nothing of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "ledger/ledger.h"

namespace millrace::engine {

inline constexpr std::string_view kProducerShareHeader = "millrace-account";
/// Producers of a node that may have an account; a request of another one is refused.
inline constexpr size_t kProducersMax = 1024;

struct ProducerShare {
  std::string producer;
  Timestamp minute;
  ledger::IdSum received;
  ledger::IdSum rejected;
  std::optional<ledger::IdSum> sent;  ///< declared with the request: in one of its batches

  std::string encode() const;
  static Result<ProducerShare> decode(std::string_view bytes);
  /// That of a stored batch, when it has one.
  static std::optional<ProducerShare> of_batch(std::string_view batch);
  /// Counts it.
  void enter(StreamId stream, ledger::Ledger& ledger, ledger::Recorder& recorder) const;
};

}  // namespace millrace::engine
