#include "engine/stopped_at.h"

#include "base/text.h"
#include "engine/stream_source.h"

namespace millrace::engine {

std::string StoppedAt::place() const {
  std::string text = "view " + view + " (on_error = 'stop'), operator " + operator_text;
  if (order == 0) return text + ", a group";
  OrderParts at = order_parts(order);
  if (!stream.empty()) text += ", stream " + stream;
  return text + ", partition " + std::to_string(at.partition.value) + ", offset " + std::to_string(at.offset.value);
}

Error StoppedAt::error() const {
  return user_error(sqlstate::kUnavailable, "stopped at a row that fails: " + place() + ": " + message)
      .with_hint(
          "DROP MATERIALIZED VIEW " + view +
          "; create it anew with an expression that takes the row (try_cast, CASE), or without on_error; the row: " +
          shorten(row, 300));
}

}  // namespace millrace::engine
