// Copies of entries, which can be put in order: what a checkpoint collects from a table.
#pragma once

#include <string>
#include <vector>

#include "state/table.h"

namespace millrace::state {

class DirtyEntries {
 public:
  void reserve_bytes(size_t bytes) { bytes_.reserve(bytes); }
  void add(const Entry& entry);
  /// By (hash, key).
  void sort();
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  /// Valid until the next add.
  Entry at(size_t position) const;

 private:
  struct Item {
    uint64_t hash = 0;
    uint64_t offset = 0;  // of the key in bytes_; the payload follows
    uint32_t key_length = 0;
    uint32_t payload_length = 0;  // 0: deleted
  };
  std::vector<Item> items_;
  std::string bytes_;
};

}  // namespace millrace::state
