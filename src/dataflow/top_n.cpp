// The first rows of each partition: ORDER BY … LIMIT … OFFSET (one partition), or rows up to a rank. Slot 0 holds the
// rows in order.
//
// At the end of a step each touched partition is walked from its first row until the highest rank is passed, both as it
// is and as it was before the step: rows and the step's changes tell both. What lies behind is not looked at. Of an
// append-only input nothing behind the highest rank is kept: it can never come forward again.
#include <algorithm>

#include "base/hash.h"
#include "dataflow/operators.h"
#include "dataflow/partition_changes.h"

namespace millrace::dataflow {
namespace {

/// Where a walk is in one of the two sequences, and which ranks a row's copies have.
class RankCounter {
 public:
  RankCounter(plan::WindowKind kind, int64_t offset, int64_t limit) : kind_(kind), offset_(offset), limit_(limit) {}

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
  /// No later row is shown.
  bool done() const {
    if (kind_ == plan::WindowKind::kDenseRank) return rank_ > limit_;
    return rows_ >= limit_ && (kind_ == plan::WindowKind::kRowNumber || rank_ > limit_);
  }

 private:
  plan::WindowKind kind_;
  int64_t offset_, limit_;
  int64_t rows_ = 0;
  int64_t rank_ = 0;
  bool any_ = false;
  std::string_view sort_key_;
};

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

  bool surely_behind(Group group, std::string_view row);
  Status walk(const PartitionChanges::Touched& touched, Output& out);
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

/// Goes through the rows of now and of before together, in order.
Status TopNOperator::walk(const PartitionChanges::Touched& touched, Output& out) {
  const std::span<const Change> changes = changes_.of(touched);
  RankCounter was(top_.rank, top_.offset, top_.limit), is = was;
  cursor_.seek_first(touched.group);
  std::string_view row, last_kept, excess;
  int64_t count = 0;
  bool more = cursor_.next(row, count);
  size_t change = 0;
  while (!was.done() || !is.done()) {
    const bool changed =
        change < changes.size() && (!more || rows_.comparable(changes[change].row) <= rows_.comparable(row));
    if (!more && !changed) break;
    const bool there = more && (!changed || row == changes[change].row);
    const std::string_view at = there ? row : changes[change].row;
    const int64_t now = there ? count : 0;
    const int64_t before = touched.fresh ? 0 : now - (changed ? changes[change].diff : 0);
    if (now < 0 || before < 0) return internal_error("TopN was asked to take away rows that it never got");
    const bool full = is.done();
    const RankCounter::Ranks was_ranks = was.take(rows_.sort_key(at), before);
    const RankCounter::Ranks is_ranks = is.take(rows_.sort_key(at), now);
    compare(at, was_ranks, is_ranks);
    const bool kept = !full && (is_ranks.shown > 0 || top_.rank == plan::WindowKind::kRowNumber);
    if (there && kept) last_kept = row;
    if (there && !kept && excess.empty()) excess = row;
    if (pending_rows_.size() >= batch::kBatchRows) MR_TRY(flush(out));
    if (changed) ++change;
    if (there) more = cursor_.next(row, count);
  }
  if (!trims_ || !is.done()) return {};
  if (excess.empty() && more) excess = row;
  if (!excess.empty()) excess_.push_back({touched.group, excess});
  if (touched.group >= last_kept_.size()) last_kept_.resize(touched.group + touched.group / 2 + 16);
  last_kept_[touched.group] = last_kept;
  return {};
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
