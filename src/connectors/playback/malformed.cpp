#include "connectors/playback/malformed.h"

#include <array>
#include <cstdio>

#include "base/result.h"

namespace millrace::connectors::playback {
namespace {

using namespace std::string_view_literals;

/// How a kind is made from a whole event.
enum class Edit : uint8_t {
  kReplace,    ///< `find` becomes `text`
  kCutBefore,  ///< the line ends where `find` begins
  kCutAfter,   ///< the line ends where `find` ends
  kBefore,     ///< `text` goes before the line
  kAfter,      ///< `text` goes behind the line
  kWhole,      ///< the line is `text`
};

struct Kind {
  std::string_view name;
  Edit edit;
  std::string_view find;
  std::string_view text;
};

constexpr Kind kKinds[] = {
    // Cut off.
    {"only an opening brace", Edit::kWhole, "", "{"},
    {"cut before a key", Edit::kCutBefore, "\"seq\"", ""},
    {"cut inside a key", Edit::kCutAfter, "\"sess", ""},
    {"cut behind a key", Edit::kCutAfter, "\"seq\"", ""},
    {"cut behind a colon", Edit::kCutAfter, "\"seq\":", ""},
    {"cut inside a text", Edit::kCutAfter, "\"play", ""},
    {"cut inside a number", Edit::kCutAfter, "\"session_epoch_ms\":17", ""},
    {"cut before the closing brace", Edit::kCutBefore, "}", ""},
    {"its first half lost", Edit::kReplace, "{\"event_id\":\"", ""},
    // Braces, commas and colons.
    {"no opening brace", Edit::kReplace, "{", ""},
    {"two opening braces", Edit::kBefore, "", "{"},
    {"two closing braces", Edit::kAfter, "", "}"},
    {"a bracket for the closing brace", Edit::kReplace, "}", "]"},
    {"two objects on one line", Edit::kAfter, "", "{\"seq\":1}"},
    {"two objects with a comma", Edit::kAfter, "", ",{\"seq\":1}"},
    {"a trailing comma", Edit::kReplace, "}", ",}"},
    {"a leading comma", Edit::kReplace, "{", "{,"},
    {"two commas", Edit::kReplace, ",\"seq\"", ",,\"seq\""},
    {"no comma", Edit::kReplace, ",\"seq\"", " \"seq\""},
    {"no colon", Edit::kReplace, "\"seq\":", "\"seq\" "},
    {"two colons", Edit::kReplace, "\"seq\":", "\"seq\"::"},
    {"an equals sign", Edit::kReplace, "\"seq\":", "\"seq\"="},
    {"semicolons", Edit::kReplace, ",\"seq\"", ";\"seq\""},
    {"a value without a key", Edit::kReplace, "\"seq\":0", "0"},
    {"a key without a value", Edit::kReplace, "\"seq\":0", "\"seq\":"},
    // Keys and texts.
    {"a key without quotes", Edit::kReplace, "\"seq\"", "seq"},
    {"a key in single quotes", Edit::kReplace, "\"seq\"", "'seq'"},
    {"a number as key", Edit::kReplace, "\"seq\"", "5"},
    {"a text without quotes", Edit::kReplace, "\"playing\"", "playing"},
    {"a text in single quotes", Edit::kReplace, "\"playing\"", "'playing'"},
    {"a text in typographic quotes", Edit::kReplace, "\"playing\"", "\xE2\x80\x9Cplaying\xE2\x80\x9D"},
    {"a text without its end", Edit::kReplace, "playing\"", "playing"},
    {"a quote inside a text", Edit::kReplace, "playing", "play\"ing"},
    {"a tab inside a text", Edit::kReplace, "playing", "play\ting"},
    {"a zero byte inside a text", Edit::kReplace, "playing", "play\0ing"sv},
    {"an unknown escape", Edit::kReplace, "playing", "play\\qing"},
    {"a hexadecimal escape", Edit::kReplace, "playing", "\\x70laying"},
    {"a short \\u escape", Edit::kReplace, "playing", "playing\\u12"},
    // Bytes that are no UTF-8.
    {"Latin-1", Edit::kReplace, "playing",
     "lecture arr\xEAt\xE9"
     "e"},
    {"a lone continuation byte", Edit::kReplace, "playing", "play\x80ing"},
    {"an overlong form", Edit::kReplace, "playing", "play\xC0\xAFing"},
    {"a surrogate in UTF-8", Edit::kReplace, "playing", "play\xED\xA0\x80ing"},
    {"a code point too high", Edit::kReplace, "playing", "play\xF5\x80\x80\x80ing"},
    {"a character cut off", Edit::kReplace, "playing", "play\xE2\x82"},
    {"the byte FF", Edit::kReplace, "playing", "\xFFplaying"},
    // Numbers and words.
    {"NaN", Edit::kReplace, "\"seq\":0", "\"seq\":NaN"},
    {"Infinity", Edit::kReplace, "\"seq\":0", "\"seq\":-Infinity"},
    {"a hexadecimal number", Edit::kReplace, "\"seq\":0", "\"seq\":0x1F"},
    {"a leading zero", Edit::kReplace, "\"seq\":0", "\"seq\":007"},
    {"a plus sign", Edit::kReplace, "\"seq\":0", "\"seq\":+1"},
    {"two minus signs", Edit::kReplace, "\"seq\":0", "\"seq\":--1"},
    {"nothing before the point", Edit::kReplace, "\"seq\":0", "\"seq\":.5"},
    {"nothing behind the point", Edit::kReplace, "\"seq\":0", "\"seq\":1."},
    {"an exponent without digits", Edit::kReplace, "\"seq\":0", "\"seq\":1e"},
    {"digits in groups", Edit::kReplace, "\"seq\":0", "\"seq\":1_000"},
    {"a Python word", Edit::kReplace, "\"seq\":0", "\"seq\":None"},
    {"a JavaScript word", Edit::kReplace, "\"seq\":0", "\"seq\":undefined"},
    {"a word cut off", Edit::kReplace, "\"seq\":0", "\"seq\":nul"},
    // Comments and noise around an event.
    {"a block comment", Edit::kAfter, "", " /* retry */"},
    {"a line comment", Edit::kAfter, "", " // retry"},
    {"a word behind the end", Edit::kAfter, "", " OK"},
    {"a log prefix", Edit::kBefore, "", "2025-03-01T12:00:00Z INFO player: "},
    // No JSON at all, or no object.
    {"a proxy's error page", Edit::kWhole, "", "<html><body>502 Bad Gateway</body></html>"},
    {"a CSV line", Edit::kWhole, "", "m000000001,heartbeat,playing,0,1740000000000"},
    {"a query string", Edit::kWhole, "", "session_id=m000000001&seq=0&state=playing"},
    {"a bare word", Edit::kWhole, "", "heartbeat"},
    {"null", Edit::kWhole, "", "null"},
    {"a number", Edit::kWhole, "", "1740000000000"},
    {"a text", Edit::kWhole, "", "\"heartbeat\""},
    // JSON objects with the wrong type where a number belongs.
    {"seq in words", Edit::kReplace, "\"seq\":0", "\"seq\":\"zero\""},
    {"seq as an object", Edit::kReplace, "\"seq\":0", "\"seq\":{\"value\":0}"},
    {"seq as an array", Edit::kReplace, "\"seq\":0", "\"seq\":[0]"},
    {"the time as a date", Edit::kReplace, "\"session_epoch_ms\":1740000000000",
     "\"session_epoch_ms\":\"2025-02-19T21:20:00Z\""},
    {"a number beyond 64 bits", Edit::kReplace, "\"session_epoch_ms\":1740000000000",
     "\"session_epoch_ms\":99999999999999999999"},
    {"mono_ms in words", Edit::kReplace, "\"mono_ms\":60000", "\"mono_ms\":\"a minute\""},
};

/// A whole and valid event of no session; only its number changes.
std::string valid_line(uint64_t number) {
  char line[600];
  const int length = std::snprintf(
      line, sizeof line,
      "{\"event_id\":\"m%09llu-0000\",\"type\":\"heartbeat\",\"state\":\"playing\",\"session_id\":\"m%09llu\",\"seq\":"
      "0,"
      "\"account_id\":\"a000001\",\"profile_id\":\"p000003\",\"title_id\":\"t000001\",\"video_id\":\"t000001-e01\","
      "\"play_kind\":\"main\",\"device\":\"tv\",\"country\":\"US\",\"session_epoch_ms\":1740000000000,\"mono_ms\":"
      "60000,"
      "\"client_ts\":1740000060000,\"position_ms\":60000,\"played_ms\":60000,\"server_ts\":1740000061000}",
      static_cast<unsigned long long>(number), static_cast<unsigned long long>(number));
  return std::string(line, static_cast<size_t>(length));
}

}  // namespace

size_t malformed_kinds() { return std::size(kKinds); }

std::string_view malformed_name(size_t kind) { return kKinds[kind % std::size(kKinds)].name; }

std::string malformed_line(size_t kind, uint64_t number) {
  const Kind& edit = kKinds[kind % std::size(kKinds)];
  std::string line = valid_line(number);
  const size_t place = line.find(edit.find);
  MR_CHECK(place != std::string::npos, "a malformed kind finds its place");
  switch (edit.edit) {
    case Edit::kReplace: return line.replace(place, edit.find.size(), edit.text);
    case Edit::kCutBefore: return line.substr(0, place);
    case Edit::kCutAfter: return line.substr(0, place + edit.find.size());
    case Edit::kBefore: return std::string(edit.text) + line;
    case Edit::kAfter: return line + std::string(edit.text);
    case Edit::kWhole: return std::string(edit.text);
  }
  return line;
}

}  // namespace millrace::connectors::playback
