// RecordSource: how bounded records come in (files). Records go into the stream's log as they are and are decoded when
// read.
#pragma once

#include <cstdint>
#include <map>
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
  std::vector<std::string_view> records;  ///< of one that is too long its beginning
  uint64_t first_position = 0;  ///< of the chunk's first byte in the (decompressed) input: the same at every reading
  bool end = false;             ///< there is nothing behind this chunk
  /// Those of `records` that are longer than record_bytes_max, by index, with the reason: how long, in which file,
  /// where.
  std::map<size_t, std::string> too_long;
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
  std::string path;  ///< absolute, or relative to base_directory
  std::string base_directory;
  std::string format;  ///< "json", "csv", "raw"; empty: from the file's name
  sql::Options options;
  /// Of the stream, in order. The records of a CSV file with a header come in this order; empty: in the file's.
  std::vector<std::string> columns = {};
  uint64_t record_bytes_max = 16ULL << 20;
};

}  // namespace millrace::connectors
