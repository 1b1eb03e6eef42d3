// The first rows of each partition: ORDER BY … LIMIT … OFFSET (one partition), or rows up to a rank. Slot 0 holds the
// rows in order.
//
// At the end of a step each touched partition is gone through from its first change on until the highest rank is
// passed, both as it is and as it was before the step: rows and the step's changes tell both. Rows that are shown then
// and now are left out when their ranks are not given: in a large partition places are found by counts
// (state/row_order.h), so a change costs its own search and that of the row that comes in or goes out. What lies behind
// the highest rank is not looked at, and of an append-only input not kept: it can never come forward again.
#include <algorithm>

#include "base/hash.h"
#include "dataflow/operators.h"
#include "dataflow/partition_changes.h"
#include "dataflow/rank_counter.h"

namespace millrace::dataflow {
namespace {

class TopNOperator final : public Operator {
 public:
  TopNOperator(const plan::Node& node, const plan::TopN& top, const plan::Node& input,
               std::vector<std::vector<uint32_t>> pieces)
      : Operator(node),
        top_(top),
        trims_(input.append_only),
        has_hidden_(!pieces[1].empty()),
        visible_(pieces[0].size()),
        keys_(input.output.types(), top.partition_columns),
        rows_(input.output, top.sort_key, input.order_column, pieces),
        changes_(rows_),
        cursor_(partitions_),
        output_(node.output) {
    partitions_.keep_sorted(rows_.header_bytes());
  }

  Status push(size_t port, const batch::Batch& batch, Output& out) override;
  Status finish(Output& out) override;
  std::vector<state::TableRef> tables() override { return {{{node_.id, 0}, &partitions_}}; }

 private:
  using Group = state::BagTable::Group;
  using Change = PartitionChanges::Change;
  struct Excess {
    Group group;
    std::string_view from;  // the first row that is not kept
  };

  /// Where a walk is: the next row of the table, the next change.
  struct Walk {
    std::string_view row, last_kept, excess;
    int64_t count = 0;
    bool more = false;
    size_t change = 0;
    int64_t walk_on = 0;  // rows to go through before the next try to leave some out
  };
  static constexpr size_t kWalkedWhole = 64;
  static constexpr int64_t kWorthJumping = 32;

  bool surely_behind(Group group, std::string_view row);
  Status walk(const PartitionChanges::Touched& touched, Output& out);
  void start_at(Group group, std::string_view change, RankCounter& was, RankCounter& is);
  bool jump(Group group, std::span<const Change> changes, RankCounter& was, RankCounter& is, Walk& at);
  void find_excess(Group group, Walk& at);
  void compare(std::string_view row, RankCounter::Ranks was, RankCounter::Ranks is);
  void emit(std::string_view row, int64_t rank, int64_t diff);
  Status flush(Output& out);
  void trim();

  const plan::TopN& top_;
  const bool trims_;
  const bool has_hidden_;
  const size_t visible_;
  batch::RowCodec keys_;
  SortedRows rows_;
  state::BagTable partitions_;
  PartitionChanges changes_;
  state::BagTable::SortedCursor cursor_;
  batch::RowBuffer key_buffer_;
  std::vector<Group> groups_;  // of each row of a batch
  /// By group: its last kept row when it is full, in the table. What comes behind it is not taken in. Empty: not known.
  std::vector<std::string_view> last_kept_;
  // Of one step.
  std::vector<Excess> excess_;
  std::string peers_end_;
  // Rows to emit. They point into the table and into changes_.
  batch::Batch output_;
  std::vector<std::string_view> pending_rows_;
  std::vector<int64_t> pending_ranks_;
  std::vector<int64_t> pending_diffs_;
  std::vector<std::string_view> pieces_;
};

/// The row comes behind a last row that can only move forward.
bool TopNOperator::surely_behind(Group group, std::string_view row) {
  if (!trims_ || group >= last_kept_.size() || last_kept_[group].empty()) return false;
  const std::string_view last = last_kept_[group];
  if (top_.rank == plan::WindowKind::kRowNumber) return rows_.comparable(row) > rows_.comparable(last);
  return rows_.sort_key(row) > rows_.sort_key(last);
}

Status TopNOperator::push(size_t, const batch::Batch& batch, Output&) {
  // Rows of evicted groups are gone, and with them what last_kept_ points at.
  if (partitions_.partial()) last_kept_.clear();
  keys_.encode(batch, key_buffer_);
  rows_.encode(batch);
  find_groups(partitions_, key_buffer_, batch.rows(), groups_);
  for (size_t row = 0; row < batch.rows(); ++row) {
    const std::string_view bytes = rows_.row(row);
    if (surely_behind(groups_[row], bytes)) continue;
    changes_.note(partitions_, groups_[row], bytes, batch.diff(row));
    partitions_.add(groups_[row], rows_.hash(row), bytes, batch.diff(row));
  }
  return {};
}

Status TopNOperator::finish(Output& out) {
  stats.groups_touched += changes_.touched().size();
  for (const PartitionChanges::Touched& touched : changes_.touched()) MR_TRY(walk(touched, out));
  MR_TRY(flush(out));
  trim();
  changes_.clear();
  partitions_.release_empty();
  return {};
}

/// Goes through the rows of now and of before together, in order: all of a small or new partition, else those from the
/// first change on that may differ.
Status TopNOperator::walk(const PartitionChanges::Touched& touched, Output& out) {
  const std::span<const Change> changes = changes_.of(touched);
  RankCounter was(top_.rank, top_.offset, top_.limit), is = was;
  // A dense rank counts the sort keys from the first row on.
  const bool jumps = !touched.fresh && top_.rank != plan::WindowKind::kDenseRank &&
                     partitions_.rows(touched.group) > kWalkedWhole;
  if (jumps && changes.empty()) return {};
  if (jumps) {
    start_at(touched.group, changes[0].row, was, is);
  } else {
    cursor_.seek_first(touched.group);
  }
  Walk at;
  at.more = cursor_.next(at.row, at.count);
  while (!was.done() || !is.done()) {
    const bool changed = at.change < changes.size() &&
                         (!at.more || rows_.comparable(changes[at.change].row) <= rows_.comparable(at.row));
    if (!at.more && !changed) break;
    if (jumps && !changed && at.walk_on-- <= 0 && jump(touched.group, changes, was, is, at)) continue;
    const bool there = at.more && (!changed || at.row == changes[at.change].row);
    const std::string_view row = there ? at.row : changes[at.change].row;
    const int64_t now = there ? at.count : 0;
    const int64_t before = touched.fresh ? 0 : now - (changed ? changes[at.change].diff : 0);
    if (now < 0 || before < 0) return internal_error("TopN was asked to take away rows that it never got");
    const bool full = is.done();
    const RankCounter::Ranks was_ranks = was.take(rows_.sort_key(row), before);
    const RankCounter::Ranks is_ranks = is.take(rows_.sort_key(row), now);
    compare(row, was_ranks, is_ranks);
    const bool kept = !full && (is_ranks.shown > 0 || top_.rank == plan::WindowKind::kRowNumber);
    if (there && kept) at.last_kept = row;
    if (there && !kept && at.excess.empty()) at.excess = row;
    if (pending_rows_.size() >= batch::kBatchRows) MR_TRY(flush(out));
    if (changed) ++at.change;
    if (there) at.more = cursor_.next(at.row, at.count);
  }
  if (!trims_) return {};
  if (jumps) {
    find_excess(touched.group, at);
  } else if (!is.done()) {
    return {};
  }
  if (at.excess.empty() && at.more && !jumps) at.excess = at.row;
  if (!at.excess.empty()) excess_.push_back({touched.group, at.excess});
  if (touched.group >= last_kept_.size()) last_kept_.resize(touched.group + touched.group / 2 + 16);
  last_kept_[touched.group] = at.last_kept;
  return {};
}

/// Puts the cursor before the first change: what comes before it is the same then and now.
void TopNOperator::start_at(Group group, std::string_view change, RankCounter& was, RankCounter& is) {
  const std::string_view key = rows_.sort_key(change);
  int64_t peers_before = 0;
  if (top_.rank == plan::WindowKind::kRank) {
    cursor_.seek(group, key);
    peers_before = cursor_.count_before();
  }
  cursor_.seek(group, rows_.comparable(change));
  const int64_t before = cursor_.count_before();
  was.start(before, key, peers_before);
  is = was;
}

/// Leaves out rows that do not change and for which nothing else does: then true, and `at` is at the next row to look
/// at.
bool TopNOperator::jump(Group group, std::span<const Change> changes, RankCounter& was, RankCounter& is, Walk& at) {
  int64_t rows = RankCounter::equal_rows(was, is, top_.gives_rank);
  if (rows <= kWorthJumping) return false;
  if (at.change < changes.size()) {
    cursor_.seek(group, rows_.comparable(changes[at.change].row));
    rows = std::min(rows, cursor_.count_before() - is.rows());
  }
  int64_t landed = rows > kWorthJumping ? cursor_.seek_count(group, is.rows() + rows) : 0;
  if (landed > is.rows() && top_.rank == plan::WindowKind::kRank) {
    // A rank is that of the first of its peers.
    std::string_view row;
    int64_t count = 0;
    if (cursor_.next(row, count)) cursor_.seek(group, rows_.sort_key(row));
    landed = cursor_.count_before();
  }
  const bool jumped = landed > is.rows() + at.count;
  if (jumped) {
    const int64_t passed = landed - is.rows();
    was.pass(passed);
    is.pass(passed);
  } else {
    cursor_.seek_count(group, is.rows());
    at.walk_on = kWorthJumping;
  }
  at.more = cursor_.next(at.row, at.count);
  return jumped;
}

/// The last row that is kept, and the first one that is not.
void TopNOperator::find_excess(Group group, Walk& at) {
  at.last_kept = at.excess = {};
  cursor_.seek_count(group, top_.limit - 1);
  int64_t count = 0;
  if (cursor_.count_of_all() < top_.limit || !cursor_.next(at.last_kept, count)) return;
  if (top_.rank == plan::WindowKind::kRank) {
    // Behind all peers: no order column is as great as this.
    peers_end_.assign(rows_.sort_key(at.last_kept)).append(SortedRows::kOrderBytes + 1, '\xff');
    cursor_.seek(group, peers_end_);
  }
  if (!cursor_.next(at.excess, count)) at.excess = {};
}

/// Emits how a row's shown copies differ.
void TopNOperator::compare(std::string_view row, RankCounter::Ranks was, RankCounter::Ranks is) {
  if (!top_.gives_rank) {
    if (was.shown != is.shown) emit(row, 0, is.shown - was.shown);
    return;
  }
  if (top_.rank != plan::WindowKind::kRowNumber) {
    if (was.shown == is.shown && (was.shown == 0 || was.first == is.first)) return;
    if (was.shown > 0) emit(row, was.first, -was.shown);
    if (is.shown > 0) emit(row, is.first, is.shown);
    return;
  }
  for (int64_t rank = was.first; rank <= was.last; ++rank) {
    if (rank < is.first || rank > is.last) emit(row, rank, -1);
  }
  for (int64_t rank = is.first; rank <= is.last; ++rank) {
    if (rank < was.first || rank > was.last) emit(row, rank, 1);
  }
}

void TopNOperator::emit(std::string_view row, int64_t rank, int64_t diff) {
  pending_rows_.push_back(row);
  pending_ranks_.push_back(rank);
  pending_diffs_.push_back(diff);
}

/// Emits what is pending.
Status TopNOperator::flush(Output& out) {
  for (size_t start = 0; start < pending_rows_.size(); start += batch::kBatchRows) {
    const size_t rows = std::min<size_t>(batch::kBatchRows, pending_rows_.size() - start);
    output_.reset();
    output_.set_rows(rows);
    const auto decode_piece = [&](size_t piece, size_t column) {
      pieces_.clear();
      for (size_t row = 0; row < rows; ++row) pieces_.push_back(rows_.piece(pending_rows_[start + row], piece));
      return rows_.codec(piece).decode_rows(pieces_, output_, 0, column);
    };
    MR_TRY(decode_piece(0, 0));
    if (top_.gives_rank) {
      std::copy_n(pending_ranks_.begin() + static_cast<int64_t>(start), rows,
                  output_.mutable_column(visible_).values<int64_t>());
    }
    if (has_hidden_) MR_TRY(decode_piece(1, visible_ + (top_.gives_rank ? 1 : 0)));
    const auto first = pending_diffs_.begin() + static_cast<int64_t>(start);
    std::vector<int64_t> diffs(first, first + static_cast<int64_t>(rows));
    if (std::any_of(diffs.begin(), diffs.end(), [](int64_t diff) { return diff != 1; }))
      output_.set_diffs(std::move(diffs));
    MR_TRY(push_one(output_, out, stats));
  }
  pending_rows_.clear();
  pending_ranks_.clear();
  pending_diffs_.clear();
  return {};
}

/// Takes what lies behind the highest rank out of the partitions that have too much.
void TopNOperator::trim() {
  for (const Excess& excess : excess_) {
    std::vector<std::pair<std::string, int64_t>> gone;
    cursor_.seek(excess.group, rows_.comparable(excess.from));
    std::string_view row;
    int64_t count;
    while (cursor_.next(row, count)) gone.emplace_back(row, count);
    for (const auto& [bytes, copies] : gone) partitions_.add(excess.group, hash_bytes(bytes), bytes, -copies);
  }
  excess_.clear();
}

}  // namespace

Made make_top_n(const plan::Node& node, const Inputs& inputs, const OperatorContext&) {
  const auto& top = std::get<plan::TopN>(node.operation);
  const plan::Node& input = *inputs[0];
  std::vector<std::vector<uint32_t>> pieces(2);
  for (uint32_t i = 0; i < input.output.size(); ++i) {
    const auto column = static_cast<int32_t>(i);
    if (column != input.order_column && column != input.watermark_column) pieces[0].push_back(i);
  }
  for (int32_t column : {input.order_column, input.watermark_column}) {
    if (column >= 0) pieces[1].push_back(static_cast<uint32_t>(column));
  }
  return {std::make_unique<TopNOperator>(node, top, input, std::move(pieces))};
}

}  // namespace millrace::dataflow
