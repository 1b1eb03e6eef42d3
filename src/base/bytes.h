// Reading and writing integers in byte strings: little-endian for our own formats, big-endian for Kafka's.
//
// ByteReader never reads past its end: each read fails with kDataCorrupted instead, so a decoder of outside bytes needs
// no bounds checks of its own.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

template <typename Integer>
Integer load_little(const char* at) {
  Integer value;
  std::memcpy(&value, at, sizeof value);
  static_assert(std::endian::native == std::endian::little, "big-endian machines are not supported");
  return value;
}

template <typename Integer>
void store_little(char* at, Integer value) {
  std::memcpy(at, &value, sizeof value);
}

template <typename Integer>
constexpr Integer byte_swap(Integer value) {
  if constexpr (sizeof(Integer) == 1) return value;
  if constexpr (sizeof(Integer) == 2) return static_cast<Integer>(__builtin_bswap16(static_cast<uint16_t>(value)));
  if constexpr (sizeof(Integer) == 4) return static_cast<Integer>(__builtin_bswap32(static_cast<uint32_t>(value)));
  if constexpr (sizeof(Integer) == 8) return static_cast<Integer>(__builtin_bswap64(static_cast<uint64_t>(value)));
}

template <typename Integer>
Integer load_big(const char* at) {
  return byte_swap(load_little<Integer>(at));
}

template <typename Integer>
void store_big(char* at, Integer value) {
  store_little(at, byte_swap(value));
}

template <typename Integer>
void append_little(std::string& out, Integer value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename Integer>
void append_big(std::string& out, Integer value) {
  append_little(out, byte_swap(value));
}

/// LEB128, at most 10 bytes.
void append_varint(std::string& out, uint64_t value);
/// Zigzag LEB128, as Kafka's records use.
void append_zigzag(std::string& out, int64_t value);
/// Varint length, then the bytes.
void append_string(std::string& out, std::string_view value);

/// Walks over bytes that it does not own.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  bool done() const { return at_ == end_; }
  template <typename Integer>
  Result<Integer> little() {
    if (remaining() < sizeof(Integer)) return short_read(sizeof(Integer));
    Integer value = load_little<Integer>(at_);
    at_ += sizeof(Integer);
    return value;
  }
  template <typename Integer>
  Result<Integer> big() {
    MR_ASSIGN(Integer value, little<Integer>());
    return byte_swap(value);
  }
  Result<uint64_t> varint() {
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) return static_cast<uint64_t>(*at_++);
    return long_varint();
  }
  Result<int64_t> zigzag();
  Result<std::string_view> bytes(size_t length);
  /// What append_string wrote.
  Result<std::string_view> string();

 private:
  Result<uint64_t> long_varint();
  Error short_read(uint64_t wanted) const;

  const char* at_;
  const char* end_;
};

}  // namespace millrace
