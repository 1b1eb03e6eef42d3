// Private to dataflow/: the join that the watermark bounds (docs/adr/0016), in time_join.cpp (which rows meet, and
// which go) and time_join_output.cpp (how they come out).
//
// Each side's rows are kept by key, in the order of their time (slot 0 left, slot 1 right): a row looks at those of the
// other side that lie within the stretch alone, and rows that no row to come can meet are dropped from the front. A
// kept row is its time, then the row (timed_rows.h); its count is twice how often it came,
// plus 1 once it met a partner. Inputs take nothing back.
#pragma once

#include <array>
#include <optional>

#include "batch/expression.h"
#include "dataflow/operators.h"
#include "dataflow/timed_rows.h"

namespace millrace::dataflow {

struct TimeJoinSide {
  std::vector<uint32_t> key_columns;
  batch::RowCodec keys;
  batch::RowCodec rows;              // what a kept row holds: all columns but hidden ones that nobody wants
  std::vector<batch::Type> missing;  // the hidden ones that it does not hold
  std::vector<uint32_t> places;      // of each input column within (kept columns, missing ones)
  std::vector<uint32_t> output;      // columns of the input
  std::vector<batch::Type> output_types;
  uint32_t time_column;
  int64_t time_offset;
  int32_t order_column, watermark_column;
  int64_t grace;        // late: the watermark is further ahead of its time than this
  int64_t keep_for;     // dropped: the watermark is further ahead of its time than this
  int32_t lonely_sign;  // +1 when rows without partners are given, −1 when (SEMI) those with partners are, else 0
  state::BagTable table;
  KeysByTime earliest;  // one entry for each group's earliest row, perhaps others
};

class TimeJoinOperator final : public Operator {
 public:
  TimeJoinOperator(const plan::Node& node, const plan::TimeJoin& join, const Inputs& inputs,
                   const OperatorContext& context);

  Status push(size_t port, const batch::Batch& batch, Output& out) override;
  Status finish(Output& out) override;
  void advance(Timestamp watermark) override { watermark_ = std::max(watermark_, watermark.micros); }
  bool due_at(Timestamp watermark) const override;
  std::vector<state::TableRef> tables() override;

 private:
  using Group = state::BagTable::Group;
  struct Pair {
    uint32_t row;
    Group group;  // of the other side
    std::string_view kept;
    int64_t count;  // how often the kept row came
  };
  enum class Place : uint8_t { kMeets, kAlone, kLate };

  std::unique_ptr<TimeJoinSide> make_side(size_t port, const plan::Node& input) const;
  void prepare();
  void place_rows(size_t port, const batch::Batch& batch);
  Status find_pairs(size_t port, const batch::Batch& batch, Output& out);
  void keep_rows(size_t port, const batch::Batch& batch);
  std::optional<int64_t> first_time(TimeJoinSide& side, Group group);
  Status drop_due(size_t port, Output& out);
  Status drop_rows(size_t port, Group group, Output& out);
  bool due(const TimeJoinSide& side, int64_t time, int64_t watermark) const;

  // time_join_output.cpp
  Status flush_pairs(size_t port, const batch::Batch& batch, Output& out);
  Result<std::vector<uint32_t>> passing(const batch::Batch& candidates);
  Status count_partner(size_t port, const Pair& pair, Output& out);
  Result<batch::Batch> decode(const TimeJoinSide& side, std::span<const std::string_view> kept) const;
  Status give_alone(size_t port, const batch::Batch& batch, const std::vector<uint32_t>& rows, Output& out);
  Status give_kept_alone(size_t side, std::string_view kept, int64_t diff, Output& out);
  Status flush_kept_alone(size_t side, Output& out);
  Status push_padded(size_t side, const batch::Batch& shown, std::vector<int64_t> diffs, Output& out);

  OperatorContext context_;
  const plan::TimeJoin& join_;
  bool gives_pairs_;
  std::array<std::unique_ptr<TimeJoinSide>, 2> sides_;
  std::optional<batch::ExpressionRunner> residual_;
  int64_t watermark_ = INT64_MIN;
  bool ready_ = false;

  // Of one batch.
  batch::RowBuffer keys_, rows_;
  std::vector<Place> placed_;
  std::vector<int64_t> times_;
  std::vector<uint8_t> met_;  // of each row: a partner
  std::vector<Pair> pairs_;
  std::string kept_;  // scratch
  std::vector<std::string> kept_alone_;
  std::vector<int64_t> kept_alone_diffs_;
  std::vector<batch::RowError> errors_;
};

}  // namespace millrace::dataflow
