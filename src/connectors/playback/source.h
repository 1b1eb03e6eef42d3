// `connector = 'playback'`: a stream that is filled by the generator instead of by a file.
//
//   CREATE STREAM playback (…) WITH (connector = 'playback', format = 'json', path = 'titles.csv', unit_ms = 200000,
//   seed = 1)
#pragma once

#include <memory>

#include "base/result.h"
#include "connectors/source.h"
#include "sql/options.h"

namespace millrace::connectors::playback {

/// What the connector adds to CREATE STREAM: path (of the titles), seed, unit_ms, window_start_ms, window_end_ms,
/// faults.
sql::OptionGroup option_group();

/// A bounded source of the events' lines in the order of server_ts. Equal options give equal chunks.
Result<std::unique_ptr<RecordSource>> open_source(const SourceSetup& setup);

}  // namespace millrace::connectors::playback
