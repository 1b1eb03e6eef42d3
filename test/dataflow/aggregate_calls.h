// What the tests of the fast aggregates share.
#pragma once

#include "dataflow/harness.h"

namespace millrace::dataflow::testing {

using plan::AggregateKind;

inline plan::AggregateCall call(AggregateKind kind, int argument, const std::string& result, int filter = -1) {
  plan::AggregateCall made;
  made.kind = kind;
  made.argument = argument;
  made.filter = filter;
  made.result = type(result);
  return made;
}

// Columns: key VARCHAR, v BIGINT, s VARCHAR, f BOOLEAN.
inline const std::vector<std::string> kTypes{"VARCHAR", "BIGINT", "VARCHAR", "BOOLEAN"};

inline Row random_row(Random& random, size_t, uint64_t) {
  auto maybe = [&](std::string text) { return random.chance(6) ? std::string(kNull) : text; };
  return {maybe("key " + std::to_string(random.below(5))),
          maybe(std::to_string(static_cast<int64_t>(random.below(9)) - 4)),
          maybe(std::string(random.below(20), 'x') + std::to_string(random.below(5))),
          maybe(std::to_string(random.below(2)))};
}

}  // namespace millrace::dataflow::testing
