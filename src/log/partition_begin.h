// The file `begin` of a partition: where retention has let it begin. Without it, a first segment that is lost would
// look like one that retention took. docs/formats/log.md.
#pragma once

#include <optional>
#include <string>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"

namespace millrace::log {

std::string begin_path(const std::string& directory);
/// Durable on return.
Status write_begin(FileSystem& files, const std::string& directory, Offset begin);
/// Nothing when there is none, or a damaged one.
Result<std::optional<Offset>> read_begin(FileSystem& files, const std::string& directory);

}  // namespace millrace::log
