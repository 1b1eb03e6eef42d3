// RecordSource: how bounded records come in (files). Records go into the stream's log as they are and are decoded when read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "sql/options.h"

namespace millrace::connectors {

/// Records that lie one after another in the input. The views live until the next read.
struct RecordChunk {
  std::vector<std::string_view> records;
  uint64_t first_position = 0;  ///< of the chunk's first byte in the (decompressed) input: the same at every reading
  bool end = false;             ///< there is nothing behind this chunk
  uint64_t skipped = 0;         ///< records that were left out for their length
};

class RecordSource {
 public:
  virtual ~RecordSource() = default;
  /// The next chunk, of about `bytes_wanted`. Chunk borders depend only on the input and on `bytes_wanted`, never on
  /// timing, so that a second reading after a crash gives the same chunks.
  virtual Result<RecordChunk> read(size_t bytes_wanted) = 0;
  /// Bytes of the input in all, for progress; 0 when unknown.
  virtual uint64_t total_bytes() const = 0;
};

struct SourceSetup {
  Env* env = nullptr;
  std::string path;             ///< absolute, or relative to base_directory
  std::string base_directory;
  std::string format;           ///< "json", "csv"; empty: from the file's name
  sql::Options options;
  std::vector<std::string> columns;  ///< of the stream, in order: CSV records are put into this order by the file's header
  size_t record_bytes_max = 16 << 20;
};

}  // namespace millrace::connectors
