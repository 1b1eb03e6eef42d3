// SaslHandshake and SaslAuthenticate.
#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

void sasl_handshake(Broker&, const Request& request, const SaslHandshakeRequest& asked,
                    SaslHandshakeResponse& answer) {
  if (!request.login) {
    answer.error_code = number(Code::kIllegalSaslState);  // nobody is asked who they are
    return;
  }
  answer.mechanisms = request.login->mechanisms();
  answer.error_code = number(request.login->choose(asked.mechanism));
}

/// A login that failed is answered late, so that guessing is slow, and ends the connection.
void sasl_authenticate(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                       const std::function<void()>&) {
  SaslAuthenticateRequest asked;
  if (!decode(*request, asked)) return respond({std::nullopt, true});
  SaslAuthenticateResponse answer;
  const Login::Step step =
      request->login ? request->login->take(asked.auth_bytes, broker.env().clock().monotonic())
                     : Login::Step{Code::kIllegalSaslState, "clients are not asked who they are here", {}};
  answer.error_code = number(step.code);
  if (!step.message.empty()) answer.error_message = step.message;
  answer.auth_bytes = step.bytes;
  Answer told{encode(*request, answer)};
  if (step.code != Code::kNone) {
    broker.failed_logins.add(1);
    told.delay = broker.options().failed_login_delay;
    told.last = true;
  }
  respond(std::move(told));
}

}  // namespace millrace::server::kafka
