// RowOrder: the rows of one large group in the order of their bytes, for BagTable. Private to state/.
//
// Sorted leaves of up to kLeafRows references, one after another: a change moves at most a leaf, and finding a leaf is
// a binary search over the last rows of the leaves. A reference holds the first eight bytes that are compared, so most
// comparisons do not touch the row itself. Each leaf knows the sum of its rows' counts, so that the number of rows
// before a place needs a look at one leaf and at the sums of the others up to the nearer end.
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

  /// Takes all rows at once; `less` compares two references, `count_of(block)` gives a row's count. Only when empty.
  template <typename Less, typename CountOf>
  void build(std::vector<Ref> rows, const Less& less, const CountOf& count_of) {
    std::sort(rows.begin(), rows.end(), less);
    for (size_t at = 0; at < rows.size(); at += kLeafRows / 2) {
      const size_t end = std::min(rows.size(), at + kLeafRows / 2);
      leaves_.emplace_back();
      leaves_.back().rows.assign(rows.begin() + static_cast<int64_t>(at), rows.begin() + static_cast<int64_t>(end));
      leaves_.back().count = sum(leaves_.back(), 0, end - at, count_of);
      count_ += leaves_.back().count;
    }
  }

  /// The first place whose row is not less than `wanted`; `less(ref, wanted)`.
  template <typename Wanted, typename Less>
  Place lower_bound(const Wanted& wanted, const Less& less) const {
    auto leaf = std::partition_point(leaves_.begin(), leaves_.end(),
                                     [&](const Leaf& each) { return less(each.rows.back(), wanted); });
    if (leaf == leaves_.end()) return end();
    auto row =
        std::partition_point(leaf->rows.begin(), leaf->rows.end(), [&](const Ref& ref) { return less(ref, wanted); });
    return {static_cast<uint32_t>(leaf - leaves_.begin()), static_cast<uint32_t>(row - leaf->rows.begin())};
  }

  /// `place` is what lower_bound gave for the row, `count` the row's.
  template <typename CountOf>
  void insert(Place place, Ref row, int64_t count, const CountOf& count_of) {
    if (leaves_.empty()) leaves_.emplace_back();
    if (place.leaf == leaves_.size())
      place = {static_cast<uint32_t>(leaves_.size() - 1), static_cast<uint32_t>(leaves_.back().rows.size())};
    if (leaves_[place.leaf].rows.size() == kLeafRows) place = split(place, count_of);
    Leaf& leaf = leaves_[place.leaf];
    leaf.rows.insert(leaf.rows.begin() + place.at, row);
    add(place, count);
  }
  /// `count` is what the row had.
  void erase(Place place, int64_t count) {
    add(place, -count);
    Leaf& leaf = leaves_[place.leaf];
    leaf.rows.erase(leaf.rows.begin() + place.at);
    if (leaf.rows.empty()) leaves_.erase(leaves_.begin() + place.leaf);
  }
  /// The count of the row at `place` changes by `diff`.
  void add(Place place, int64_t diff) {
    leaves_[place.leaf].count += diff;
    count_ += diff;
  }

  /// The sum of all counts, and of those before a place.
  int64_t count() const { return count_; }
  template <typename CountOf>
  int64_t count_before(Place place, const CountOf& count_of) const {
    int64_t before = 0;
    if (place.leaf < leaves_.size() / 2) {
      for (uint32_t leaf = 0; leaf < place.leaf; ++leaf) before += leaves_[leaf].count;
    } else {
      before = count_;
      for (size_t leaf = leaves_.size(); leaf > place.leaf; --leaf) before -= leaves_[leaf - 1].count;
    }
    if (place.leaf == leaves_.size()) return before;
    const Leaf& leaf = leaves_[place.leaf];
    if (place.at < leaf.rows.size() / 2) return before + sum(leaf, 0, place.at, count_of);
    return before + leaf.count - sum(leaf, place.at, leaf.rows.size(), count_of);
  }

  /// The first place whose row has, with its own, more than `count` before it; `before`: without its own. Counts must
  /// not be negative.
  template <typename CountOf>
  Place place_at(int64_t count, int64_t& before, const CountOf& count_of) const {
    before = count_;
    if (count >= count_) return end();
    size_t leaf = 0;
    if (count < count_ / 2) {
      for (before = 0; leaf + 1 < leaves_.size() && before + leaves_[leaf].count <= count; ++leaf)
        before += leaves_[leaf].count;
    } else {
      for (leaf = leaves_.size(); leaf > 0 && before > count;) before -= leaves_[--leaf].count;
    }
    const std::vector<Ref>& rows = leaves_[leaf].rows;
    uint32_t at = 0;
    for (; at + 1 < rows.size(); ++at) {
      const int64_t own = count_of(rows[at].block);
      if (before + own > count) break;
      before += own;
    }
    return {static_cast<uint32_t>(leaf), at};
  }

  Place begin() const { return {}; }
  Place end() const { return {static_cast<uint32_t>(leaves_.size()), 0}; }
  Arena::Block block(Place place) const { return leaves_[place.leaf].rows[place.at].block; }
  Place next(Place place) const {
    if (++place.at == leaves_[place.leaf].rows.size()) place = {place.leaf + 1, 0};
    return place;
  }
  /// `place` must not be the first.
  Place previous(Place place) const {
    if (place.at > 0) return {place.leaf, place.at - 1};
    return {place.leaf - 1, static_cast<uint32_t>(leaves_[place.leaf - 1].rows.size() - 1)};
  }

 private:
  static constexpr size_t kLeafRows = 128;
  struct Leaf {
    std::vector<Ref> rows;  // at least one
    int64_t count = 0;
  };

  template <typename CountOf>
  static int64_t sum(const Leaf& leaf, size_t from, size_t to, const CountOf& count_of) {
    int64_t total = 0;
    for (size_t at = from; at < to; ++at) total += count_of(leaf.rows[at].block);
    return total;
  }

  /// Cuts the leaf of a place in two and says where the place is now. A place at the end of the last leaf leaves that
  /// full: rows that come in order fill their leaves.
  template <typename CountOf>
  Place split(Place place, const CountOf& count_of) {
    Leaf& leaf = leaves_[place.leaf];
    const bool appends = place.at == leaf.rows.size() && place.leaf + 1 == leaves_.size();
    const size_t half = appends ? leaf.rows.size() : leaf.rows.size() / 2;
    Leaf upper;
    upper.count = sum(leaf, half, leaf.rows.size(), count_of);
    upper.rows.assign(leaf.rows.begin() + static_cast<int64_t>(half), leaf.rows.end());
    leaf.rows.resize(half);
    leaf.count -= upper.count;
    leaves_.insert(leaves_.begin() + place.leaf + 1, std::move(upper));
    if (place.at < half || (place.at == half && !appends)) return place;
    return {place.leaf + 1, place.at - static_cast<uint32_t>(half)};
  }

  std::vector<Leaf> leaves_;
  int64_t count_ = 0;
};

}  // namespace millrace::state
