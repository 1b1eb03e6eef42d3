#include "base/bytes.h"

namespace millrace {

void append_varint(std::string& out, uint64_t value) {
  char buffer[10];
  size_t length = 0;
  while (value >= 0x80) {
    buffer[length++] = static_cast<char>(static_cast<uint8_t>(value) | 0x80);
    value >>= 7;
  }
  buffer[length++] = static_cast<char>(value);
  out.append(buffer, length);
}

void append_zigzag(std::string& out, int64_t value) {
  append_varint(out, (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}

void append_string(std::string& out, std::string_view value) {
  append_varint(out, value.size());
  out.append(value);
}

Result<uint64_t> ByteReader::long_varint() {
  uint64_t value = 0;
  for (uint32_t shift = 0; shift < 70; shift += 7) {
    if (at_ == end_) return short_read(1);
    const auto byte = static_cast<uint8_t>(*at_++);
    if (shift == 63 && byte > 1) break;
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return external_error(sqlstate::kDataCorrupted, "a variable-length integer is longer than 64 bits");
}

Result<int64_t> ByteReader::zigzag() {
  MR_ASSIGN(const uint64_t raw, varint());
  return static_cast<int64_t>((raw >> 1) ^ (~(raw & 1) + 1));
}

Result<std::string_view> ByteReader::bytes(size_t length) {
  if (remaining() < length) return short_read(length);
  std::string_view found(at_, length);
  at_ += length;
  return found;
}

Result<std::string_view> ByteReader::string() {
  MR_ASSIGN(const uint64_t length, varint());
  if (remaining() < length) return short_read(length);
  return bytes(static_cast<size_t>(length));
}

Error ByteReader::short_read(uint64_t wanted) const {
  return external_error(sqlstate::kDataCorrupted, "the data ends too early: " + std::to_string(wanted) +
                                                      " bytes expected, " + std::to_string(remaining()) + " left");
}

}  // namespace millrace
