// Operations that every FileSystem composes from its own smaller ones, so that the real and the simulated one take the
// same steps in the same order.
#pragma once

#include <string>
#include <string_view>

#include "base/env.h"

namespace millrace {

/// FileSystem::write_atomically: `path`.tmp is written, synced and renamed over `path`, then the directory is synced.
/// On an error before the rename, `path` is as it was and the temporary file is gone (or left by a crash, for the next
/// call).
Status write_atomically_in_steps(FileSystem& files, const std::string& path, std::string_view bytes);

/// A path that does not exist is fine.
Status remove_if_there(FileSystem& files, const std::string& path);

}  // namespace millrace
