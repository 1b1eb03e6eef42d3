// Session: one client's connection. Reads a request, has a worker answer it, writes the answer, and again; so requests
// that are sent without waiting (pipelining) are answered in order. Runs as a coroutine on a strand: its fields need no
// lock.
//
// Private to server/: includes Boost.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>

#include "server/message.h"
#include "server/pace.h"
#include "server/routes.h"
#include "server/session_host.h"

namespace millrace::server {

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(boost::asio::ip::tcp::socket socket, SessionHost& host);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Starts serving; the session lives until its connection ends.
  void start();
  /// Closes the connection, at once or when no request is in hand. Any thread.
  void close(bool only_when_idle);

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  /// What comes after a request.
  enum class Next : uint8_t { kRequest, kClose, kDrainAndClose };

  boost::asio::awaitable<void> serve();
  boost::asio::awaitable<Next> serve_one();
  /// False when no request came.
  boost::asio::awaitable<bool> read_head(Parser& parser);
  /// The three below set `refusal_` when the request is not to be answered by its handler.
  void admit(const Parser& parser, Request& request, RouteMatch& match);
  void admit_body(Parser& parser, Request& request, const Route& route);
  boost::asio::awaitable<bool> read_body(Parser& parser, Request& request);
  /// Until its answer is there: cancels when the client closes the connection.
  void watch_client(std::shared_ptr<CancelToken> cancel);
  boost::asio::awaitable<Response> answer(Request request, const Route& route);

  boost::asio::awaitable<bool> write(Response response, bool head_only);
  boost::asio::awaitable<bool> write_stream(Response response);
  boost::asio::awaitable<bool> write_text(std::string text);
  /// Takes what the client still sends, within bounds, so that it can read our answer before the connection goes.
  boost::asio::awaitable<void> drain();
  void set_timeout(Duration timeout);
  Pace pace() const;
  /// Sets the timeout for the next bytes. False when the client is too slow: the connection is to be closed.
  bool keeps_pace(const Pace& pace, uint64_t bytes);

  SessionHost& host_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<Response> refusal_;
  unsigned version_ = 11;
  bool keep_alive_ = true;
  std::shared_ptr<CancelToken> watched_;  // of the query that runs, should its client go
  bool idle_ = true;
};

}  // namespace millrace::server
