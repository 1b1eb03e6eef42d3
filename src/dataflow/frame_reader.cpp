#include "dataflow/frame_reader.h"

#include <algorithm>

#include "base/bytes.h"

namespace millrace::dataflow {

FrameReader::FrameReader(StandingRows& standing, const plan::FrameReach& reach, size_t first_range_piece)
    : reader_(standing), rows_(standing.rows()), reach_(reach) {
  int piece = static_cast<int>(first_range_piece);
  for (const plan::FrameReach::Range& range : reach.ranges) {
    RangePieces& pieces = ranges_.emplace_back();
    if (range.first_key >= 0) pieces.first = piece++;
    if (range.last_key >= 0) pieces.last = piece++;
  }
  const std::vector<uint32_t>& columns = rows_.codec(0).columns();
  for (const plan::FrameReach::Values& values : reach.values) {
    const auto at = std::find(columns.begin(), columns.end(), values.column);
    value_places_.push_back(static_cast<size_t>(at - columns.begin()));
  }
}

Status FrameReader::read(StandingRows::Group group, std::span<const PartitionChanges::Change> changes, bool whole,
                         std::vector<FrameStretch>& stretches) {
  while (!changes.empty()) {
    FrameStretch stretch{group, whole, items.size(), 0, 0, 0};
    reader_.seek(group, changes, whole);
    if (whole) {
      MR_TRY(read_whole(stretch));
    } else {
      read_back(changes[0].row, stretch);
      MR_TRY(read_on(stretch));
    }
    stretches.push_back(stretch);
    changes = changes.subspan(reader_.changes_given());
  }
  return {};
}

void FrameReader::clear() {
  items.clear();
  reader_.clear();
}

/// The sort key of one end of a row's range, in its piece: a row of one BLOB column.
std::string_view FrameReader::end_key(std::string_view row, int piece) const {
  if (piece < 0) return rows_.sort_key(row);
  constexpr size_t kBitmapBytes = 1;
  return ByteReader(rows_.piece(row, static_cast<size_t>(piece)).substr(kBitmapBytes)).string().value();
}

FrameReader::Distance FrameReader::no_distance() const {
  Distance none;
  none.values.resize(value_places_.size());
  return none;
}

/// A row that is so far behind another depends on it by numbers of rows, of peers, or of values.
bool FrameReader::reaches_back(const Distance& distance) const {
  if (distance.rows < reach_.rows_before || distance.peers <= reach_.peers_before) return true;
  for (size_t i = 0; i < distance.values.size(); ++i) {
    if (distance.values[i] < reach_.values[i].before) return true;
  }
  return false;
}

/// The same of a row that is so far before another.
bool FrameReader::reaches_on(const Distance& distance) const {
  if (distance.rows < reach_.rows_after || distance.peers <= reach_.peers_after) return true;
  for (size_t i = 0; i < distance.values.size(); ++i) {
    if (distance.values[i] < reach_.values[i].after) return true;
  }
  return false;
}

/// What comes next is behind the item.
void FrameReader::pass(Distance& distance, const StandingItem& item) const {
  distance.rows += item.now;
  if (distance.values.empty()) return;
  const std::string_view piece = rows_.piece(item.row, 0);
  for (size_t i = 0; i < distance.values.size(); ++i) {
    if (!batch::RowCodec::is_null(piece, value_places_[i])) distance.values[i] += item.now;
  }
}

Status FrameReader::read_whole(FrameStretch& stretch) {
  StandingItem item;
  bool changed = false;
  for (;;) {
    MR_ASSIGN(const bool more, reader_.next(item, changed));
    if (!more) break;
    items.push_back(item);
  }
  stretch.first_reached = stretch.first;
  stretch.last = stretch.last_reached = items.size();
  return {};
}

/// The rows before the change that it reaches, then those that the first of them depends on.
void FrameReader::read_back(std::string_view change, FrameStretch& stretch) {
  const std::string_view changed_key = rows_.sort_key(change);
  std::string_view first = change;
  Distance distance = no_distance();
  distance.start(changed_key);
  StandingItem item;
  bool reached = true;
  size_t reached_rows = 0;
  while (reader_.previous(item)) {
    const std::string_view key = rows_.sort_key(item.row);
    distance.meet(key);
    if (reached) {
      reached = reaches_on(distance) ||
                std::any_of(ranges_.begin(), ranges_.end(), [&](const RangePieces& range) {
                  return end_key(item.row, range.last) >= changed_key;
                });
      if (reached) {
        first = item.row;
        ++reached_rows;
      } else {
        distance.start(rows_.sort_key(first));
        distance.meet(key);
      }
    }
    const bool needed = reached || reaches_back(distance) ||
                        std::any_of(ranges_.begin(), ranges_.end(), [&](const RangePieces& range) {
                          return key >= end_key(first, range.first);
                        });
    if (!needed) break;
    items.push_back(item);
    pass(distance, item);
  }
  std::reverse(items.begin() + static_cast<int64_t>(stretch.first), items.end());
  stretch.first_reached = items.size() - reached_rows;
}

/// From the first change on: rows that a change reaches, then those that the last of them depends on. A change among
/// these goes on with the stretch; one behind them reaches none of its rows.
Status FrameReader::read_on(FrameStretch& stretch) {
  std::string_view changed_key, last;  // of the last change; the last row reached
  Distance from_change = no_distance(), from_last = no_distance();
  bool reached = true;
  StandingItem item;
  bool changed = false;
  for (;;) {
    MR_ASSIGN(const bool more, reader_.next(item, changed));
    if (!more) break;
    const std::string_view key = rows_.sort_key(item.row);
    if (changed) {
      changed_key = key;
      from_change.start(key);
      reached = true;
    } else if (reached) {
      from_change.meet(key);
      reached = reaches_back(from_change) ||
                std::any_of(ranges_.begin(), ranges_.end(), [&](const RangePieces& range) {
                  return end_key(item.row, range.first) <= changed_key;
                });
      pass(from_change, item);
      if (!reached) from_last.start(rows_.sort_key(last));
    }
    if (reached) {
      last = item.row;
      stretch.last_reached = items.size() + 1;
    } else {
      from_last.meet(key);
      const bool needed = reaches_on(from_last) ||
                          std::any_of(ranges_.begin(), ranges_.end(), [&](const RangePieces& range) {
                            return key <= end_key(last, range.last);
                          });
      if (!needed) break;
      pass(from_last, item);
    }
    items.push_back(item);
  }
  stretch.last = items.size();
  return {};
}

}  // namespace millrace::dataflow
