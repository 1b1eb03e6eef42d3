// The small files and headers of the log: decoders must take any bytes.
#include <cstdint>
#include <string_view>

#include "log/segment_format.h"
#include "log/stream_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace millrace;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)log::decode_segment_header(bytes);
  (void)log::decode_frame_header(bytes, 0);
  (void)log::decode_segment_index(bytes, 0);
  (void)log::parse_segment_file_name(bytes);
  Result<log::StreamDescription> stream = log::decode_stream_file(bytes);
  if (stream.ok() && log::encode_stream_file(*stream) != bytes) __builtin_trap();  // only its own output passes the CRC
  return 0;
}
