// Lines that are no event: what broken clients, proxies and half-written files send. All of them are our own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::connectors::playback {

size_t malformed_kinds();
/// What is wrong with lines of this kind.
std::string_view malformed_name(size_t kind);

/// The line (its newline excluded) of this kind; `number` makes it unlike the others of its kind. It holds no newline,
/// is not empty, does not begin with '[' (a request body that does is an array), and by RFC 8259 or by the type of a
/// field it is no playback event: either no JSON text, or one that is no object, or text or an object where a number
/// belongs.
std::string malformed_line(size_t kind, uint64_t number);

}  // namespace millrace::connectors::playback
