// RowOrder: the rows of one large group in the order of their bytes, for BagTable. Private to state/.
//
// Sorted leaves of up to kLeafRows references, one after another: a change moves at most a leaf, and finding a leaf is
// a binary search over the first rows of the leaves. A reference holds the first eight bytes that are compared, so most
// comparisons do not touch the row itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "state/arena.h"

namespace millrace::state {

/// The first eight bytes as a number that compares as they do.
inline uint64_t head_of_bytes(std::string_view bytes) {
  uint64_t head = 0;
  std::memcpy(&head, bytes.data(), std::min<size_t>(bytes.size(), sizeof head));
  return __builtin_bswap64(head);
}

class RowOrder {
 public:
  struct Ref {
    uint64_t head;
    Arena::Block block;
  };
  /// A place before a row, or the end.
  struct Place {
    uint32_t leaf = 0;
    uint32_t at = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };

  /// Takes all rows at once; `less` compares two references. Only when empty.
  template <typename Less>
  void build(std::vector<Ref> rows, const Less& less) {
    std::sort(rows.begin(), rows.end(), less);
    for (size_t at = 0; at < rows.size(); at += kLeafRows / 2) {
      const size_t end = std::min(rows.size(), at + kLeafRows / 2);
      leaves_.emplace_back(rows.begin() + static_cast<int64_t>(at), rows.begin() + static_cast<int64_t>(end));
    }
  }

  /// The first place whose row is not less than `wanted`; `less(ref, wanted)`.
  template <typename Wanted, typename Less>
  Place lower_bound(const Wanted& wanted, const Less& less) const {
    auto leaf = std::partition_point(leaves_.begin(), leaves_.end(),
                                     [&](const std::vector<Ref>& rows) { return less(rows.back(), wanted); });
    if (leaf == leaves_.end()) return end();
    auto row = std::partition_point(leaf->begin(), leaf->end(), [&](const Ref& ref) { return less(ref, wanted); });
    return {static_cast<uint32_t>(leaf - leaves_.begin()), static_cast<uint32_t>(row - leaf->begin())};
  }

  /// `place` is what lower_bound gave for the row.
  void insert(Place place, Ref row) {
    if (leaves_.empty()) {
      leaves_.push_back({row});
      return;
    }
    if (place == end())
      place = {static_cast<uint32_t>(leaves_.size() - 1), static_cast<uint32_t>(leaves_.back().size())};
    if (leaves_[place.leaf].size() == kLeafRows) place = split(place);
    std::vector<Ref>& leaf = leaves_[place.leaf];
    leaf.insert(leaf.begin() + place.at, row);
  }
  void erase(Place place) {
    std::vector<Ref>& leaf = leaves_[place.leaf];
    leaf.erase(leaf.begin() + place.at);
    if (leaf.empty()) leaves_.erase(leaves_.begin() + place.leaf);
  }

  Place begin() const { return {}; }
  Place end() const { return {static_cast<uint32_t>(leaves_.size()), 0}; }
  Arena::Block block(Place place) const { return leaves_[place.leaf][place.at].block; }
  Place next(Place place) const {
    if (++place.at == leaves_[place.leaf].size()) place = {place.leaf + 1, 0};
    return place;
  }
  /// `place` must not be the first.
  Place previous(Place place) const {
    if (place.at > 0) return {place.leaf, place.at - 1};
    return {place.leaf - 1, static_cast<uint32_t>(leaves_[place.leaf - 1].size() - 1)};
  }
  size_t memory_bytes() const {
    size_t bytes = leaves_.capacity() * sizeof(std::vector<Ref>);
    for (const std::vector<Ref>& leaf : leaves_) bytes += leaf.capacity() * sizeof(Ref);
    return bytes;
  }

 private:
  static constexpr size_t kLeafRows = 128;

  /// Cuts the leaf of a place in two and says where the place is now. A place at the end of the last leaf leaves that
  /// full: rows that come in order fill their leaves.
  Place split(Place place) {
    std::vector<Ref>& leaf = leaves_[place.leaf];
    const bool appends = place.at == leaf.size() && place.leaf + 1 == leaves_.size();
    const size_t half = appends ? leaf.size() : leaf.size() / 2;
    std::vector<Ref> upper(leaf.begin() + static_cast<int64_t>(half), leaf.end());
    leaf.resize(half);
    leaves_.insert(leaves_.begin() + place.leaf + 1, std::move(upper));
    if (place.at < half || (place.at == half && !appends)) return place;
    return {place.leaf + 1, place.at - static_cast<uint32_t>(half)};
  }

  std::vector<std::vector<Ref>> leaves_;  // none is empty
};

}  // namespace millrace::state
