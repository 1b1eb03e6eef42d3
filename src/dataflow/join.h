// Private to dataflow/: the equi-join, in join.cpp (which rows meet) and join_output.cpp (how they come out).
//
// Each side's rows are kept by key (slot 0 left, slot 1 right). Deltas meet the other side as it is when they come,
// then join their own side: ΔL ⋈ R, then ΔR ⋈ (L + ΔL), so nothing is counted twice.
//
// An outer side's row without partners is given with NULLs. Without a residual that depends on its key alone: when the
// other side's rows of a key appear or vanish, the padded rows of that key go or come. With one, the number of partners
// of each row is kept (slot 2 left, slot 3 right), and a row changes its form when that number leaves or reaches 0.
// SEMI gives left rows that have partners, ANTI those that have none, without the right columns. MARK gives all left
// rows and says of each whether it has partners.
#pragma once

#include <array>
#include <optional>

#include "base/hash.h"
#include "batch/expression.h"
#include "dataflow/operators.h"

namespace millrace::dataflow {

/// One input of a join.
struct JoinSide {
  std::vector<uint32_t> key_columns;
  batch::RowCodec keys;
  batch::RowCodec rows;          // what a kept row holds: the output columns; with a residual all columns
  std::vector<uint32_t> shown;   // places of the output columns within a kept row
  std::vector<uint32_t> output;  // the same within the input
  std::vector<batch::Type> output_types;
  state::BagTable table;     // key → rows
  state::BagTable partners;  // key → rows, each counted by its partners
  /// +1 when rows without partners are given, −1 when (SEMI) those with partners are, else 0. MARK: +1.
  int lonely_sign = 0;
  bool keeps_rows = true;  // else only how many there are: the right side of SEMI and ANTI
};

class JoinOperator final : public Operator {
 public:
  /// Without `keeps_left` (a lookup) left rows meet the right rows that are there, and are forgotten: what the right
  /// side does later changes nothing.
  JoinOperator(const plan::Node& node, const plan::Join& join, const Inputs& inputs, const OperatorContext& context,
               bool keeps_left = true);

  Status push(size_t port, const batch::Batch& batch, Output& out) override;
  Status finish(Output& out) override;
  std::vector<state::TableRef> tables() override;

 private:
  using Group = state::BagTable::Group;

  /// A row of the pushed batch and a kept row of the other side.
  struct Pair {
    uint32_t row;
    std::string_view kept;
    int64_t kept_count;
    Group kept_group;
  };
  struct Transition {
    Group group;     // on the pushed side
    bool was_empty;  // before the batch
  };

  std::unique_ptr<JoinSide> make_side(size_t port, const plan::Node& input) const;

  uint64_t rows_hash(size_t port, size_t row) const {
    return sides_[port]->keeps_rows ? rows_.hash(row) : hash_bytes({});
  }

  // join.cpp
  void find_null_keys(const JoinSide& side, const batch::Batch& batch);
  Status push_by_key(size_t port, const batch::Batch& batch, Output& out);
  Status push_counted(size_t port, const batch::Batch& batch, Output& out);
  Status add_pairs(size_t port, const batch::Batch& batch, uint32_t row, Group group, Output& out);
  void watch_key(size_t port, Group group);
  Status emit_transitions(size_t port, Output& out);
  void find_partners(size_t port, const batch::Batch& batch);
  void keep_rows(size_t port, const batch::Batch& batch);
  void keep_row(size_t port, uint32_t row, Group group, int64_t diff);
  Status count_partner(size_t port, const Pair& pair, int64_t diff, Output& out);

  // join_output.cpp
  Status flush_pairs(size_t port, const batch::Batch& batch, Output& out);
  Result<std::vector<uint32_t>> passing(const batch::Batch& joined);
  void give_alone(uint32_t row, int64_t diff, bool has_partners);
  Status flush_alone(size_t port, const batch::Batch& batch, Output& out);
  Status change_kept(size_t side, std::string_view row, int64_t count, bool has_partners, Output& out);
  Status give_kept_alone(size_t side, std::string_view row, int64_t diff, bool has_partners, Output& out);
  Status flush_kept_alone(size_t side, Output& out);
  Status push_padded(size_t side, const batch::Batch& shown, std::vector<int64_t> diffs,
                     const std::vector<uint8_t>& marks, Output& out);

  OperatorContext context_;
  const plan::Join& join_;
  bool gives_pairs_;
  bool gives_mark_;
  bool keeps_left_;
  bool counted_;  // partners are counted by row: a residual and a side whose lonely rows matter
  std::array<std::unique_ptr<JoinSide>, 2> sides_;
  std::optional<batch::ExpressionRunner> residual_;

  // Of one batch.
  batch::RowBuffer keys_, rows_;
  std::vector<uint8_t> null_keys_;  // of each row: its key has a NULL that matches nothing
  std::vector<Group> groups_;       // of each row: its key's group on the other side, then on its own
  std::vector<Pair> pairs_;
  std::vector<int64_t> partners_;  // of each row, when counted
  std::vector<uint32_t> alone_;    // rows to give without partners
  std::vector<int64_t> alone_diffs_;
  std::vector<uint8_t> alone_marks_;          // MARK: they have partners
  std::vector<std::string_view> kept_alone_;  // the same for kept rows of the other side
  std::vector<int64_t> kept_alone_diffs_;
  std::vector<uint8_t> kept_alone_marks_;
  std::vector<Transition> transitions_;
  std::vector<bool> is_watched_;  // by group of the pushed side
  std::vector<batch::RowError> errors_;
};

}  // namespace millrace::dataflow
