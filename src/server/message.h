// Request and Response as handlers see them: plain data, without sockets. A handler runs on a worker thread and may
// wait.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cancel_token.h"
#include "base/result.h"
#include "server/byte_budget.h"

namespace millrace::server {

/// The headers Millrace-Producer, -Minute, -Batch-Count and -Batch-Fingerprint, as sent; empty when absent.
struct AccountHeaders {
  std::string producer;
  std::string minute;
  std::string count;
  std::string fingerprint;
};

struct Request {
  std::string method;
  std::string path;                                        ///< percent-decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;  ///< decoded, in order
  std::string parameter;                                   ///< what stands at {…} of the route's path
  std::string content_type;                                ///< as sent; empty when there was none
  std::string content_encoding;
  std::string idempotency_key;
  AccountHeaders account;
  std::string authorization;
  std::string origin;
  std::string host;
  std::string body;
  std::shared_ptr<CancelToken>
      cancel;               ///< cancelled when the client is gone before its answer; never null in a handler
  ByteBudget::Claim claim;  ///< what `body`, and what a handler unpacks it to, take of the budget

  /// The last value of a query parameter.
  std::optional<std::string_view> query_value(std::string_view name) const;
};

/// A body that is written while it is made.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  /// The next piece; nothing at the end. May wait, but not much longer than a second. One thread at a time.
  virtual std::optional<std::string> next() = 0;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::unique_ptr<BodyStream> stream;  ///< instead of `body`
};

/// Splits "/a%20b?x=1&y" into path and query. Fails when an escape is broken.
Status parse_target(std::string_view target, Request& request);

/// "text/csv; charset=utf-8" → "text/csv", in lower case.
std::string media_type(std::string_view content_type);

}  // namespace millrace::server
