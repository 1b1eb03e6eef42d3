// The manifest as JSON: one counter a line, so that two runs can be compared with diff.
#pragma once

#include <string>

#include "connectors/playback/generator.h"

namespace millrace::connectors::playback {

std::string to_json(const Manifest& manifest, const Options& options);

}  // namespace millrace::connectors::playback
