// Who may ask: the bearer token, users and their passwords, and which web pages' requests a node believes.
#pragma once

#include <optional>
#include <string_view>

#include "server/http_server.h"
#include "server/message.h"
#include "server/routes.h"

namespace millrace::server {

/// SHA-256 of the token.
TokenHash hash_token(std::string_view token);

/// The answer that refuses the request: 401 from somebody whom we do not know, 403 for what a user may not do, and for
/// a request that a foreign web page makes a browser send. Nothing when the request may pass. Who has the bearer token
/// may do everything. `now` is monotonic.
///
/// A browser names the page behind a request in Origin; it must be ours. And a page whose host name was pointed at this
/// machine (DNS rebinding) gives itself away in Host, which matters where no token is asked for: on loopback.
std::optional<Response> refuse_access(const HttpOptions& options, const Request& request, Access access, Duration now);

}  // namespace millrace::server
