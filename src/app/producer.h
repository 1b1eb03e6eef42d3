// Producer: sends lines to a stream of a running node in chunks, each stored once however often it must be sent again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/remote.h"
#include "base/env.h"

namespace millrace::app {

struct ProduceTotals {
  uint64_t lines = 0;
  uint64_t bytes = 0;
  uint64_t accepted = 0;
  uint64_t rejected = 0;
  uint64_t retries = 0;
  std::vector<std::string> reasons;  ///< of the first rejected lines: "line 7: …"
};

struct ProducerOptions {
  size_t chunk_bytes = 1 << 20;                     ///< a chunk ends at the first line end behind it
  Duration retry_for = Duration::from_seconds(60);  ///< how long one chunk is tried again while the server cannot be
                                                    ///< reached or says 429 or 5xx
  bool validate = false;  ///< have lines that do not fit the schema rejected instead of kept as dead letters
};

class Producer {
 public:
  Producer(Env& env, Remote& remote, std::string stream, ProducerOptions options);

  /// Takes any piece of the text; whole chunks are sent.
  Status take(std::string_view bytes);
  /// Sends what is left. The last line need not end with a line end.
  Status finish();

  const ProduceTotals& totals() const { return totals_; }

 private:
  Status send(std::string_view lines);
  Result<HttpResponse> send_until_taken(const HttpRequest& request);
  Status note(std::string_view body, uint64_t lines_before);

  Env& env_;
  Remote& remote_;
  const std::string target_;
  const ProducerOptions options_;
  const std::string key_;  ///< of this run; a chunk's is this and its number
  std::string buffer_;
  uint64_t chunks_ = 0;
  ProduceTotals totals_;
};

}  // namespace millrace::app
