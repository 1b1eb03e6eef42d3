// What the books have of a stream whose records retention has taken from the log.
#pragma once

#include <map>

#include "base/result.h"
#include "ledger/ledger.h"
#include "log/log.h"

namespace millrace::engine {

/// By minute: the rows that passed the hop, less those that the log still has. `ends`: by partition, up to where the
/// hop has counted.
Result<std::map<Timestamp, ledger::IdSum>> gone_rows(const ledger::Ledger& ledger, std::string_view hop,
                                                     const log::Stream& stream, const std::vector<Offset>& ends);

}  // namespace millrace::engine
