// POST /v1/savepoint?name=NAME: a copy of the data directory as of the last commit.
#include "base/text.h"
#include "server/error_answer.h"
#include "server/routes.h"

namespace millrace::server {

Response create_savepoint(Context& context, Request& request) {
  std::string_view name;
  for (const auto& [key, value] : request.query) {
    if (key != "name") {
      return error_answer(
          user_error(sqlstate::kInvalidParameter, "unknown parameter: " + shorten(key)).with_hint("there is: name"));
    }
    name = value;
  }
  auto receipt = context.node.create_savepoint(name);
  if (!receipt.ok()) return error_answer(receipt.error());
  Response response;
  response.body = "{\"path\":" + json_string(receipt->path) + ",\"commit\":" + std::to_string(receipt->epoch.value) +
                  ",\"log_bytes_linked\":" + std::to_string(receipt->bytes_linked) +
                  ",\"log_bytes_copied\":" + std::to_string(receipt->bytes_copied) + "}\n";
  return response;
}

}  // namespace millrace::server
