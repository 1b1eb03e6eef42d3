// The list of connectors. Outsiders include this file, sink.h and source.h, never a connector's own folder.
//
// Adding a connector: a folder, and one line in connector.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "connectors/sink.h"
#include "connectors/source.h"
#include "formats/decoder.h"
#include "sql/options.h"

namespace millrace::connectors {

/// Makes the options of all connectors and formats known to CREATE statements.
void register_options(sql::OptionRegistry& registry);

/// Opens a file of records for a stream or table: NDJSON, a JSON array, CSV; gzip and zstd by their first bytes.
Result<std::unique_ptr<RecordSource>> open_source(std::string_view connector, const SourceSetup& setup);

/// How the records of a stream or table are encoded: its option `format`, else what the name of its file tells, else
/// json.
std::string record_format(const sql::Options& options);

/// formats::make_decoder, and the formats of connectors: "nexmark".
Result<std::unique_ptr<formats::Decoder>> make_decoder(std::string_view format, const batch::Schema& schema,
                                                       const formats::DecoderOptions& options);

Result<std::unique_ptr<Sink>> make_sink(std::string_view connector, const SinkSetup& setup);

}  // namespace millrace::connectors
