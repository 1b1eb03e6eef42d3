// FrameReader: of a partition of a FramedWindow, the stretches that a step's changes reach: the rows whose results may
// differ, and around them those that these depend on. Private to window_frames.cpp.
#pragma once

#include <algorithm>
#include <vector>

#include "dataflow/standing_rows.h"

namespace millrace::dataflow {

/// Items [first, last); results of [first_reached, last_reached) may differ.
struct FrameStretch {
  StandingRows::Group group = 0;
  bool is_whole = false;
  size_t first = 0, last = 0;
  size_t first_reached = 0, last_reached = 0;
};

class FrameReader {
 public:
  /// The sort keys of the ranges' ends are pieces of the rows, one after another from `first_range_piece` on.
  FrameReader(StandingRows& standing, const plan::FrameReach& reach, size_t first_range_piece);

  /// Adds the partition's stretches; they share no reached row. `whole`: one stretch of all rows, all of them reached.
  Status read(StandingRows::Group group, std::span<const PartitionChanges::Change> changes, bool whole,
              std::vector<FrameStretch>& stretches);
  void clear();

  std::vector<StandingItem> items;
  const StandingReader::Entry& entry(size_t index) const { return reader_.entry(index); }

 private:
  /// How far rows are from some row, going one way.
  struct Distance {
    int64_t rows = 0;
    int64_t peers = 0;
    std::vector<int64_t> values;  // of each of reach_.values: rows between, in which it is not NULL
    std::string_view key;
    void start(std::string_view from) {
      rows = 0, peers = 0, key = from;
      std::fill(values.begin(), values.end(), 0);
    }
    void meet(std::string_view own) { peers += own == key ? 0 : 1, key = own; }
  };
  struct RangePieces {
    int first = -1, last = -1;  // -1: the row's own sort key
  };

  void read_back(std::string_view change, FrameStretch& stretch);
  Status read_on(FrameStretch& stretch);
  Status read_whole(FrameStretch& stretch);
  std::string_view end_key(std::string_view row, int piece) const;
  Distance no_distance() const;
  bool reaches_back(const Distance& distance) const;
  bool reaches_on(const Distance& distance) const;
  void pass(Distance& distance, const StandingItem& item) const;

  StandingReader reader_;
  const SortedRows& rows_;
  const plan::FrameReach& reach_;
  std::vector<RangePieces> ranges_;
  std::vector<size_t> value_places_;  // of reach_.values, in piece 0
};

}  // namespace millrace::dataflow
