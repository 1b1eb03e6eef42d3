// Errors as HTTP answers: the status (docs/http.md has the table) and {"error":{"code","message","position","hint"}}.
#pragma once

#include <string_view>

#include "base/result.h"
#include "server/message.h"

namespace millrace::server {

unsigned status_of(const Error& error);

/// {"error":{…}} with a line end. `text` is the SQL that a position points into: it adds line and column.
std::string error_json(const Error& error, std::string_view text = {});

/// With Retry-After where trying again can help.
Response error_answer(unsigned status, const Error& error, std::string_view text = {});
inline Response error_answer(const Error& error, std::string_view text = {}) {
  return error_answer(status_of(error), error, text);
}

/// 503, nothing was stored.
Response busy_answer(std::string_view what);

}  // namespace millrace::server
