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
  Distance distance;
  distance.start(changed_key);
  StandingItem item;
  bool reached = true;
  size_t reached_rows = 0;
  while (reader_.previous(item)) {
    const std::string_view key = rows_.sort_key(item.row);
    distance.meet(key);
    if (reached) {
      reached = distance.rows < reach_.rows_after || distance.peers <= reach_.peers_after ||
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
    const bool needed = reached || distance.rows < reach_.rows_before || distance.peers <= reach_.peers_before ||
                        std::any_of(ranges_.begin(), ranges_.end(), [&](const RangePieces& range) {
                          return key >= end_key(first, range.first);
                        });
    if (!needed) break;
    items.push_back(item);
    distance.rows += item.now;
  }
  std::reverse(items.begin() + static_cast<int64_t>(stretch.first), items.end());
  stretch.first_reached = items.size() - reached_rows;
}

/// From the first change on: rows that a change reaches, then those that the last of them depends on. A change among
/// these goes on with the stretch; one behind them reaches none of its rows.
Status FrameReader::read_on(FrameStretch& stretch) {
  std::string_view changed_key, last;  // of the last change; the last row reached
  Distance from_change, from_last;
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
      reached = from_change.rows < reach_.rows_before || from_change.peers <= reach_.peers_before ||
                std::any_of(ranges_.begin(), ranges_.end(), [&](const RangePieces& range) {
                  return end_key(item.row, range.first) <= changed_key;
                });
      from_change.rows += item.now;
      if (!reached) from_last.start(rows_.sort_key(last));
    }
    if (reached) {
      last = item.row;
      stretch.last_reached = items.size() + 1;
    } else {
      from_last.meet(key);
      const bool needed = from_last.rows < reach_.rows_after || from_last.peers <= reach_.peers_after ||
                          std::any_of(ranges_.begin(), ranges_.end(), [&](const RangePieces& range) {
                            return key <= end_key(last, range.last);
                          });
      if (!needed) break;
      from_last.rows += item.now;
    }
    items.push_back(item);
  }
  stretch.last = items.size();
  return {};
}

}  // namespace millrace::dataflow
