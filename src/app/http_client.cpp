#include "app/http_client.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace millrace::app {
namespace {

constexpr Duration kConnectTimeout = Duration::from_seconds(5);
constexpr size_t kHeadBytesMax = 64 << 10;
constexpr size_t kBodyBytesMax = size_t{1} << 30;

Error unexpected(std::string_view what) {
  return external_error(sqlstate::kIoError, "the server's answer is not HTTP/1.1: " + shorten(what));
}

Result<HttpResponse> parse_head(std::string_view head) {
  HttpResponse response;
  std::vector<std::string_view> lines = split_view(head, '\n');
  std::string_view first = trim(lines.front());
  if (!first.starts_with("HTTP/1.") || first.size() < 12) return unexpected(first);
  auto parsed = std::from_chars(first.data() + 9, first.data() + 12, response.status);
  if (parsed.ec != std::errc() || parsed.ptr != first.data() + 12) return unexpected(first);
  for (size_t i = 1; i < lines.size(); ++i) {
    std::string_view line = trim(lines[i]);
    size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    response.headers.emplace_back(to_lower_ascii(line.substr(0, colon)), std::string(trim(line.substr(colon + 1))));
  }
  return response;
}

}  // namespace

/// Bytes of one connection, buffered.
class HttpClient::Reader {
 public:
  explicit Reader(Connection& connection) : connection_(connection) {}

  bool anything_came() const { return anything_came_; }

  /// Up to and without the next "\n"; a "\r" before it is cut off.
  Result<std::string> line() {
    size_t end;
    while ((end = buffer_.find('\n', at_)) == std::string::npos) {
      if (buffer_.size() - at_ > kHeadBytesMax) return unexpected("a line that does not end");
      MR_TRY(fill());
    }
    std::string text = buffer_.substr(at_, end - at_);
    at_ = end + 1;
    if (!text.empty() && text.back() == '\r') text.pop_back();
    return text;
  }

  Result<std::string> head() {
    std::string text;
    while (true) {
      MR_ASSIGN(std::string next, line());
      if (next.empty() && !text.empty()) return text;
      if (text.size() > kHeadBytesMax) return unexpected("too many headers");
      text += next + "\n";
    }
  }

  Status take(uint64_t length, const BodyConsumer& consumer) {
    while (length > 0) {
      if (at_ == buffer_.size()) MR_TRY(fill());
      size_t part = static_cast<size_t>(std::min<uint64_t>(length, buffer_.size() - at_));
      MR_TRY(consumer(std::string_view(buffer_).substr(at_, part)));
      at_ += part;
      length -= part;
    }
    return {};
  }

  Status take_rest(const BodyConsumer& consumer) {
    while (true) {
      MR_TRY(consumer(std::string_view(buffer_).substr(at_)));
      at_ = buffer_.size();
      MR_ASSIGN(size_t came, fill_some());
      if (came == 0) return {};
    }
  }

 private:
  Result<size_t> fill_some() {
    buffer_.erase(0, at_);
    at_ = 0;
    char bytes[16 << 10];
    MR_ASSIGN(size_t came, connection_.read(bytes, sizeof bytes));
    buffer_.append(bytes, came);
    anything_came_ = anything_came_ || came > 0;
    return came;
  }
  Status fill() {
    MR_ASSIGN(size_t came, fill_some());
    if (came == 0) return external_error(sqlstate::kIoError, "the server closed the connection", Retry::kBackoff);
    return {};
  }

  Connection& connection_;
  std::string buffer_;
  size_t at_ = 0;
  bool anything_came_ = false;
};

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

HttpClient::HttpClient(Env& env, Endpoint server, std::string token)
    : env_(env), server_(std::move(server)), token_(std::move(token)) {}

Status HttpClient::connect() {
  auto connection = env_.network().connect(server_.host, server_.port, kConnectTimeout);
  if (!connection.ok()) {
    return std::move(connection)
        .error()
        .within("http://" + server_.text())
        .with_hint("is a node running there? `millrace start` starts one; --url names another place");
  }
  std::lock_guard guard(mutex_);
  connection_ = std::move(connection).value();
  return {};
}

void HttpClient::disconnect() {
  std::lock_guard guard(mutex_);
  if (connection_) connection_->close();
  connection_.reset();
}

void HttpClient::interrupt() {
  interrupted_ = true;
  std::shared_ptr<Connection> connection;
  {
    std::lock_guard guard(mutex_);
    connection = connection_;
  }
  if (connection) connection->close();
}

std::string HttpClient::head_of(const HttpRequest& request) const {
  std::string head = request.method + " " + request.target + " HTTP/1.1\r\nHost: " + server_.text() + "\r\n";
  if (!token_.empty()) head += "Authorization: Bearer " + token_ + "\r\n";
  for (const auto& [name, value] : request.headers) head += name + ": " + value + "\r\n";
  if (!request.body.empty() || request.method == "POST")
    head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  return head + "\r\n";
}

Status HttpClient::read_body(Reader& reader, HttpResponse& response, const BodyConsumer& consumer) {
  if (response.status == 204 || response.status == 304) return {};
  if (iequals(response.header("transfer-encoding"), "chunked")) {
    while (true) {
      MR_ASSIGN(std::string size_line, reader.line());
      std::string_view digits = trim(split_view(size_line, ';').front());
      uint64_t size = 0;
      auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
      if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size())
        return unexpected(size_line);
      MR_TRY(reader.take(size, consumer));
      MR_ASSIGN(std::string end, reader.line());
      while (size == 0 && !end.empty()) {
        MR_ASSIGN(end, reader.line());  // trailers
      }
      if (size == 0) return {};
    }
  }
  std::string_view length = response.header("content-length");
  if (length.empty()) return reader.take_rest(consumer);
  MR_ASSIGN(int64_t bytes, parse_integer("Content-Length", length, 0, INT64_MAX));
  return reader.take(static_cast<uint64_t>(bytes), consumer);
}

Result<HttpResponse> HttpClient::exchange(const HttpRequest& request, const ChooseConsumer& choose, bool& answered) {
  std::string head = head_of(request);
  MR_TRY(connection_->write(head));
  if (!request.body.empty()) MR_TRY(connection_->write(request.body));
  Reader reader(*connection_);
  HttpResponse response;
  do {
    auto text = reader.head();
    answered = reader.anything_came();
    if (!text.ok()) return std::move(text).error();
    MR_ASSIGN(response, parse_head(*text));
  } while (response.status == 100);
  BodyConsumer consumer = choose ? choose(response) : BodyConsumer();
  if (!consumer) {
    consumer = [&response](std::string_view bytes) -> Status {
      if (response.body.size() + bytes.size() > kBodyBytesMax) {
        return user_error(sqlstate::kTooLarge, "the answer is larger than 1 GiB").with_hint("ask for fewer rows");
      }
      response.body.append(bytes);
      return {};
    };
  }
  MR_TRY(read_body(reader, response, consumer));
  bool closes = iequals(response.header("connection"), "close") ||
                (response.header("content-length").empty() && response.header("transfer-encoding").empty());
  if (closes) disconnect();
  return response;
}

Result<HttpResponse> HttpClient::send(const HttpRequest& request, const ChooseConsumer& choose) {
  interrupted_ = false;
  if (!request.repeatable) disconnect();
  bool kept = connection_ != nullptr;
  if (!kept) MR_TRY(connect());
  bool answered = false;
  auto response = exchange(request, choose, answered);
  if (!response.ok() && kept && !answered && !interrupted_) {
    disconnect();
    MR_TRY(connect());
    response = exchange(request, choose, answered);
  }
  if (response.ok()) return response;
  disconnect();
  if (interrupted_) return user_error(sqlstate::kCancelled, "interrupted");
  Error error = std::move(response).error().within("http://" + server_.text());
  if (!request.repeatable && error.hint.empty())
    error.hint = "the node may have done it or not: look before you ask again";
  return error;
}

Result<Endpoint> parse_url(std::string_view url) {
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    return user_error(sqlstate::kNotSupported, "--url takes http://, not: " + shorten(url))
        .with_hint("put a TLS proxy's plain side, or a tunnel, in between");
  }
  if (rest.starts_with("http://")) rest.remove_prefix(7);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  return parse_endpoint("--url", rest);
}

std::string url_escape(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    bool plain = is_digit(c) || (to_lower_ascii(c) >= 'a' && to_lower_ascii(c) <= 'z') ||
                 std::string_view("-._~").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace millrace::app
