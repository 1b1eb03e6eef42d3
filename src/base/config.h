// Configuration values: the typed forms of text that came from a command line, a WITH list or the environment.
//
// Each parser takes the name of the setting, so that its error can say which setting, what it was given, and what it
// takes.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// A place on the network. `host` has no brackets around an IPv6 address.
struct Endpoint {
  std::string host;
  uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
  /// "127.0.0.1:8780", "[::1]:8780".
  std::string text() const;
  /// True for 127.0.0.0/8, ::1 and localhost.
  bool is_loopback() const;
};

/// A count of bytes: "4096", "64MB" (10^6), "16 MiB" (2^20), "1.5GiB"; units B, k/K, M, G, T with B or iB, any case.
Result<uint64_t> parse_size(std::string_view setting, std::string_view value);
/// A length of time, not negative: "7 days", "1 s", "30 SECOND", "500ms", "1.5 h", "1 h 30 min"; units us, ms, s, min,
/// h, d, w and their English names; a bare number is refused, except 0.
Result<Duration> parse_duration(std::string_view setting, std::string_view value);
/// true, false, on, off, yes, no, 1, 0; any case.
Result<bool> parse_bool(std::string_view setting, std::string_view value);
/// A decimal integer within [low, high].
Result<int64_t> parse_integer(std::string_view setting, std::string_view value, int64_t low, int64_t high);
/// A finite number.
Result<double> parse_number(std::string_view setting, std::string_view value);
/// "host:port", "[v6]:port", ":port" (every address) or "port" (loopback).
Result<Endpoint> parse_endpoint(std::string_view setting, std::string_view value);
/// One of the words, any case; returns it as it stands in `accepted`.
Result<std::string_view> parse_choice(std::string_view setting, std::string_view value,
                                      std::initializer_list<std::string_view> accepted);

}  // namespace millrace
