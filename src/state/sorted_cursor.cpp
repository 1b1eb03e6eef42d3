// BagTable's rows in order.
#include <algorithm>

#include "state/bag_table_rep.h"

namespace millrace::state {

void BagTable::keep_sorted(size_t skip) {
  MR_CHECK(empty(), "a bag is sorted from its start");
  rep_->sort_from = skip;
}

void BagTable::SortedCursor::open(Group group) {
  Rep& rep = *table_.rep_;
  MR_CHECK(rep.sort_from != Rep::kUnsorted, "the bag is not sorted");
  GroupEntry& entry = rep.groups[group];
  sorted_.clear();
  order_ = rep.order_of(group);
  if (!order_ && entry.live > kScanRows) order_ = &rep.obtain_order(group);
  if (order_) return;
  const RowRef* rows = rep.list(entry);
  for (uint32_t place = 0; place < entry.places; ++place) {
    if (rep.row(rows[place].block).count != 0) sorted_.push_back(rows[place].block);
  }
  std::sort(sorted_.begin(), sorted_.end(),
            [&](Arena::Block a, Arena::Block b) { return rep.compared(a) < rep.compared(b); });
}

void BagTable::SortedCursor::seek_first(Group group) {
  open(group);
  leaf_ = at_ = 0;
}

void BagTable::SortedCursor::seek_end(Group group) {
  open(group);
  leaf_ = order_ ? order_->end().leaf : 0;
  at_ = order_ ? 0 : static_cast<uint32_t>(sorted_.size());
}

void BagTable::SortedCursor::seek(Group group, std::string_view from) {
  open(group);
  Rep& rep = *table_.rep_;
  if (!order_) {
    const auto found = std::partition_point(sorted_.begin(), sorted_.end(),
                                            [&](Arena::Block block) { return rep.compared(block) < from; });
    leaf_ = 0;
    at_ = static_cast<uint32_t>(found - sorted_.begin());
    return;
  }
  const uint64_t head = head_of_bytes(from);
  const RowOrder::Place place = order_->lower_bound(from, [&](const RowOrder::Ref& ref, std::string_view wanted) {
    return ref.head != head ? ref.head < head : rep.compared(ref.block) < wanted;
  });
  leaf_ = place.leaf;
  at_ = place.at;
}

int64_t BagTable::SortedCursor::seek_count(Group group, int64_t count) {
  open(group);
  int64_t before = 0;
  if (order_) {
    const RowOrder::Place place = order_->place_at(count, before, table_.rep_->count_of());
    leaf_ = place.leaf;
    at_ = place.at;
    return before;
  }
  leaf_ = 0;
  for (at_ = 0; at_ < sorted_.size(); ++at_) {
    const int64_t own = table_.rep_->row(sorted_[at_]).count;
    if (before + own > count) break;
    before += own;
  }
  return before;
}

int64_t BagTable::SortedCursor::count_before() const {
  Rep& rep = *table_.rep_;
  if (order_) return order_->count_before({leaf_, at_}, rep.count_of());
  int64_t before = 0;
  for (uint32_t at = 0; at < at_; ++at) before += rep.row(sorted_[at]).count;
  return before;
}

int64_t BagTable::SortedCursor::count_of_all() const {
  if (order_) return order_->count();
  int64_t all = 0;
  for (const Arena::Block block : sorted_) all += table_.rep_->row(block).count;
  return all;
}

void BagTable::SortedCursor::give(Arena::Block block, std::string_view& row, int64_t& count) {
  ++table_.rows_read;
  row = table_.rep_->bytes(block);
  count = table_.rep_->row(block).count;
}

bool BagTable::SortedCursor::next(std::string_view& row, int64_t& count) {
  if (!order_) {
    if (at_ == sorted_.size()) return false;
    give(sorted_[at_++], row, count);
    return true;
  }
  const RowOrder::Place place{leaf_, at_};
  if (place == order_->end()) return false;
  give(order_->block(place), row, count);
  const RowOrder::Place after = order_->next(place);
  leaf_ = after.leaf;
  at_ = after.at;
  return true;
}

bool BagTable::SortedCursor::previous(std::string_view& row, int64_t& count) {
  if (!order_) {
    if (at_ == 0) return false;
    give(sorted_[--at_], row, count);
    return true;
  }
  const RowOrder::Place place{leaf_, at_};
  if (place == order_->begin()) return false;
  const RowOrder::Place before = order_->previous(place);
  leaf_ = before.leaf;
  at_ = before.at;
  give(order_->block(before), row, count);
  return true;
}

}  // namespace millrace::state
