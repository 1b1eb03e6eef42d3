// Events of Nexmark as lines of JSON.
#pragma once

#include <cstdint>

#include "connectors/nexmark/generator.h"

namespace millrace::connectors::nexmark {

/// Which events there are, and how they look: all as
/// {"event_type":2,"bid":{"auction":…,"dateTime":…},"dateTime":…}, or those of one type as {"auction":…,"dateTime":…}.
enum class Form : uint8_t { kAll, kPerson, kAuction, kBid };

constexpr bool has(Form form, EventType type) {
  return form == Form::kAll || static_cast<int>(form) == static_cast<int>(type) + 1;
}

/// No line is longer, its newline included.
inline constexpr size_t kLineMax = 2048;

/// Writes the event with this id, of a type that the form has, and a newline. `out` has room for kLineMax; returns the
/// end.
char* write_event(const Generator& generator, uint64_t id, Form form, char* out);

}  // namespace millrace::connectors::nexmark
