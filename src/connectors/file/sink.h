// `connector = 'file'` as a sink: Parquet, NDJSON or CSV. Nothing half-written is ever visible: a file is written under
// a hidden temporary name, synced, and renamed.
//
// snapshot: one file, `path` itself when it ends in the format's ending, else `path/<view>.<ending>`; replaced whole.
// The epoch is kept in memory only, so that each start replaces the file once: with equal rows, or with those of
// another data directory. append, changes: `path/<view>-<first offset>-<last offset>.<ending>`, offsets of the view's
// changelog with 20 digits. The names are the position: open() takes the highest last offset, so what was renamed
// before a crash is not written again. upsert: refused.
#pragma once

#include <memory>

#include "connectors/sink.h"

namespace millrace::connectors::file {

Result<std::unique_ptr<Sink>> make_sink(const SinkSetup& setup);

}  // namespace millrace::connectors::file
