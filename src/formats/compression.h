// Packed bytes as a stream: what a file holds, unpacked block by block, and the way back. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::formats {

enum class Packing : uint8_t { kNone, kGzip, kZstd };

/// How many first bytes packing_of wants to see.
inline constexpr size_t kMagicBytes = 4;
/// By the first bytes, whatever the file's name says.
Packing packing_of(std::string_view first_bytes);
/// What a file's name gets at its end: "", ".gz", ".zst".
std::string_view packing_suffix(Packing packing);

/// Fills up to `length` bytes and returns how many there were; 0 is the end.
using ByteInput = std::function<Result<size_t>(char* buffer, size_t length)>;

class Unpacker {
 public:
  virtual ~Unpacker() = default;
  /// As ByteInput. Several gzip members or zstd frames in a row are one input. Fails with kDataCorrupted when the input
  /// is damaged or cut off.
  virtual Result<size_t> read(char* buffer, size_t length) = 0;
};
std::unique_ptr<Unpacker> make_unpacker(Packing packing, ByteInput input);

class Packer {
 public:
  virtual ~Packer() = default;
  /// Appends what is ready to `out`; some may stay inside until finish.
  virtual Status pack(std::string_view bytes, std::string& out) = 0;
  /// Ends the member or frame. The packer is used up.
  virtual Status finish(std::string& out) = 0;
};
/// Equal bytes give equal packed bytes, however they were cut.
std::unique_ptr<Packer> make_packer(Packing packing);

}  // namespace millrace::formats
