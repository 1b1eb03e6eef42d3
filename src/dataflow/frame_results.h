// FrameResults: what a fragment gives for the rows that a step reaches, stretch by stretch. Private to
// window_frames.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataflow/fragment_groups.h"
#include "dataflow/frame_reader.h"

namespace millrace::dataflow {

class FrameResults {
 public:
  /// `rows`: what stands in piece 0 of the items; `calls`: the types of the results. The fragment's last input column is
  /// the row's place in its stretch, by which the results are told apart: values may come back in other bytes.
  FrameResults(batch::Session& session, const batch::Fragment& fragment, const batch::RowCodec& rows,
               const std::vector<batch::Type>& calls);

  /// Computes the stretches from number `first` on. Those that fail are added to `failed`, with DuckDB's message.
  Status compute(const FrameReader& reader, const SortedRows& rows, std::span<const FrameStretch> stretches,
                 size_t first, std::vector<std::pair<size_t, std::string>>& failed);
  /// The results of the row at `place` of the stretch, each copy counted; encoded by codec(). Valid until compute().
  std::string_view of(size_t stretch, size_t place) const;
  const batch::RowCodec& codec() const { return codec_; }
  void clear();

 private:
  struct Found {
    size_t start = 0;  // into bytes_
    size_t length = 0;
    bool is_there = false;
  };
  void take(size_t stretch, const batch::Batch& results, size_t row);

  batch::RowCodec codec_;
  FragmentGroups fragment_;
  uint32_t place_column_;  // of the fragment's output
  std::vector<uint32_t> call_columns_;
  batch::RowBuffer call_buffer_;
  std::vector<size_t> first_found_;  // by stretch
  std::vector<Found> found_;         // by stretch and place
  std::string bytes_;
};

}  // namespace millrace::dataflow
