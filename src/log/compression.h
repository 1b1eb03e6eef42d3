// Packing the records of a batch. Unpacking is Decompressor's, in record_batch.h.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "log/record_batch.h"

namespace millrace::log {

/// Appends the packed bytes to `out`. lz4: frame format, independent 64 KiB blocks, as Kafka's clients write it. Packs
/// with lz4 and zstd only.
Status append_packed(Compression compression, std::string_view bytes, std::string& out);

}  // namespace millrace::log
