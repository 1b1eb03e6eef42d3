// Remote: a running node as its HTTP interface shows it, for the commands that ask one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "app/answer.h"
#include "app/http_client.h"

namespace millrace::app {

/// Where a node is and what to show it. Filled by the command line.
struct RemoteFlags {
  std::string url;
  std::string token_file;
};

class Remote {
 public:
  static Result<std::unique_ptr<Remote>> open(Env& env, const RemoteFlags& flags);
  Remote(Env& env, Endpoint server, std::string token) : client_(env, std::move(server), std::move(token)) {}

  /// Gets the lines of a streamed answer, without their line ends; first an empty one, when the stream begins.
  using OnLine = std::function<Status(std::string_view line)>;

  /// Runs SQL. An answer that streams (SUBSCRIBE) goes to `on_line` until it ends or interrupt() is called, and the
  /// Answer is then empty. Errors carry the position within `sql`.
  Result<Answer> execute(std::string_view sql, const OnLine& on_line = {});
  /// GET; the body of a 200, the server's error otherwise.
  Result<std::string> get(const std::string& target);

  HttpClient& client() { return client_; }

 private:
  HttpClient client_;
};

/// The error that an answer of a status other than 200 tells of.
Error error_of(const HttpResponse& response);

}  // namespace millrace::app
