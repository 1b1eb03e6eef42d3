#include "server/kafka/wire.h"

namespace millrace::server::kafka {

uint64_t WireReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    uint8_t byte = 0;
    integer(byte);
    if (failed_) return 0;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail();
  return 0;
}

int64_t WireReader::compact_length() { return static_cast<int64_t>(varint()) - 1; }

void WireReader::tags() {
  uint64_t count = varint();
  if (count > remaining()) return fail();
  for (uint64_t i = 0; i < count && !failed_; ++i) {
    varint();
    uint64_t size = varint();
    if (!has(size)) return;
    at_ += size;
  }
}

}  // namespace millrace::server::kafka
