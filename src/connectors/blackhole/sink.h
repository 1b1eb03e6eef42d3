// `connector = 'blackhole'`: a destination that takes everything and keeps nothing, for measuring what stands before
// it. It remembers its position only as long as the node runs: a start delivers what is in the changelog again.
#pragma once

#include <memory>

#include "base/result.h"
#include "connectors/sink.h"
#include "sql/options.h"

namespace millrace::connectors::blackhole {

sql::OptionGroup option_group();

Result<std::unique_ptr<Sink>> make_sink(const SinkSetup& setup);

}  // namespace millrace::connectors::blackhole
