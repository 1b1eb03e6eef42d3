#include "state/dirty_entries.h"

#include <algorithm>

#include "state/block.h"

namespace millrace::state {

void DirtyEntries::add(const Entry& entry) {
  MR_CHECK(entry.key.size() <= UINT32_MAX && entry.payload.size() <= UINT32_MAX, "an entry of more than 4 GB");
  MR_CHECK(entry.deleted == entry.payload.empty(), "a live entry has a payload, a deleted one has none");
  items_.push_back({entry.hash, bytes_.size(), static_cast<uint32_t>(entry.key.size()),
                    static_cast<uint32_t>(entry.payload.size())});
  bytes_.append(entry.key);
  bytes_.append(entry.payload);
}

Entry DirtyEntries::at(size_t position) const {
  const Item& item = items_[position];
  const char* key = bytes_.data() + item.offset;
  return {item.hash, {key, item.key_length}, {key + item.key_length, item.payload_length}, item.payload_length == 0};
}

void DirtyEntries::sort() {
  const char* bytes = bytes_.data();
  std::sort(items_.begin(), items_.end(), [bytes](const Item& a, const Item& b) {
    if (a.hash != b.hash) return a.hash < b.hash;
    return std::string_view(bytes + a.offset, a.key_length) < std::string_view(bytes + b.offset, b.key_length);
  });
}

}  // namespace millrace::state
