// One seeded injury to one file (or two) of a data directory.
#pragma once

#include <string>

#include "engine/damage_images.h"

namespace millrace::engine {

struct Mutation {
  Files files;
  std::string kind;   ///< of the file: "segment", "savepoint's catalog", …
  std::string how;    ///< "one bit", "swapped", …
  std::string path;   ///< of the file, or the first of two
  std::string other;  ///< the second, when two were swapped
  std::string text;   ///< all of it, for people
  bool in_savepoint() const { return path.starts_with("/data/savepoints/"); }
};

/// What a file of the data directory is; empty for files outside it.
std::string kind_of(const std::string& path, const std::string& bytes);

/// Every kind of file is as likely as any other; one in five is of the savepoint. The files are never what they were.
Mutation mutate(const Files& sound, uint64_t seed);

}  // namespace millrace::engine
