// A file or directory of SimulatedFiles. Private to simulated_*.cpp.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/simulated_files.h"

namespace millrace {

struct SimulatedFiles::Node {
  explicit Node(bool directory) : is_directory(directory) {}

  const bool is_directory;
  size_t names = 1;  ///< 0: removed, and alive only while it is open

  // A file. Invariant: content and durable agree in their first `clean` bytes (but for zeros that a failed sync left).
  std::string content;
  std::string durable;
  size_t clean = 0;                             ///< the shortest that content was since the last sync
  std::vector<std::pair<size_t, size_t>> lost;  ///< [from, to) of content: dropped by a failed sync

  // A directory. durable_entries plus all of `pending`, in order, is entries.
  using Change = std::vector<std::pair<std::string, NodePtr>>;  ///< happens as one; a null node is a removal
  std::map<std::string, NodePtr> entries;
  std::map<std::string, NodePtr> durable_entries;
  std::vector<Change> pending;

  void change(Change change);
  void make_entries_durable();

  void cut(size_t size);
  /// What a successful or failed sync does.
  void make_content_durable();
  void lose_unsynced();
  /// content from `clean` on, as the disk would get it: zeros where a failed sync dropped bytes.
  std::string unsynced_as_written() const;
};

}  // namespace millrace
