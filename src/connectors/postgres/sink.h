// The sink of the connector `postgres`. docs/connectors.md describes it. Private to connectors/postgres/.
#pragma once

#include <memory>

#include "connectors/sink.h"

namespace millrace::connectors::postgres {

/// Connects to nothing yet. Fails with kInvalidParameter for options that no server can satisfy.
Result<std::unique_ptr<Sink>> make_sink(const SinkSetup& setup);

}  // namespace millrace::connectors::postgres
