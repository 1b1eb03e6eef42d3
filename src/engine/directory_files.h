// The small files of a data directory that are neither log nor state: IDENTITY, BASE, loads, CHECKPOINT. Each is sealed
// (base/sealed_text.h), so a wrong byte is an error (kDataCorrupted, naming the file) and never another meaning.
// docs/formats/data_directory.md. The caller holds the directory's lock.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"

namespace millrace::engine {

inline constexpr const char* kIdentityFile = "IDENTITY";
inline constexpr const char* kBaseFile = "BASE";
inline constexpr const char* kLoadsFile = "loads";
inline constexpr const char* kCheckpointFile = "CHECKPOINT";

struct IdentityFile {
  std::string id;       ///< 32 hexadecimal digits
  bool sealed = false;  ///< made by a release that seals it and makes `loads` and `BASE` beside it
};
/// Nothing when there is none.
Result<std::optional<IdentityFile>> read_identity(FileSystem& files, const std::string& directory);
Status write_identity(FileSystem& files, const std::string& directory, const IdentityFile& identity);

/// The folder that relative paths start from; nothing when there is no file.
Result<std::optional<std::string>> read_base(FileSystem& files, const std::string& directory);
Status write_base(FileSystem& files, const std::string& directory, const std::string& base);

struct LoadsFile {
  std::set<uint32_t> done;  ///< streams whose bounded input has been read to its end
  bool sealed = false;
};
Result<std::optional<LoadsFile>> read_loads(FileSystem& files, const std::string& directory);
Status write_loads(FileSystem& files, const std::string& directory, const std::set<uint32_t>& done);

/// The last commit that a durable checkpoint holds: state that stands before it has lost something.
Result<std::optional<Epoch>> read_checkpoint_mark(FileSystem& files, const std::string& directory);
Status write_checkpoint_mark(FileSystem& files, const std::string& directory, Epoch epoch);

/// Of the files that a directory with a catalog must have, those that are not there. Fails when one is damaged.
Result<std::vector<std::string>> lacking_files(FileSystem& files, const std::string& directory);

/// The identity of this directory. When it is new, the files are made; when it is not, none may be lacking.
Result<std::string> open_identity(Env& env, const std::string& directory);

}  // namespace millrace::engine
