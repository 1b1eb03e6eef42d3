// Whether text is JSON, by another parser than the one under test: nlohmann's.
#pragma once

#include <nlohmann/json.hpp>

#include <string_view>

namespace millrace::formats {

enum class Verdict : uint8_t {
  kInvalid,
  kValid,
  kEither,  ///< a number beyond double, which the RFC leaves to the parser, or deeper than we go
};

/// Follows the grammar and keeps nothing.
class Grammar : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(true); }
  bool key(string_t&) override { return true; }
  bool end_object() override { return --depth_, true; }
  bool start_array(std::size_t) override { return enter(false); }
  bool end_array() override { return --depth_, true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) override {
    number_out_of_range = error.id == 406;
    return false;
  }

  bool number_out_of_range = false;
  bool is_object = false;
  size_t depth_max = 0;

 private:
  bool enter(bool object) {
    if (depth_max == 0) is_object = object;
    depth_max = std::max(depth_max, ++depth_);
    return true;
  }
  size_t depth_ = 0;
};

/// What a decoder must say of a record: it must be one JSON object.
inline Verdict verdict_on_record(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) return Verdict::kEither;  // nlohmann passes over a byte order mark
  Grammar grammar;
  bool valid = nlohmann::json::sax_parse(text.begin(), text.end(), &grammar);
  if (grammar.number_out_of_range || grammar.depth_max > 500) return Verdict::kEither;
  return valid && grammar.is_object ? Verdict::kValid : Verdict::kInvalid;
}

}  // namespace millrace::formats
