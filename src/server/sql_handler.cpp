// POST /v1/sql: {"sql": "…"} → {"columns","types","rows","message"} of the last statement; SUBSCRIBE and EMIT CHANGES
// stream their changes, one JSON object a line.
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "formats/encoder.h"
#include "server/error_answer.h"
#include "server/routes.h"

namespace millrace::server {
namespace {

constexpr Duration kStreamTurn = Duration::from_millis(500);  // how long a stopping server may go unseen

Result<std::string> read_sql(const Request& request) {
  auto json = nlohmann::json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) {
    return user_error(sqlstate::kInvalidText, "the body is not a JSON object")
        .with_hint("send {\"sql\": \"SELECT …\"}");
  }
  std::string sql;
  bool found = false;
  for (auto& [name, value] : json.items()) {
    if (name != "sql" || !value.is_string()) {
      return user_error(sqlstate::kInvalidParameter, "the body may only hold the text \"sql\", not: " + shorten(name));
    }
    sql = value.get<std::string>();
    found = true;
  }
  if (!found)
    return user_error(sqlstate::kInvalidParameter, "the body has no \"sql\"").with_hint("send {\"sql\": \"SELECT …\"}");
  return sql;
}

std::string result_json(const engine::StatementResult& result) {
  std::string out = "{\"columns\":[";
  for (size_t i = 0; i < result.schema.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, result.schema[i].name);
  }
  out += "],\"types\":[";
  for (size_t i = 0; i < result.schema.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, result.schema[i].type.name());
  }
  out += "],\"rows\":[";
  bool first = true;
  for (const batch::Batch& batch : result.batches) formats::encode_json_rows(result.schema, batch, first, out);
  out += ']';
  if (!result.message.empty()) {
    out += ",\"message\":";
    append_json_string(out, result.message);
  }
  out += "}\n";
  return out;
}

/// One of the places for subscriptions, given back when it goes.
class Place {
 public:
  explicit Place(Context& context)
      : context_(context), taken_(context.subscriptions.fetch_add(1) < context.options.subscriptions_max) {}
  ~Place() { context_.subscriptions.fetch_sub(1); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  bool taken() const { return taken_; }

 private:
  Context& context_;
  const bool taken_;
};

/// Changes as NDJSON; an empty line when there were none for a while, so that both sides see that the other is there.
class ChangeStream : public BodyStream {
 public:
  ChangeStream(Context& context, std::unique_ptr<Place> place, std::unique_ptr<engine::Subscription> subscription)
      : context_(context),
        place_(std::move(place)),
        subscription_(std::move(subscription)),
        last_(context.env.clock().monotonic()) {}

  std::optional<std::string> next() override {
    if (ended_) return std::nullopt;
    while (!context_.stopping) {
      auto changes = subscription_->next(std::min(kStreamTurn, context_.options.heartbeat_interval));
      if (!changes.ok()) {
        ended_ = true;
        return error_json(changes.error());
      }
      Duration now = context_.env.clock().monotonic();
      std::string lines;
      formats::encode_ndjson(subscription_->schema(), *changes, lines);
      if (lines.empty() && now.micros - last_.micros >= context_.options.heartbeat_interval.micros) lines = "\n";
      if (lines.empty()) continue;
      last_ = now;
      return lines;
    }
    ended_ = true;
    return error_json(external_error(sqlstate::kCancelled, "the node stops", Retry::kBackoff));
  }

 private:
  Context& context_;
  std::unique_ptr<Place> place_;
  std::unique_ptr<engine::Subscription> subscription_;
  Duration last_;  // when something was sent
  bool ended_ = false;
};

Response subscribe(Context& context, const engine::SubscriptionRequest& request, std::string_view sql) {
  auto place = std::make_unique<Place>(context);
  if (!place->taken()) return busy_answer("all subscriptions are taken");
  auto subscription = context.node.subscribe(request);
  if (!subscription.ok()) return error_answer(subscription.error(), sql);
  Response response;
  response.content_type = "application/x-ndjson";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = std::make_unique<ChangeStream>(context, std::move(place), std::move(subscription).value());
  return response;
}

}  // namespace

Response run_sql(Context& context, Request& request) {
  std::string type = media_type(request.content_type);
  if (!type.empty() && type != "application/json") {
    Error error = user_error(sqlstate::kNotSupported, "Content-Type is not application/json: " + shorten(type));
    return error_answer(415, std::move(error).with_hint("curl needs: -H 'Content-Type: application/json'"));
  }
  if (!request.content_encoding.empty() && !iequals(request.content_encoding, "identity")) {
    return error_answer(415, user_error(sqlstate::kNotSupported, "SQL is taken without a Content-Encoding"));
  }
  auto sql = read_sql(request);
  if (!sql.ok()) return error_answer(sql.error());
  auto target = context.node.subscription_target(*sql);
  if (!target.ok()) return error_answer(target.error(), *sql);
  if (target->has_value()) return subscribe(context, **target, *sql);

  auto result = context.node.execute(*sql, request.cancel.get());
  if (!result.ok()) {
    bool too_many_rows = result.error().code == sqlstate::kTooLarge;  // of the answer; 413 would blame the request
    return error_answer(too_many_rows ? 400 : status_of(result.error()), result.error(), *sql);
  }
  Response response;
  response.body = result_json(*result);
  return response;
}

}  // namespace millrace::server
