// ASOF joins: each left row with the last right row of its key that is not later (or, strict, earlier). Slots 0 and 1:
// the left and the right rows of each key, in the order of the sort keys.
//
// At the end of a step each right row that came or went is looked up: it decides about the left rows from its own place
// to the next right row's. These are given with their new partner, where it is another one; then the step's own left
// rows. So a change costs the left rows that see it, and O(log n) to find them.
#include <algorithm>

#include "base/hash.h"
#include "dataflow/operators.h"
#include "dataflow/pair_buffer.h"
#include "dataflow/sorted_rows.h"

namespace millrace::dataflow {
namespace {

constexpr uint32_t kNoDelta = UINT32_MAX;

struct Side {
  std::vector<uint32_t> key_columns;
  uint32_t sort_key;
  batch::RowCodec keys;
  SortedRows rows;
  state::BagTable table;
  state::BagTable::SortedCursor cursor{table};
};

class AsofJoinOperator final : public Operator {
 public:
  AsofJoinOperator(const plan::Node& node, const plan::AsofJoin& join, const Inputs& inputs)
      : Operator(node),
        join_(join),
        left_(make_side(*inputs[0], join.left_keys, join.left_sort_key, -1, join.left_output)),
        right_(make_side(*inputs[1], join.right_keys, join.right_sort_key, inputs[1]->order_column, join.right_output)),
        output_(node.output, left_->rows.codec(0), right_->rows.codec(0)) {
    for (Side* side : {left_.get(), right_.get()}) side->table.keep_sorted(side->rows.header_bytes());
  }

  Status push(size_t port, const batch::Batch& batch, Output& out) override;
  Status finish(Output& out) override;
  std::vector<state::TableRef> tables() override {
    return {{{node_.id, 0}, &left_->table}, {{node_.id, 1}, &right_->table}};
  }

 private:
  using Group = state::BagTable::Group;
  struct Touched {
    Group group[2];
    uint32_t last_delta[2];
  };
  struct Delta {
    uint32_t previous;
    size_t start;  // into delta_bytes_
    size_t length;
    int64_t diff;
  };
  struct Change {
    std::string_view row;
    int64_t diff;
  };
  /// A kept left row whose partner may be another one now.
  struct Affected {
    std::string row;
    int64_t count;
    size_t partner_before;  // into partners_before_
  };
  static std::unique_ptr<Side> make_side(const plan::Node& input, const std::vector<uint32_t>& keys, uint32_t sort_key,
                                         int32_t order, const std::vector<uint32_t>& output) {
    return std::unique_ptr<Side>(new Side{keys,
                                          sort_key,
                                          batch::RowCodec(input.output.types(), keys),
                                          SortedRows(input.output, static_cast<int32_t>(sort_key), order, {output}),
                                          {}});
  }
  Side& side(size_t port) { return port == 0 ? *left_ : *right_; }

  bool never_meets(size_t port, const batch::Batch& batch, size_t row) const;
  Touched& touch(uint64_t hash, std::string_view key);
  void collect(size_t port, const Touched& touched, std::vector<Change>& changes);
  Status apply(size_t port, Group group, const std::vector<Change>& changes);
  std::string_view after(std::string_view sort_key);
  void find_affected(const Touched& touched);
  std::string_view partner_of(Group right, std::string_view left_row);
  Status give(std::string_view left_row, std::string_view partner, int64_t diff, Output& out);

  const plan::AsofJoin& join_;
  std::unique_ptr<Side> left_, right_;
  batch::RowBuffer key_buffer_;
  std::vector<Touched> touched_;
  std::vector<uint32_t> touched_of_;  // by left group: 1 + place in touched_
  std::vector<Delta> deltas_;
  std::string delta_bytes_;
  std::vector<Change> left_changes_, right_changes_;
  std::vector<Affected> affected_;
  std::vector<std::string> partners_before_;  // empty: none
  std::string bound_;
  PairBuffer output_;
};

/// NULL in a key, or nothing to compare by.
bool AsofJoinOperator::never_meets(size_t port, const batch::Batch& batch, size_t row) const {
  const Side& of = port == 0 ? *left_ : *right_;
  if (batch.column(of.sort_key).is_null(row)) return true;
  for (size_t i = 0; i < of.key_columns.size(); ++i) {
    if (!join_.null_equals_null[i] && batch.column(of.key_columns[i]).is_null(row)) return true;
  }
  return false;
}

AsofJoinOperator::Touched& AsofJoinOperator::touch(uint64_t hash, std::string_view key) {
  const Group left = left_->table.find_or_insert(hash, key);
  if (left >= touched_of_.size()) touched_of_.resize(left + left / 2 + 16, 0);
  if (touched_of_[left] == 0) {
    touched_.push_back(Touched{{left, right_->table.find_or_insert(hash, key)}, {kNoDelta, kNoDelta}});
    touched_of_[left] = static_cast<uint32_t>(touched_.size());
  }
  return touched_[touched_of_[left] - 1];
}

Status AsofJoinOperator::push(size_t port, const batch::Batch& batch, Output& out) {
  Side& own = side(port);
  own.keys.encode(batch, key_buffer_);
  own.rows.encode(batch);
  for (size_t row = 0; row < batch.rows(); ++row) {
    const std::string_view bytes = own.rows.row(row);
    if (never_meets(port, batch, row)) {
      if (port == 0) MR_TRY(give(bytes, {}, batch.diff(row), out));
      continue;
    }
    Touched& touched = touch(key_buffer_.hash(row), key_buffer_.row(row));
    deltas_.push_back(Delta{touched.last_delta[port], delta_bytes_.size(), bytes.size(), batch.diff(row)});
    touched.last_delta[port] = static_cast<uint32_t>(deltas_.size() - 1);
    delta_bytes_.append(bytes);
  }
  return {};
}

Status AsofJoinOperator::finish(Output& out) {
  stats.groups_touched += touched_.size();
  for (const Touched& touched : touched_) {
    touched_of_[touched.group[0]] = 0;
    collect(0, touched, left_changes_);
    collect(1, touched, right_changes_);
    find_affected(touched);
    MR_TRY(apply(1, touched.group[1], right_changes_));
    for (const Affected& left : affected_) {
      const std::string_view now = partner_of(touched.group[1], left.row);
      const std::string& before = partners_before_[left.partner_before];
      if (now == before) continue;
      MR_TRY(give(left.row, before, -left.count, out));
      MR_TRY(give(left.row, now, left.count, out));
    }
    for (const Change& left : left_changes_) {
      MR_TRY(give(left.row, partner_of(touched.group[1], left.row), left.diff, out));
    }
    MR_TRY(apply(0, touched.group[0], left_changes_));
  }
  touched_.clear();
  deltas_.clear();
  delta_bytes_.clear();
  left_->table.release_empty();
  right_->table.release_empty();
  return output_.flush(out, stats);
}

/// What the step did to one side of the key: in order, each row once, none with 0.
void AsofJoinOperator::collect(size_t port, const Touched& touched, std::vector<Change>& changes) {
  const SortedRows& rows = side(port).rows;
  changes.clear();
  for (uint32_t at = touched.last_delta[port]; at != kNoDelta; at = deltas_[at].previous) {
    const Delta& delta = deltas_[at];
    changes.push_back({std::string_view(delta_bytes_).substr(delta.start, delta.length), delta.diff});
  }
  std::sort(changes.begin(), changes.end(),
            [&](const Change& a, const Change& b) { return rows.comparable(a.row) < rows.comparable(b.row); });
  size_t kept = 0;
  for (const Change& change : changes) {
    if (kept > 0 && changes[kept - 1].row == change.row) {
      changes[kept - 1].diff += change.diff;
    } else {
      changes[kept++] = change;
    }
  }
  changes.resize(kept);
  std::erase_if(changes, [](const Change& change) { return change.diff == 0; });
}

Status AsofJoinOperator::apply(size_t port, Group group, const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    const int64_t count = side(port).table.add(group, hash_bytes(change.row), change.row, change.diff);
    if (count < 0) return internal_error("an ASOF join was asked to take away rows that it never got");
  }
  return {};
}

/// Behind all rows with this sort key: an order column never has all bits set.
std::string_view AsofJoinOperator::after(std::string_view sort_key) {
  bound_.assign(sort_key).append(16, '\xff');
  return bound_;
}

/// The kept left rows that a changed right row decides about, or did.
void AsofJoinOperator::find_affected(const Touched& touched) {
  affected_.clear();
  partners_before_.clear();
  const auto [left_group, right_group] = touched.group;
  std::string covered_until;  // comparable of the right row at which the last stretch ended; empty: none yet
  bool covers_all = false;
  for (const Change& change : right_changes_) {
    const std::string_view comparable = right_->rows.comparable(change.row);
    if (covers_all || comparable < covered_until) continue;
    std::string_view row;
    int64_t count;
    right_->cursor.seek(right_group, comparable);
    bool more = right_->cursor.next(row, count);
    if (more && row == change.row) {
      partners_before_.emplace_back(row);
      more = right_->cursor.next(row, count);
    } else {
      right_->cursor.seek(right_group, comparable);
      std::string_view before;
      partners_before_.emplace_back(right_->cursor.previous(before, count) ? before : std::string_view());
      right_->cursor.seek(right_group, comparable);
      more = right_->cursor.next(row, count);
    }
    covers_all = !more;
    const std::string end(more ? right_->rows.sort_key(row) : std::string_view());
    if (more) covered_until = right_->rows.comparable(row);
    const std::string_view start = right_->rows.sort_key(change.row);
    left_->cursor.seek(left_group, join_.strict ? after(start) : start);
    while (left_->cursor.next(row, count)) {
      const std::string_view key = left_->rows.sort_key(row);
      if (more && (join_.strict ? key > end : key >= end)) break;
      affected_.push_back({std::string(row), count, partners_before_.size() - 1});
    }
  }
}

/// Empty when there is none. Valid until the right side changes.
std::string_view AsofJoinOperator::partner_of(Group right, std::string_view left_row) {
  const std::string_view key = left_->rows.sort_key(left_row);
  right_->cursor.seek(right, join_.strict ? key : after(key));
  std::string_view row;
  int64_t count;
  return right_->cursor.previous(row, count) ? row : std::string_view();
}

Status AsofJoinOperator::give(std::string_view left_row, std::string_view partner, int64_t diff, Output& out) {
  const bool alone = partner.empty();
  using plan::JoinType;
  if (alone ? join_.type == JoinType::kInner || join_.type == JoinType::kSemi : join_.type == JoinType::kAnti)
    return {};
  const std::string_view left = left_->rows.piece(left_row, 0);
  if (alone) return output_.add_alone(left, diff, out, stats);
  return output_.add(left, right_->rows.piece(partner, 0), diff, out, stats);
}

}  // namespace

Made make_asof_join(const plan::Node& node, const Inputs& inputs, const OperatorContext&) {
  return {std::make_unique<AsofJoinOperator>(node, std::get<plan::AsofJoin>(node.operation), inputs)};
}

}  // namespace millrace::dataflow
