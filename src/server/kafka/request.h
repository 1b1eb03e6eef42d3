// A request of a Kafka client on its way, and how its answer gets back.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/config.h"
#include "server/byte_budget.h"
#include "server/kafka/errors.h"
#include "server/kafka/login.h"
#include "server/kafka/wire.h"
#include "server/kafka_messages.inc"

namespace millrace::server::kafka {

class Broker;

struct Request {
  std::string bytes;  ///< all but the length
  ApiKey key{};
  int16_t version = 0;
  int32_t correlation_id = 0;
  std::string_view client_id;  ///< into bytes
  std::string_view body;       ///< into bytes
  bool flexible = false;
  bool supported = false;  ///< key and version are advertised
  Endpoint reached;        ///< the address under which the client found us
  std::string peer;
  std::shared_ptr<Login> login;  ///< null: nobody is asked who they are
  ByteBudget::Claim claim;  ///< for its bytes and those of its answer

  /// Only once the client has logged in, where that is asked.
  bool may(Right right, std::string_view topic) const { return !login || login->user()->may(right, topic); }
  bool may_see(std::string_view topic) const { return !login || login->user()->may_see(topic); }
  bool may_everything() const { return !login || login->user()->may_everything(); }
};

/// Reads the head; false: these are no bytes of a Kafka client.
bool read_head(Request& request);

/// No bytes: there is no answer. `close`: the connection ends instead.
struct Answer {
  std::optional<std::string> bytes;
  bool close = false;
  bool last = false;  ///< the connection ends when it is sent
  Duration delay{};   ///< before it is sent
};

/// Once, from any thread.
using Respond = std::function<void(Answer)>;

template <typename Body>
bool decode(const Request& request, Body& body) {
  WireReader in(request.body);
  body.read(in, request.version);
  return in.ok();
}

/// Length, head and body of an answer.
template <typename Body>
std::string encode(const Request& request, const Body& body) {
  std::string out(4, '\0');
  append_big(out, request.correlation_id);
  // The answer to ApiVersions never has tagged fields in its head: the client does not know yet what we speak.
  if (request.flexible && request.key != ApiKey::kApiVersions) out.push_back(0);
  WireWriter writer(out);
  body.write(writer, request.version);
  store_big<int32_t>(out.data(), static_cast<int32_t>(out.size() - 4));
  return out;
}

/// What a request that is being handled can do. `proceed`, which may be left out, lets the connection's next request
/// begin before this one is answered. Runs on a worker.
using Handler = void (*)(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                         const std::function<void()>& proceed);

/// Never null: what is not supported is answered so.
Handler handler_of(const Request& request);

/// For handlers that have their answer at once.
template <typename RequestBody, typename ResponseBody,
          void (*handle)(Broker&, const Request&, const RequestBody&, ResponseBody&)>
void answer_at_once(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                    const std::function<void()>&) {
  RequestBody asked;
  if (!decode(*request, asked)) return respond({std::nullopt, true});
  ResponseBody answered;
  handle(broker, *request, asked, answered);
  respond({encode(*request, answered)});
}

}  // namespace millrace::server::kafka
