// `connector = 'file'` and WITH (load = …): records from a file of NDJSON, a JSON array, or CSV.
#pragma once

#include <memory>

#include "connectors/source.h"

namespace millrace::connectors::file {

Result<std::unique_ptr<RecordSource>> open_source(const SourceSetup& setup);

}  // namespace millrace::connectors::file
