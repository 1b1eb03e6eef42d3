// A producer's account with the ledger: the headers of POST /v1/streams/{stream}, and POST /v1/ledger/{stream}.
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "server/error_answer.h"
#include "server/routes.h"

namespace millrace::server {
namespace {

constexpr size_t kProducerBytesMax = 64;

Status check_producer(std::string_view name) {
  auto fits = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-'; };
  if (!name.empty() && name.size() <= kProducerBytesMax && std::all_of(name.begin(), name.end(), fits)) return {};
  return user_error(sqlstate::kInvalidParameter,
                    "a producer's name is 1 to 64 letters, digits, dots, _ and -, not: " + shorten(name));
}

Result<uint64_t> parse_number(std::string_view what, std::string_view text, int base) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size()) return value;
  return user_error(sqlstate::kInvalidParameter, std::string(what) + " is not a number below 2^64: " + shorten(text))
      .with_hint(base == 16 ? "a fingerprint is up to 16 hexadecimal digits" : "");
}

Result<ledger::IdSum> parse_sum(std::string_view count, std::string_view fingerprint) {
  ledger::IdSum sum;
  MR_ASSIGN(sum.count, parse_number("the count", count, 10));
  MR_ASSIGN(sum.fingerprint, parse_number("the fingerprint", fingerprint, 16));
  return sum;
}

struct Declaration {
  std::string producer;
  Timestamp minute;
  ledger::IdSum sent;
};

Result<Declaration> read_declaration(const Request& request) {
  auto json = nlohmann::json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  auto text = [&](const char* name) { return json.contains(name) && json[name].is_string(); };
  bool whole = json.is_object() && json.size() == 4 && text("producer") && text("minute") && text("fingerprint") &&
               json.contains("count") && json["count"].is_number_unsigned();
  if (!whole) {
    return user_error(sqlstate::kInvalidParameter, "the body is not an account of a producer")
        .with_hint(
            R"(send {"producer":"web-1","minute":"2026-01-31T12:34:00Z","count":100,"fingerprint":"0123456789abcdef"})");
  }
  Declaration declaration;
  declaration.producer = json["producer"].get<std::string>();
  MR_TRY(check_producer(declaration.producer));
  MR_ASSIGN(declaration.minute, parse_iso8601(json["minute"].get<std::string>()));
  declaration.sent.count = json["count"].get<uint64_t>();
  MR_ASSIGN(declaration.sent.fingerprint, parse_number("the fingerprint", json["fingerprint"].get<std::string>(), 16));
  return declaration;
}

Status declare(Context& context, const Request& request) {
  MR_ASSIGN(Declaration declaration, read_declaration(request));
  return context.node.declare(request.parameter, declaration.producer, declaration.minute, declaration.sent);
}

}  // namespace

Status read_account(const Request& request, engine::AppendRequest& options) {
  const AccountHeaders& headers = request.account;
  bool declares = !headers.count.empty() || !headers.fingerprint.empty();
  if (headers.producer.empty() && headers.minute.empty() && !declares) return {};
  if (headers.producer.empty()) {
    return user_error(sqlstate::kInvalidParameter, "an account without a producer")
        .with_hint("send the header Millrace-Producer: NAME");
  }
  engine::ProducerAccount account;
  MR_TRY(check_producer(headers.producer));
  account.producer = headers.producer;
  if (!headers.minute.empty()) {
    MR_ASSIGN(account.minute, parse_iso8601(headers.minute));
  }
  if (declares) {
    MR_ASSIGN(account.sent, parse_sum(headers.count, headers.fingerprint));
  }
  options.account = std::move(account);
  return {};
}

Response declare_sent(Context& context, Request& request) {
  Status status = declare(context, request);
  if (!status.ok()) return error_answer(status.error());
  Response response;
  response.body = "{\"declared\":true}\n";
  return response;
}

}  // namespace millrace::server
