#include "app/remote.h"

#include "app/json_text.h"
#include "base/text.h"

namespace millrace::app {
namespace {

std::optional<int64_t> whole_number(std::string_view text) {
  auto value = parse_integer("number", text, 0, INT64_MAX);
  return value.ok() ? std::optional(*value) : std::nullopt;
}

/// `position`: a byte offset, or {"offset":…,"length":…}.
std::optional<SourceSpan> position_of(std::string_view json) {
  if (auto offset = whole_number(json)) return SourceSpan{static_cast<uint64_t>(*offset), 1};
  auto offset = json_member(json, "offset");
  if (!offset) return std::nullopt;
  auto from = whole_number(*offset);
  auto length = whole_number(json_member(json, "length").value_or("1"));
  if (!from) return std::nullopt;
  return SourceSpan{static_cast<uint64_t>(*from), static_cast<uint64_t>(length.value_or(1))};
}

/// Cuts a stream of bytes into lines.
class Lines {
 public:
  explicit Lines(const Remote::OnLine& on_line) : on_line_(on_line) {}

  Status take(std::string_view bytes) {
    rest_.append(bytes);
    size_t begin = 0;
    size_t end;
    while ((end = rest_.find('\n', begin)) != std::string::npos) {
      std::string_view line = trim(std::string_view(rest_).substr(begin, end - begin));
      if (!line.empty()) MR_TRY(on_line_(line));
      begin = end + 1;
    }
    rest_.erase(0, begin);
    return {};
  }

 private:
  const Remote::OnLine& on_line_;
  std::string rest_;
};

}  // namespace

Error error_of(const HttpResponse& response) {
  Retry retry = response.status == 429 || response.status == 503 ? Retry::kBackoff : Retry::kNever;
  Fault fault = response.status >= 500 ? Fault::kExternal : Fault::kUser;
  Error error{fault, retry, sqlstate::kInternal, "the server answered with status " + std::to_string(response.status),
              {},    {}};
  auto inner = json_member(response.body, "error");
  if (!inner) return error;
  if (auto code = json_member(*inner, "code")) error.code = json_unquoted(*code);
  if (auto message = json_member(*inner, "message")) error.message = json_unquoted(*message);
  if (auto hint = json_member(*inner, "hint"); hint && *hint != "null") error.hint = json_unquoted(*hint);
  if (auto position = json_member(*inner, "position")) error.position = position_of(*position);
  return error;
}

Result<std::unique_ptr<Remote>> Remote::open(Env& env, const RemoteFlags& flags) {
  MR_ASSIGN(Endpoint server, parse_url(flags.url));
  std::string token;
  if (!flags.token_file.empty()) {
    MR_ASSIGN(std::string text, env.files().read_all(flags.token_file));
    token = trim(text);
  }
  return std::make_unique<Remote>(env, std::move(server), std::move(token));
}

Result<Answer> Remote::execute(std::string_view sql, const OnLine& on_line) {
  HttpRequest request{
      "POST", "/v1/sql", {{"Content-Type", "application/json"}}, "{\"sql\":" + json_string(sql) + "}", false};
  Lines lines(on_line);
  bool streamed = false;
  Status begun;
  MR_ASSIGN(HttpResponse response, client_.send(request, [&](const HttpResponse& head) -> BodyConsumer {
    streamed = on_line && head.status == 200 && head.header("content-type").find("ndjson") != std::string_view::npos;
    if (!streamed) return {};
    begun = on_line({});
    return [&lines](std::string_view bytes) { return lines.take(bytes); };
  }));
  if (response.status != 200) return error_of(response);
  MR_TRY(std::move(begun));
  if (streamed) return Answer();
  return parse_answer(response.body);
}

Result<std::string> Remote::get(const std::string& target) {
  MR_ASSIGN(HttpResponse response, client_.send({"GET", target, {}, {}, true}));
  if (response.status != 200) return error_of(response);
  return std::move(response.body);
}

}  // namespace millrace::app
