// The bytes of an input file, decompressed on the way: gzip and zstd are known by their first bytes.
#pragma once

#include <memory>
#include <string>

#include "base/env.h"
#include "base/result.h"

namespace millrace::connectors::file {

class Input {
 public:
  virtual ~Input() = default;
  /// Appends the next bytes (about 256 KiB of the file) to `out`; false at the end. A file that breaks off in the middle of
  /// its compression is a kDataCorrupted error.
  virtual Result<bool> read(std::string& out) = 0;
  /// Of the file as it lies on disk.
  virtual uint64_t file_bytes() const = 0;
};

Result<std::unique_ptr<Input>> open_input(Env& env, const std::string& path);

}  // namespace millrace::connectors::file
