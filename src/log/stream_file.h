// The text file that says what a stream is. docs/formats/log.md, "The stream file".
#pragma once

#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "log/partition.h"

namespace millrace::log {

struct StreamDescription {
  StreamId id;
  std::string name;
  StreamOptions options;
};

std::string encode_stream_file(const StreamDescription& stream);
/// kDataCorrupted when it is damaged, kNotSupported when it is of another version.
Result<StreamDescription> decode_stream_file(std::string_view text);

}  // namespace millrace::log
