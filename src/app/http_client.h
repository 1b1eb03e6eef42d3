// HttpClient: HTTP/1.1 to one server over the Env's network, for the commands that talk to a running node. Plain HTTP;
// bodies with Content-Length or chunked; the connection is kept for the next request.
//
// One thread at a time, but for interrupt(). An answer of any status is an answer; errors are for what kept it from
// coming.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/config.h"
#include "base/env.h"

namespace millrace::app {

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  /// May be sent again when a kept connection turns out to be closed. What may not goes over a new one: a server that
  /// closes an idle one, or was started anew, would leave open whether it was done.
  bool repeatable = true;
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  std::string body;                                          ///< empty when a consumer took it

  /// The value of the first header of that name (in lower case); empty when there is none.
  std::string_view header(std::string_view name) const;
};

/// Decides, from the head of an answer, who takes its body: nothing keeps it in HttpResponse::body.
using BodyConsumer = std::function<Status(std::string_view bytes)>;
using ChooseConsumer = std::function<BodyConsumer(const HttpResponse& head)>;

class HttpClient {
 public:
  /// `token`: sent as a bearer token when it is not empty.
  HttpClient(Env& env, Endpoint server, std::string token = {});

  Result<HttpResponse> send(const HttpRequest& request) { return send(request, {}); }
  Result<HttpResponse> send(const HttpRequest& request, const ChooseConsumer& choose);

  /// Ends the request under way, if any, from another thread: send returns a kCancelled error.
  void interrupt();

  const Endpoint& server() const { return server_; }

 private:
  class Reader;

  Status connect();
  void disconnect();
  Result<HttpResponse> exchange(const HttpRequest& request, const ChooseConsumer& choose, bool& answered);
  Status read_body(Reader& reader, HttpResponse& response, const BodyConsumer& consumer);
  std::string head_of(const HttpRequest& request) const;

  Env& env_;
  const Endpoint server_;
  const std::string token_;
  std::mutex mutex_;                        // between send and interrupt
  std::shared_ptr<Connection> connection_;  // guarded by mutex_ where it changes; shared with an interrupt under way
  std::atomic<bool> interrupted_ = false;
};

/// "http://127.0.0.1:8780", "localhost:8780" or a bare port.
Result<Endpoint> parse_url(std::string_view url);
/// `text` as one segment of a path: what is not a letter, a digit or one of -._~ becomes %XX.
std::string url_escape(std::string_view text);

}  // namespace millrace::app
