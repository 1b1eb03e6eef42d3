// SELECT DISTINCT and DISTINCT ON: one row a key, the first by (sort key, order column).
//
//  * All columns are keys: a count for each row. Table slot 0.
//  * Input append-only: only the best row so far of each key. Slot 0. A better row that comes later takes its place.
//  * Else: all rows of each key, in order (slot 1), and the one that stands in the output (slot 0).
#include <algorithm>
#include <numeric>

#include "dataflow/operators.h"
#include "dataflow/sorted_rows.h"

namespace millrace::dataflow {
namespace {

using Slot = state::ValueTable::Slot;

struct CountedRow {
  int64_t count;
  int64_t touched;  // 0, or 1 + place in the step's list
};

void fetch_ahead(const state::ValueTable& table, const batch::RowBuffer& keys, size_t row, size_t rows) {
  constexpr size_t kStride = 8;
  if (row + 2 * kStride < rows) table.prefetch(keys.hash(row + 2 * kStride));
  if (row + kStride < rows) table.prefetch_entry(keys.hash(row + kStride));
}

class DistinctRows final : public Operator {
 public:
  DistinctRows(const plan::Node& node, const plan::DistinctOn& distinct, const plan::Node& input)
      : Operator(node),
        append_only_(input.append_only),
        keys_(input.output.types(), distinct.key_columns),
        builder_(node.output.types()) {}

  Status push(size_t, const batch::Batch& batch, Output& out) override {
    keys_.encode(batch, key_buffer_);
    fresh_.clear();
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      fetch_ahead(rows_, key_buffer_, row, batch.rows());
      const Slot slot = rows_.find_or_insert(key_buffer_.hash(row), key_buffer_.row(row), sizeof(CountedRow));
      auto& counted = *reinterpret_cast<CountedRow*>(slot.value);
      if (append_only_) {
        if (slot.inserted) fresh_.push_back(row);
        counted.count = 1;
        continue;
      }
      if (counted.touched == 0) {
        touched_.push_back({slot, counted.count});
        counted.touched = static_cast<int64_t>(touched_.size());
        rows_.mark_dirty(slot);
      }
      counted.count += batch.diff(row);
    }
    return fresh_.empty() ? Status() : push_fresh(batch, out);
  }

  Status finish(Output& out) override {
    stats.groups_touched += touched_.size();
    for (const Touched& touched : touched_) {
      auto& counted = *reinterpret_cast<CountedRow*>(touched.slot.value);
      counted.touched = 0;
      if (counted.count < 0) return internal_error("DISTINCT was asked to take away rows that it never got");
      const std::string_view key = rows_.key_of(touched.slot);
      const int64_t diff = (counted.count > 0 ? 1 : 0) - (touched.old_count > 0 ? 1 : 0);
      if (diff != 0) {
        MR_TRY(keys_.decode(key, builder_.current(), builder_.row()));
        builder_.finish_row(diff);
      }
      if (counted.count == 0) rows_.erase(rows_.hash_of(touched.slot), key);
    }
    touched_.clear();
    return push_all(builder_, out, stats);
  }

  std::vector<state::TableRef> tables() override { return {{{node_.id, 0}, &rows_}}; }

 private:
  struct Touched {
    Slot slot;
    int64_t old_count;
  };

  Status push_fresh(const batch::Batch& batch, Output& out) {
    stats.groups_touched += fresh_.size();
    batch::Batch selected = fresh_.size() == batch.rows() ? batch.share() : batch.select(fresh_);
    selected.set_diffs({});
    return push_one(selected, out, stats);
  }

  bool append_only_;
  batch::RowCodec keys_;
  state::ValueTable rows_;
  batch::RowBuffer key_buffer_;
  std::vector<uint32_t> fresh_;  // rows of the batch that are seen for the first time
  std::vector<Touched> touched_;
  batch::BatchBuilder builder_;
};

std::vector<std::vector<uint32_t>> all_columns(const plan::Node& input) {
  std::vector<uint32_t> columns(input.output.size());
  std::iota(columns.begin(), columns.end(), 0);
  return {std::move(columns)};
}

class FirstRows final : public Operator {
 public:
  FirstRows(const plan::Node& node, const plan::DistinctOn& distinct, const plan::Node& input)
      : Operator(node),
        keys_(input.output.types(), distinct.key_columns),
        rows_(input.output, distinct.sort_key, input.order_column, all_columns(input)),
        builder_(node.output.types()) {}

  Status push(size_t, const batch::Batch& batch, Output& out) override {
    keys_.encode(batch, key_buffer_);
    rows_.encode(batch);
    winners_.clear();
    replaced_.clear();
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      fetch_ahead(best_, key_buffer_, row, batch.rows());
      consider(row);
    }
    for (const Slot& slot : winner_slots_) mark_of(slot) = 0;
    winner_slots_.clear();
    stats.groups_touched += winners_.size();
    for (const std::string& old : replaced_) {
      MR_TRY(rows_.codec(0).decode(rows_.piece(old, 0), builder_.current(), builder_.row()));
      builder_.finish_row(-1);
    }
    MR_TRY(push_all(builder_, out, stats));
    if (winners_.empty()) return {};
    batch::Batch selected = batch.select(winners_);
    selected.set_diffs({});
    return push_one(selected, out, stats);
  }

  std::vector<state::TableRef> tables() override { return {{{node_.id, 0}, &best_}}; }

 private:
  // A value: u32 mark (0, or 1 + place in winners_ while a batch is at work), then the row.
  static uint32_t& mark_of(const Slot& slot) { return *reinterpret_cast<uint32_t*>(slot.value); }
  static std::string_view row_of(const Slot& slot) { return slot.view().substr(sizeof(uint32_t)); }

  void consider(uint32_t row) {
    const std::string_view bytes = rows_.row(row);
    const uint64_t hash = key_buffer_.hash(row);
    const std::string_view key = key_buffer_.row(row);
    const Slot slot = best_.find_or_insert(hash, key, static_cast<uint32_t>(sizeof(uint32_t) + bytes.size()));
    if (slot.inserted) {
      winners_.push_back(row);
      winner_slots_.push_back(slot);
      mark_of(slot) = static_cast<uint32_t>(winners_.size());
      std::memcpy(slot.value + sizeof(uint32_t), bytes.data(), bytes.size());
      return;
    }
    if (rows_.comparable(bytes) >= rows_.comparable(row_of(slot))) return;
    uint32_t mark = mark_of(slot);
    if (mark == 0) {
      replaced_.emplace_back(row_of(slot));
      winners_.push_back(row);
      winner_slots_.push_back(slot);
      mark = static_cast<uint32_t>(winners_.size());
    }
    winners_[mark - 1] = row;
    scratch_.assign(reinterpret_cast<const char*>(&mark), sizeof mark).append(bytes);
    best_.put(hash, key, scratch_);
    winner_slots_[mark - 1] = best_.find(hash, key);
  }

  batch::RowCodec keys_;
  SortedRows rows_;
  state::ValueTable best_;
  batch::RowBuffer key_buffer_;
  std::vector<uint32_t> winners_;      // rows of the batch that are now the best of their key
  std::vector<Slot> winner_slots_;     // and where those stand
  std::vector<std::string> replaced_;  // rows of before that are no longer
  std::string scratch_;
  batch::BatchBuilder builder_;
};

class FirstOfBag final : public Operator {
 public:
  FirstOfBag(const plan::Node& node, const plan::DistinctOn& distinct, const plan::Node& input)
      : Operator(node),
        keys_(input.output.types(), distinct.key_columns),
        rows_(input.output, distinct.sort_key, input.order_column, all_columns(input)),
        cursor_(bag_),
        builder_(node.output.types()) {
    bag_.keep_sorted(rows_.header_bytes());
  }

  Status push(size_t, const batch::Batch& batch, Output&) override {
    keys_.encode(batch, key_buffer_);
    rows_.encode(batch);
    find_groups(bag_, key_buffer_, batch.rows(), groups_);
    for (size_t row = 0; row < batch.rows(); ++row) {
      const state::BagTable::Group group = groups_[row];
      bag_.add(group, rows_.hash(row), rows_.row(row), batch.diff(row));
      if (group >= is_touched_.size()) is_touched_.resize(group + 1, false);
      if (!is_touched_[group]) touched_.push_back(group);
      is_touched_[group] = true;
    }
    return {};
  }

  Status finish(Output& out) override {
    stats.groups_touched += touched_.size();
    for (const state::BagTable::Group group : touched_) {
      is_touched_[group] = false;
      MR_TRY(change(group));
    }
    touched_.clear();
    bag_.release_empty();
    return push_all(builder_, out, stats);
  }

  std::vector<state::TableRef> tables() override { return {{{node_.id, 0}, &standing_}, {{node_.id, 1}, &bag_}}; }

 private:
  Status change(state::BagTable::Group group) {
    std::string_view best;
    int64_t count = 0;
    cursor_.seek_first(group);
    if (cursor_.next(best, count) && count < 0)
      return internal_error("DISTINCT ON was asked to take away rows that it never got");
    const uint64_t hash = bag_.hash_of(group);
    const std::string_view key = bag_.key_of(group);
    const Slot old = standing_.find(hash, key);
    if (old && old.view() == best) return {};
    if (old) MR_TRY(emit(old.view(), -1));
    if (best.empty()) {
      standing_.erase(hash, key);
      return {};
    }
    standing_.put(hash, key, best);
    return emit(best, 1);
  }

  Status emit(std::string_view row, int64_t diff) {
    MR_TRY(rows_.codec(0).decode(rows_.piece(row, 0), builder_.current(), builder_.row()));
    builder_.finish_row(diff);
    return {};
  }

  batch::RowCodec keys_;
  SortedRows rows_;
  state::ValueTable standing_;
  state::BagTable bag_;
  state::BagTable::SortedCursor cursor_;
  batch::RowBuffer key_buffer_;
  std::vector<state::BagTable::Group> groups_;  // of each row of a batch
  std::vector<state::BagTable::Group> touched_;
  std::vector<bool> is_touched_;  // by group
  batch::BatchBuilder builder_;
};

}  // namespace

Made make_distinct(const plan::Node& node, const Inputs& inputs, const OperatorContext&) {
  const auto& distinct = std::get<plan::DistinctOn>(node.operation);
  const plan::Node& input = *inputs[0];
  if (distinct.key_columns == all_columns(input)[0]) return {std::make_unique<DistinctRows>(node, distinct, input)};
  if (input.append_only) return {std::make_unique<FirstRows>(node, distinct, input)};
  return {std::make_unique<FirstOfBag>(node, distinct, input)};
}

}  // namespace millrace::dataflow
