// `connector = 'file'` as a sink: Parquet, NDJSON or CSV. Nothing half-written is ever visible: a file is written under a
// temporary name, synced, and renamed.
//
// snapshot: one file, `path` itself when it ends in the format's extension, else `path/<view>.<ext>`; replaced whole.
// append, changes: `path/<view>-<first offset>-<last offset>.<ext>`, offsets of the view's changelog with 20 digits. The names
// are the position: open() takes the highest last offset, so a commit that was renamed before a crash is not written again.
#pragma once

#include <memory>

#include "connectors/sink.h"

namespace millrace::connectors::file {

Result<std::unique_ptr<Sink>> make_sink(const SinkSetup& setup);

}  // namespace millrace::connectors::file
