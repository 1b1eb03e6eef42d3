// POST /v1/dead/{sink}: the dead letters of a sink go to its destination again.
#include "base/text.h"
#include "server/error_answer.h"
#include "server/routes.h"

namespace millrace::server {

Response replay_dead(Context& context, Request& request) {
  auto receipt = context.node.replay_dead(request.parameter);
  if (!receipt.ok()) return error_answer(receipt.error());
  Response response;
  response.body = "{\"sink\":" + json_string(request.parameter) + ",\"sent\":" + std::to_string(receipt->sent) +
                  ",\"refused\":" + std::to_string(receipt->refused) +
                  ",\"superseded\":" + std::to_string(receipt->superseded) + "}\n";
  return response;
}

}  // namespace millrace::server
