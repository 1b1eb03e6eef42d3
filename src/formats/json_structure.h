// JsonStructure: where the tokens of JSON text begin, found by simdjson's first stage (Langdale and Lemire, "Parsing
// gigabytes of JSON per second", VLDB Journal 2019), with the CPU's widest instructions. One thread.
//
// A token begins at each of { } [ ] : , outside of strings and at each opening quote; any other run of characters is
// one token up to white space, a quote or one of those. That strings are closed, are UTF-8 and hold no control
// characters is checked; that the tokens stand in an order that makes sense is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace::formats {

class JsonStructure {
 public:
  JsonStructure();
  ~JsonStructure();

  /// Finds the tokens of `text`, whose end is outside of strings. Else false, and error() says why. Text without a
  /// token is fine. Reads nothing behind the text.
  bool find(std::string_view text);

  /// Offsets into the text, ascending, then the text's length. Until the next find.
  const uint32_t* tokens() const { return tokens_; }
  size_t size() const { return size_; }
  std::string_view error() const { return error_; }

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
  size_t capacity_ = 0;
  const uint32_t* tokens_ = nullptr;
  size_t size_ = 0;
  std::string_view error_;
};

}  // namespace millrace::formats
