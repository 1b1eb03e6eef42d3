// ORDER BY … LIMIT … OFFSET: one global group. Slot 0 holds its rows; an ordered index over them is rebuilt after a
// restore. A step looks at the first offset + limit rows.
#include <algorithm>
#include <map>
#include <numeric>

#include "base/hash.h"
#include "dataflow/operators.h"
#include "dataflow/sorted_rows.h"

namespace millrace::dataflow {
namespace {

std::vector<uint32_t> all_columns(const plan::Node& input) {
  std::vector<uint32_t> columns(input.output.size());
  std::iota(columns.begin(), columns.end(), 0);
  return columns;
}

class TopNOperator final : public Operator {
 public:
  TopNOperator(const plan::Node& node, const plan::TopN& top, const plan::Node& input)
      : Operator(node),
        top_(top),
        rows_(input.output, top.sort_key, input.order_column, {all_columns(input)}),
        ordered_(Before{&rows_}),
        builder_(node.output.types()) {}

  Status push(size_t, const batch::Batch& batch, Output&) override {
    prepare();
    rows_.encode(batch);
    const state::BagTable::Group group = bag_.find_or_insert(hash_bytes({}), {});
    for (size_t row = 0; row < batch.rows(); ++row) {
      const std::string_view bytes = rows_.row(row);
      const int64_t count = bag_.add(group, rows_.hash(row), bytes, batch.diff(row));
      if (count == 0) {
        ordered_.erase(std::string(bytes));
      } else {
        ordered_[std::string(bytes)] = count;
      }
    }
    changed_ = true;
    return {};
  }

  Status finish(Output& out) override {
    prepare();
    if (!changed_) return {};
    changed_ = false;
    ++stats.groups_touched;
    Rows now = first_rows();
    MR_TRY(emit_difference(now));
    shown_ = std::move(now);
    bag_.release_empty();
    return push_all(builder_, out, stats);
  }

  std::vector<state::TableRef> tables() override { return {{{node_.id, 0}, &bag_}}; }

 private:
  struct Before {
    const SortedRows* rows;
    bool operator()(const std::string& a, const std::string& b) const {
      return rows->comparable(a) < rows->comparable(b);
    }
  };
  using Rows = std::map<std::string, int64_t, Before>;

  /// After a restore the rows that were shown are the first ones of the bag, which nothing has changed yet.
  void prepare() {
    if (ready_) return;
    ready_ = true;
    const state::BagTable::Group group = bag_.find(hash_bytes({}), {});
    if (group != state::BagTable::kNone) {
      state::BagTable::RowCursor cursor(bag_, group);
      std::string_view row;
      int64_t count;
      while (cursor.next(row, count)) ordered_.emplace(row, count);
    }
    shown_ = first_rows();
  }

  Rows first_rows() {
    Rows found(Before{&rows_});
    int64_t skip = top_.offset, left = top_.limit;
    for (auto at = ordered_.begin(); at != ordered_.end() && left > 0; ++at) {
      ++bag_.rows_read;
      const int64_t skipped = std::min(skip, at->second);
      skip -= skipped;
      const int64_t taken = std::min(left, at->second - skipped);
      left -= taken;
      if (taken > 0) found.emplace_hint(found.end(), at->first, taken);
    }
    return found;
  }

  Status emit_difference(const Rows& now) {
    for (const auto& [row, count] : shown_) {
      const auto found = now.find(row);
      MR_TRY(emit(row, (found == now.end() ? 0 : found->second) - count));
    }
    for (const auto& [row, count] : now) {
      if (!shown_.contains(row)) MR_TRY(emit(row, count));
    }
    return {};
  }

  Status emit(std::string_view row, int64_t diff) {
    if (diff == 0) return {};
    MR_TRY(rows_.codec(0).decode(rows_.piece(row, 0), builder_.current(), builder_.row()));
    builder_.finish_row(diff);
    return {};
  }

  const plan::TopN& top_;
  SortedRows rows_;
  state::BagTable bag_;
  Rows ordered_;
  Rows shown_{Before{&rows_}};
  bool ready_ = false;
  bool changed_ = false;
  batch::BatchBuilder builder_;
};

}  // namespace

Made make_top_n(const plan::Node& node, const Inputs& inputs, const OperatorContext&) {
  return {std::make_unique<TopNOperator>(node, std::get<plan::TopN>(node.operation), *inputs[0])};
}

}  // namespace millrace::dataflow
