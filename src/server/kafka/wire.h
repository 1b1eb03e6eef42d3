// Reading and writing the primitive types of the Kafka protocol, in both of its encodings: `flexible` means lengths as
// varints of length + 1, and tagged fields behind every struct.
//
// A WireReader never reads past its end and allocates no more than a small multiple of what it was given: after the
// first thing that does not fit, every read gives nothing, and ok() is false. Views that it hands out point into its
// bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace millrace::server::kafka {

using Uuid = std::array<char, 16>;

/// Elements of all arrays of one request. Of hostile lengths no more is allocated than this.
inline constexpr size_t kElementsMax = 1 << 20;

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return !failed_; }
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }

  template <typename Integer>
  void integer(Integer& value) {
    if (!has(sizeof(Integer))) return;
    value = load_big<Integer>(at_);
    at_ += sizeof(Integer);
  }
  void boolean(bool& value) {
    int8_t byte = 0;
    integer(byte);
    value = byte != 0;
  }
  void uuid(Uuid& value) {
    if (!has(value.size())) return;
    std::memcpy(value.data(), at_, value.size());
    at_ += value.size();
  }
  template <typename Text>
  void text(Text& value, bool flexible) {
    take(flexible ? compact_length() : length_of<int16_t>(), value);
  }
  template <typename Text>
  void bytes(Text& value, bool flexible) {
    take(flexible ? compact_length() : length_of<int32_t>(), value);
  }
  template <typename Item, typename ReadItem>
  void array(std::vector<Item>& items, bool flexible, ReadItem&& read) {
    fill(items, flexible ? compact_length() : length_of<int32_t>(), read);
  }
  template <typename Item, typename ReadItem>
  void array(std::optional<std::vector<Item>>& items, bool flexible, ReadItem&& read) {
    int64_t count = flexible ? compact_length() : length_of<int32_t>();
    if (count < 0) return items.reset();
    fill(items.emplace(), count, read);
  }
  void tags();
  uint64_t varint();

 private:
  bool has(size_t bytes) {
    if (remaining() < bytes) fail();
    return !failed_;
  }
  void fail() {
    failed_ = true;
    at_ = end_;
  }
  template <typename Integer>
  int64_t length_of() {
    Integer length = -1;
    integer(length);
    return length;
  }
  int64_t compact_length();
  /// A null where none may be is read as empty: clients differ in this.
  template <typename Text>
  void take(int64_t length, Text& value) {
    if (length < 0) return;
    if (has(static_cast<size_t>(length))) {
      value = std::string_view(at_, static_cast<size_t>(length));
      at_ += length;
    }
  }
  template <typename Item, typename ReadItem>
  void fill(std::vector<Item>& items, int64_t count, ReadItem& read) {
    if (count <= 0) return;
    // Every element takes a byte or more.
    if (static_cast<uint64_t>(count) > remaining() || static_cast<uint64_t>(count) > elements_left_) return fail();
    elements_left_ -= static_cast<size_t>(count);
    for (int64_t i = 0; i < count && !failed_; ++i) read(items.emplace_back());
  }

  const char* at_;
  const char* end_;
  size_t elements_left_ = kElementsMax;
  bool failed_ = false;
};

/// Appends to a string.
class WireWriter {
 public:
  explicit WireWriter(std::string& out) : out_(out) {}

  template <typename Integer>
  void integer(Integer value) {
    append_big(out_, value);
  }
  void boolean(bool value) { out_.push_back(value ? 1 : 0); }
  void uuid(const Uuid& value) { out_.append(value.data(), value.size()); }
  template <typename Text>
  void text(const Text& value, bool flexible) {
    put<int16_t>(std::optional<std::string_view>(value), flexible);
  }
  template <typename Text>
  void bytes(const Text& value, bool flexible) {
    put<int32_t>(std::optional<std::string_view>(value), flexible);
  }
  template <typename Item, typename WriteItem>
  void array(const std::vector<Item>& items, bool flexible, WriteItem&& write) {
    length<int32_t>(static_cast<int64_t>(items.size()), flexible);
    for (const Item& item : items) write(item);
  }
  template <typename Item, typename WriteItem>
  void array(const std::optional<std::vector<Item>>& items, bool flexible, WriteItem&& write) {
    if (items) return array(*items, flexible, write);
    length<int32_t>(-1, flexible);
  }
  void tags() { out_.push_back(0); }

 private:
  template <typename Integer>
  void length(int64_t length, bool flexible) {
    flexible ? append_varint(out_, static_cast<uint64_t>(length + 1)) : append_big(out_, static_cast<Integer>(length));
  }
  template <typename Integer>
  void put(std::optional<std::string_view> value, bool flexible) {
    length<Integer>(value ? static_cast<int64_t>(value->size()) : -1, flexible);
    if (value) out_.append(*value);
  }

  std::string& out_;
};

}  // namespace millrace::server::kafka
