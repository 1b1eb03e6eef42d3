// RankCounter: where a walk is in one order of a partition's rows, and which ranks a row's copies have. Private to
// top_n.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plan/plan.h"

namespace millrace::dataflow {

class RankCounter {
 public:
  RankCounter(plan::WindowKind kind, int64_t offset, int64_t limit) : kind_(kind), offset_(offset), limit_(limit) {}

  /// Begins behind `rows` rows, those before the row with this key that has `peers_before` rows before its first peer.
  /// Not for dense ranks.
  void start(int64_t rows, std::string_view sort_key, int64_t peers_before) {
    rows_ = rows;
    any_ = kind_ == plan::WindowKind::kRank && peers_before < rows;
    sort_key_ = sort_key;
    rank_ = peers_before + 1;
  }

  /// Ranks [first, last] of those copies of the next row that are shown; none when first > last. For a row number the
  /// copies have one each, else all `shown` copies have the rank `first`.
  struct Ranks {
    int64_t first = 1;
    int64_t last = 0;
    int64_t shown = 0;
  };
  Ranks take(std::string_view sort_key, int64_t count) {
    Ranks ranks;
    if (count <= 0) return ranks;
    if (kind_ == plan::WindowKind::kRowNumber) {
      ranks.first = std::max(rows_, offset_) + 1;
      ranks.last = std::min(rows_ + count, limit_);
      ranks.shown = std::max<int64_t>(0, ranks.last - ranks.first + 1);
    } else {
      if (!any_ || sort_key != sort_key_) {
        rank_ = kind_ == plan::WindowKind::kRank ? rows_ + 1 : rank_ + 1;
        sort_key_ = sort_key;
        any_ = true;
      }
      ranks.first = ranks.last = rank_;
      ranks.shown = rank_ <= limit_ ? count : 0;
    }
    rows_ += count;
    return ranks;
  }
  /// Goes by so many rows, up to the first of some peers. Not for dense ranks.
  void pass(int64_t rows) {
    rows_ += rows;
    any_ = false;
  }
  int64_t rows() const { return rows_; }
  /// No later row is shown.
  bool done() const {
    if (kind_ == plan::WindowKind::kDenseRank) return rank_ > limit_;
    return rows_ >= limit_ && (kind_ == plan::WindowKind::kRowNumber || rank_ > limit_);
  }

  /// How many of the rows that follow, which do not change themselves, have surely the same result in both orders.
  static int64_t equal_rows(const RankCounter& a, const RankCounter& b, bool ranks_are_given) {
    const bool same_peers = a.kind_ == plan::WindowKind::kRowNumber || (a.any_ == b.any_ && a.rank_ == b.rank_);
    if (a.rows_ == b.rows_ && same_peers) return INT64_MAX - a.rows_;
    if (ranks_are_given) return 0;
    const int64_t ahead = std::max(a.rows_, b.rows_), behind = std::min(a.rows_, b.rows_);
    if (ahead < a.offset_) return a.offset_ - ahead;
    if (behind < a.offset_) return 0;
    return std::max<int64_t>(0, a.limit_ - ahead);
  }

 private:
  plan::WindowKind kind_;
  int64_t offset_, limit_;
  int64_t rows_ = 0;
  int64_t rank_ = 0;
  bool any_ = false;
  std::string_view sort_key_;
};

}  // namespace millrace::dataflow
