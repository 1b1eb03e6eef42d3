// Path arithmetic on text alone; nothing here looks at a disk.
#pragma once

#include <string>
#include <string_view>

namespace millrace {

/// "a/b" + "c" → "a/b/c"; an absolute second part wins.
inline std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty() || (!name.empty() && name.front() == '/')) return std::string(name);
  std::string joined(directory);
  if (joined.back() != '/') joined.push_back('/');
  return joined.append(name);
}

/// The directory that holds `path`: "a/b/c" → "a/b", "c" → ".", "/c" → "/". Trailing slashes do not count.
inline std::string parent_path(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  const size_t last = path.find_last_not_of('/', slash);
  return last == std::string_view::npos ? "/" : std::string(path.substr(0, last + 1));
}

/// The last part: "a/b/c" → "c".
inline std::string_view file_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos || path == "/" ? path : path.substr(slash + 1);
}

}  // namespace millrace
