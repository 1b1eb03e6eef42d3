// `format = 'nexmark'`: a record names an event of the generator, and its row is made from that when it is read. So a
// log of small records stands for a stream of large events, and reading one costs no parsing.
//
//   u64 id · u64 seed · u64 rate · i64 base time in microseconds, little-endian: 32 bytes
#pragma once

#include <memory>
#include <string>

#include "connectors/nexmark/generator.h"
#include "formats/decoder.h"

namespace millrace::connectors::nexmark {

inline constexpr size_t kRecordBytes = 32;

/// Appends the record of an event.
void append_record(const Options& options, uint64_t id, std::string& out);

/// The schema's columns are those of the events, or fewer (rows.h).
Result<std::unique_ptr<formats::Decoder>> make_decoder(const batch::Schema& schema);

}  // namespace millrace::connectors::nexmark
