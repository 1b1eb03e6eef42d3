// A file of records: one JSON object a line, a JSON array, CSV, or raw lines; packed with gzip or zstd, which its first
// bytes tell. Read in blocks, never held as a whole.
#pragma once

#include <memory>

#include "base/result.h"
#include "connectors/source.h"

namespace millrace::connectors::file {

/// Fails with kUndefinedFile when there is no such file, and names the path in every error. A CSV file's header is read
/// here.
Result<std::unique_ptr<RecordSource>> open_source(const SourceSetup& setup);

}  // namespace millrace::connectors::file
