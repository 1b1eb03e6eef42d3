#include "server/session.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "base/text.h"
#include "base/version.h"
#include "server/access.h"
#include "server/error_answer.h"
#include "server/run_on_workers.h"

namespace millrace::server {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kReadBytes = 64 << 10;
constexpr Duration kDrainTimeout = Duration::from_seconds(2);
constexpr uint64_t kDrainBytesMax = 256ULL << 20;

std::string text_of(beast::string_view view) { return {view.data(), view.size()}; }

Response bad_request(unsigned status, std::string message) {
  return error_answer(status, user_error(sqlstate::kInvalidText, std::move(message)));
}

template <typename Message>
void set_fields(Message& message, const Response& response, bool keep_alive) {
  message.set(http::field::server, std::string("Millrace/") + kVersion);
  message.set(http::field::content_type, response.content_type);
  message.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) message.set(name, value);
  message.keep_alive(keep_alive);
}

}  // namespace

Session::Session(asio::ip::tcp::socket socket, SessionHost& host) : host_(host), stream_(std::move(socket)) {
  host_.connections().add(1);
}

Session::~Session() {
  host_.connections().add(-1);
  host_.forget(*this);
}

void Session::start() {
  auto self = shared_from_this();
  auto done = [self](std::exception_ptr) {};  // out of memory, at worst: this connection ends, the others go on
  asio::co_spawn(stream_.get_executor(), serve(), done);
}

void Session::close(bool only_when_idle) {
  auto self = shared_from_this();
  asio::post(stream_.get_executor(), [self, only_when_idle] {
    if (self->idle_ || !only_when_idle) self->stream_.close();
  });
}

void Session::set_timeout(Duration timeout) { stream_.expires_after(std::chrono::microseconds(timeout.micros)); }

Pace Session::pace() const {
  const HttpOptions& options = host_.options();
  return {host_.context().env.clock(), options.read_timeout, options.bytes_per_second_min};
}

bool Session::keeps_pace(const Pace& pace, uint64_t bytes) {
  const Duration patience = pace.patience(bytes);
  if (patience <= Duration{}) return false;
  set_timeout(patience);
  return true;
}

asio::awaitable<void> Session::serve() {
  beast::error_code ignored;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  stream_.socket().non_blocking(true, ignored);  // for watch_client
  Next next = Next::kRequest;
  while (next == Next::kRequest && !host_.context().stopping) next = co_await serve_one();
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  if (next == Next::kDrainAndClose) co_await drain();
  stream_.close();
}

asio::awaitable<Session::Next> Session::serve_one() {
  Parser parser;
  parser.header_limit(static_cast<uint32_t>(host_.options().header_bytes_max));
  parser.body_limit(boost::none);  // the route's limit is set when it is known
  refusal_.reset();
  bool came = co_await read_head(parser);
  if (!came) co_return Next::kClose;

  Request request;
  RouteMatch match;
  if (!refusal_) admit(parser, request, match);
  if (!refusal_) admit_body(parser, request, *match.route);
  if (!refusal_) {
    bool whole = co_await read_body(parser, request);
    if (!whole && !refusal_) co_return Next::kClose;
  }
  Duration begin = host_.context().env.clock().monotonic();
  bool head_only = request.method == "HEAD";
  bool unread = !parser.is_done();
  if (unread || host_.context().stopping) keep_alive_ = false;
  Response response;
  if (refusal_) {
    response = std::move(*refusal_);
  } else {
    response = co_await answer(std::move(request), *match.route);
  }
  if (host_.context().stopping) keep_alive_ = false;
  Duration took{host_.context().env.clock().monotonic().micros - begin.micros};
  host_.count(match.route, response.status, took);
  bool written = co_await write(std::move(response), head_only);
  if (!written) co_return Next::kClose;
  if (unread) co_return Next::kDrainAndClose;
  co_return keep_alive_ ? Next::kRequest : Next::kClose;
}

asio::awaitable<bool> Session::read_head(Parser& parser) {
  if (buffer_.size() == 0) {
    idle_ = true;
    set_timeout(host_.options().idle_timeout);
    auto [failed, count] = co_await stream_.async_read_some(buffer_.prepare(kReadBytes), kAwait);
    idle_ = false;
    if (failed) co_return false;
    buffer_.commit(count);
  }
  set_timeout(host_.options().read_timeout);
  auto [failed, count] = co_await http::async_read_header(stream_, buffer_, parser, kAwait);
  keep_alive_ = !failed && parser.keep_alive();
  version_ = failed ? 11 : parser.get().version();
  if (!failed) co_return true;
  bool is_http = failed.category() == http::make_error_code(http::error::bad_method).category();
  if (!is_http || failed == http::error::end_of_stream || failed == http::error::partial_message) co_return false;
  if (failed == http::error::header_limit) {
    refusal_ = bad_request(
        431, "the head of the request is over the limit of " + format_bytes(host_.options().header_bytes_max));
  } else {
    refusal_ = bad_request(400, "this is no HTTP request: " + failed.message());
  }
  co_return true;
}

void Session::admit(const Parser& parser, Request& request, RouteMatch& match) {
  const auto& head = parser.get();
  request.method = text_of(head.method_string());
  request.content_type = text_of(head[http::field::content_type]);
  request.content_encoding = text_of(head[http::field::content_encoding]);
  request.idempotency_key = text_of(head["Idempotency-Key"]);
  request.account = {text_of(head["Millrace-Producer"]), text_of(head["Millrace-Minute"]),
                     text_of(head["Millrace-Batch-Count"]), text_of(head["Millrace-Batch-Fingerprint"])};
  request.authorization = text_of(head[http::field::authorization]);
  request.origin = text_of(head[http::field::origin]);
  request.host = text_of(head[http::field::host]);
  request.claim = ByteBudget::Claim(host_.budget());
  Status target = parse_target({head.target().data(), head.target().size()}, request);
  if (!target.ok()) {
    refusal_ = error_answer(target.error());
    return;
  }
  match = find_route(request);
  refusal_ = refuse_access(host_.options(), request, match.route == nullptr ? Access::kUser : match.route->access,
                          host_.context().env.clock().monotonic());
  if (!refusal_ && match.route == nullptr) refusal_ = no_route_answer(request, match);
}

void Session::admit_body(Parser& parser, Request& request, const Route& route) {
  uint64_t limit = route.body_bytes_max == kBodyBytesOption ? host_.options().body_bytes_max : route.body_bytes_max;
  uint64_t length = parser.content_length() ? *parser.content_length() : 0;
  if (length > limit) {
    refusal_ = error_answer(413, user_error(sqlstate::kTooLarge, "the body is over the limit of " + format_bytes(limit))
                                     .with_hint("send it in several requests"));
  } else if (!request.claim.grow_to(length)) {
    refusal_ = busy_answer("too many request bodies are in memory");
  }
  parser.body_limit(limit);
}

asio::awaitable<bool> Session::read_body(Parser& parser, Request& request) {
  const Pace pace = this->pace();
  if (!parser.is_done() && iequals(text_of(parser.get()[http::field::expect]), "100-continue")) {
    bool written = co_await write_text("HTTP/1.1 100 Continue\r\n\r\n");
    if (!written) co_return false;
  }
  uint64_t received = 0;
  while (!parser.is_done()) {
    if (!keeps_pace(pace, received)) co_return false;
    auto [failed, count] = co_await http::async_read_some(stream_, buffer_, parser, kAwait);
    received += count;
    if (failed == http::error::body_limit) {
      refusal_ = error_answer(413, user_error(sqlstate::kTooLarge, "the body is over the limit"));
    } else if (failed == http::error::end_of_stream || failed == http::error::partial_message) {
      co_return false;
    } else if (failed && failed.category() == http::make_error_code(http::error::bad_chunk).category()) {
      refusal_ = bad_request(400, "the body is not well-formed: " + failed.message());
    } else if (failed) {
      co_return false;
    } else if (!request.claim.grow_to(parser.get().body().size())) {
      refusal_ = busy_answer("too many request bodies are in memory");
    }
    if (refusal_) co_return false;
  }
  request.body = std::move(parser.get().body());
  host_.received_bytes().add(request.body.size());
  co_return true;
}

asio::awaitable<Response> Session::answer(Request request, const Route& route) {
  auto shared = std::make_shared<Request>(std::move(request));  // a job must be copyable
  shared->cancel = std::make_shared<CancelToken>();
  if (route.workers == WorkerKind::kQuery) watch_client(shared->cancel);
  Context& context = host_.context();
  using Resume = std::function<void(std::shared_ptr<Response>)>;
  std::function<void(Resume)> work = [shared, handler = route.handler, &context](const Resume& resume) {
    auto respond = [resume](Response response) { resume(std::make_shared<Response>(std::move(response))); };
    try {
      if (const auto* later = std::get_if<LaterHandler>(&handler)) return (*later)(context, shared, respond);
      respond(std::get<Handler>(handler)(context, *shared));
    } catch (const std::exception& error) {  // of a library, or out of memory; before there was an answer
      respond(error_answer(internal_error(std::string("the request failed: ") + error.what())));
    }
  };
  std::shared_ptr<Response> response = co_await begin_on_workers(host_.workers(route.workers), std::move(work));
  beast::error_code ignored;
  if (watched_) stream_.socket().cancel(ignored);
  watched_ = nullptr;
  if (!response) co_return busy_answer("too many requests are waiting");
  co_return std::move(*response);
}

void Session::watch_client(std::shared_ptr<CancelToken> cancel) {
  if (buffer_.size() > 0) return;  // it has sent its next request, and what comes after that is not seen
  auto came = [self = shared_from_this(), cancel](beast::error_code failed) {
    if (failed || self->watched_ != cancel) return;
    char next = 0;
    self->stream_.socket().receive(asio::buffer(&next, 1), asio::socket_base::message_peek, failed);
    // Woken up for what was read before: bytes are told of only once, and that may come late.
    if (failed == asio::error::would_block || failed == asio::error::try_again) return self->watch_client(cancel);
    if (failed) cancel->cancel();
  };
  watched_ = std::move(cancel);
  stream_.socket().async_wait(asio::ip::tcp::socket::wait_read, std::move(came));
}

asio::awaitable<bool> Session::write(Response response, bool head_only) {
  if (response.stream && !head_only) co_return co_await write_stream(std::move(response));
  auto status = static_cast<http::status>(response.status);
  if (head_only) {
    http::response<http::empty_body> message{status, version_};
    set_fields(message, response, keep_alive_);
    message.content_length(response.body.size());
    set_timeout(host_.options().read_timeout);
    auto [failed, count] = co_await http::async_write(stream_, message, kAwait);
    co_return !failed;
  }
  http::response<http::string_body> message{status, version_, std::move(response.body)};
  set_fields(message, response, keep_alive_);
  message.prepare_payload();
  http::response_serializer<http::string_body> serializer{message};
  const Pace pace = this->pace();
  uint64_t written = 0;
  while (!serializer.is_done()) {
    if (!keeps_pace(pace, written)) co_return false;
    auto [failed, count] = co_await http::async_write_some(stream_, serializer, kAwait);
    written += count;
    if (failed) co_return false;
  }
  co_return true;
}

asio::awaitable<bool> Session::write_stream(Response response) {
  bool chunked = version_ >= 11;
  if (!chunked) keep_alive_ = false;
  http::response<http::empty_body> message{static_cast<http::status>(response.status), version_};
  set_fields(message, response, keep_alive_);
  if (chunked) message.chunked(true);
  http::response_serializer<http::empty_body> serializer{message};
  set_timeout(host_.options().read_timeout);
  auto [failed, count] = co_await http::async_write_header(stream_, serializer, kAwait);
  if (failed) co_return false;

  std::shared_ptr<BodyStream> source = std::move(response.stream);
  std::function<std::shared_ptr<std::optional<std::string>>()> work = [source] {
    return std::make_shared<std::optional<std::string>>(source->next());
  };
  while (true) {
    auto piece = co_await run_on_workers(host_.subscription_workers(), work);
    if (!piece || !*piece) break;
    std::string text = std::move(**piece);
    if (chunked) text = fmt::format("{:x}\r\n", text.size()) + text + "\r\n";
    bool written = co_await write_text(std::move(text));
    if (!written) co_return false;
  }
  if (!chunked) co_return true;
  co_return co_await write_text("0\r\n\r\n");
}

asio::awaitable<bool> Session::write_text(std::string text) {
  set_timeout(host_.options().read_timeout);
  auto [failed, count] = co_await asio::async_write(stream_, asio::buffer(text), kAwait);
  co_return !failed;
}

asio::awaitable<void> Session::drain() {
  set_timeout(kDrainTimeout);
  uint64_t taken = buffer_.size();
  buffer_.clear();
  while (taken < kDrainBytesMax) {
    auto [failed, count] = co_await stream_.async_read_some(buffer_.prepare(kReadBytes), kAwait);
    if (failed) co_return;
    taken += count;
  }
}

}  // namespace millrace::server
