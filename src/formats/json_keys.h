// JsonKeys: which column, or field of a STRUCT, a key of a JSON object means. Private to formats/. One thread.
//
// Producers send their keys in a few fixed orders, so the key that followed the last one before is tried first: one
// comparison of bytes. Else a hash table of the keys seen so far knows it; names are compared one by one only the first
// time.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"

namespace millrace::formats {

class JsonKeys {
 public:
  static constexpr uint32_t kUnknown = UINT32_MAX;

  explicit JsonKeys(std::vector<std::string> names);

  const std::vector<std::string>& names() const { return names_; }
  /// Before the keys of an object.
  void start() { last_ = 0; }
  /// `token` is the key as it stands, quotes included. Its index among the names (exactly, else without case when only
  /// one fits) or kUnknown. False when it is not a valid JSON string.
  bool find(std::string_view token, uint32_t& index) {
    uint32_t guess = slots_[last_].next;
    if (!same_bytes(slots_[guess].token, token)) return find_slowly(token, index);
    last_ = guess;
    index = slots_[guess].index;
    return true;
  }

 private:
  /// A key seen before. Slot 0 stands for the start of the object.
  struct Slot {
    std::string token;
    uint32_t index = kUnknown;
    uint32_t next = 0;  ///< the slot that came after it the last time
  };
  struct TokenHash {
    using is_transparent = void;
    size_t operator()(std::string_view token) const { return hash_bytes(token); }
  };

  /// Keys are short: a call of memcmp costs more than it does.
  static bool same_bytes(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    if (a.size() < 4) return a == b;
    if (a.size() < 8) return same_ends<uint32_t>(a, b);
    for (size_t at = 0; at + 8 < a.size(); at += 8) {
      if (word_at<uint64_t>(a.data() + at) != word_at<uint64_t>(b.data() + at)) return false;
    }
    return word_at<uint64_t>(a.data() + a.size() - 8) == word_at<uint64_t>(b.data() + b.size() - 8);
  }
  template <typename Word>
  static Word word_at(const char* bytes) {
    Word word;
    std::memcpy(&word, bytes, sizeof word);
    return word;
  }
  template <typename Word>
  static bool same_ends(std::string_view a, std::string_view b) {
    size_t last = a.size() - sizeof(Word);
    return word_at<Word>(a.data()) == word_at<Word>(b.data()) &&
           word_at<Word>(a.data() + last) == word_at<Word>(b.data() + last);
  }

  bool find_slowly(std::string_view token, uint32_t& index);
  uint32_t index_of(std::string_view name) const;

  std::vector<std::string> names_;
  std::vector<Slot> slots_;
  std::unordered_map<std::string, uint32_t, TokenHash, std::equal_to<>> slot_of_;
  uint32_t last_ = 0;
};

}  // namespace millrace::formats
