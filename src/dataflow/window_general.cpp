// OVER (…) with some call that has no kernel: DuckDB computes all calls of the touched partitions anew, in one query a
// step. Slot 0: the rows of each partition. Slot 1: the rows that stand in the output, by partition, so that what is
// taken away is bit for bit what was given. Slot 2: the partitions that failed.
#include <algorithm>
#include <numeric>

#include "base/hash.h"
#include "dataflow/fragment_groups.h"
#include "dataflow/operators.h"
#include "dataflow/sorted_rows.h"

namespace millrace::dataflow {
namespace {

std::vector<uint32_t> iota(size_t count) {
  std::vector<uint32_t> columns(count);
  std::iota(columns.begin(), columns.end(), 0);
  return columns;
}

/// Where the output's columns are in the fragment's output: group number, all input columns, calls.
std::vector<uint32_t> output_places(const plan::Window& window, const plan::Node& input) {
  std::vector<uint32_t> places;
  const auto columns = static_cast<uint32_t>(input.output.size());
  for (uint32_t i = 0; i < columns; ++i) {
    const auto column = static_cast<int32_t>(i);
    if (column != input.order_column && column != input.watermark_column) places.push_back(i + 1);
  }
  const auto first_call = static_cast<uint32_t>(window.general.input_types().size());
  for (uint32_t i = 0; i < window.calls.size(); ++i) places.push_back(first_call + i);
  for (int32_t column : {input.order_column, input.watermark_column}) {
    if (column >= 0) places.push_back(static_cast<uint32_t>(column) + 1);
  }
  return places;
}

class WindowGeneral final : public Operator {
 public:
  WindowGeneral(const plan::Node& node, const plan::Window& window, const plan::Node& input,
                const OperatorContext& context)
      : Operator(node),
        context_(context),
        keys_(input.output.types(), window.partition_columns),
        rows_(input.output, window.sort_key, input.order_column, {iota(input.output.size())}),
        output_places_(output_places(window, input)),
        output_codec_(node.output.types(), iota(node.output.size()), batch::RowForm::kExact),
        fragment_(*context.session, window.general, rows_.codec(0)),
        builder_(node.output.types()) {}

  Status push(size_t, const batch::Batch& batch, Output& out) override;
  Status finish(Output& out) override;
  std::vector<state::TableRef> tables() override {
    return {{{node_.id, 0}, &partitions_}, {{node_.id, 1}, &standing_}, {{node_.id, 2}, &failed_}};
  }

 private:
  using Group = state::BagTable::Group;
  struct Result {
    size_t partition;  // place in touched_
    size_t start;      // into result_bytes_
    size_t length;
  };

  Status compute();
  void feed(Group group, const std::function<void(std::string_view, int64_t)>& add);
  Status replace(size_t partition, std::span<const Result> results);
  Status fail(Group group, std::string_view message);
  Status report(std::string_view key, int64_t diff, std::string_view message);

  OperatorContext context_;
  batch::RowCodec keys_;
  SortedRows rows_;
  std::vector<uint32_t> output_places_;
  batch::RowCodec output_codec_;
  FragmentGroups fragment_;
  state::BagTable partitions_;
  state::BagTable standing_;
  state::ValueTable failed_;

  batch::RowBuffer key_buffer_, result_buffer_;
  std::vector<Group> touched_;
  std::vector<bool> is_touched_;  // by group
  std::vector<Result> results_;
  std::string result_bytes_;
  bool negative_ = false;
  batch::BatchBuilder builder_;
};

Status WindowGeneral::push(size_t, const batch::Batch& batch, Output&) {
  keys_.encode(batch, key_buffer_);
  rows_.encode(batch);
  for (size_t row = 0; row < batch.rows(); ++row) {
    const Group group = partitions_.find_or_insert(key_buffer_.hash(row), key_buffer_.row(row));
    const std::string_view bytes = rows_.row(row);
    partitions_.add(group, rows_.hash(row), bytes, batch.diff(row));
    if (group >= is_touched_.size()) is_touched_.resize(group + group / 2 + 64, false);
    if (!is_touched_[group]) touched_.push_back(group);
    is_touched_[group] = true;
  }
  return {};
}

/// Feeds a partition's rows in the window's order.
void WindowGeneral::feed(Group group, const std::function<void(std::string_view, int64_t)>& add) {
  std::vector<std::pair<std::string_view, int64_t>> sorted;
  partitions_.for_each_row(group, [&](std::string_view row, int64_t count) {
    negative_ |= count < 0;
    sorted.emplace_back(row, count);
  });
  std::sort(sorted.begin(), sorted.end(),
            [&](const auto& a, const auto& b) { return rows_.comparable(a.first) < rows_.comparable(b.first); });
  for (const auto& [row, count] : sorted) add(rows_.piece(row, 0), count);
}

Status WindowGeneral::compute() {
  std::vector<size_t> filled;
  for (size_t i = 0; i < touched_.size(); ++i) {
    if (partitions_.rows(touched_[i]) > 0) filled.push_back(i);
  }
  const auto take = [&](size_t group, const batch::Batch& results, size_t row) -> Status {
    if (row == 0) output_codec_.encode(results.project(output_places_), result_buffer_);
    const std::string_view bytes = result_buffer_.row(row);
    results_.push_back(Result{filled[group], result_bytes_.size(), bytes.size()});
    result_bytes_.append(bytes);
    return {};
  };
  const auto failed = [&](size_t group, std::string_view message) { return fail(touched_[filled[group]], message); };
  return fragment_.run(
      filled.size(), [&](size_t group, const auto& add) { feed(touched_[filled[group]], add); }, take, failed);
}

Status WindowGeneral::finish(Output& out) {
  stats.groups_touched += touched_.size();
  results_.clear();
  result_bytes_.clear();
  for (Group group : touched_) is_touched_[group] = false;
  MR_TRY(compute());
  if (negative_) return internal_error("OVER was asked to take away rows that it never got");
  std::stable_sort(results_.begin(), results_.end(),
                   [](const Result& a, const Result& b) { return a.partition < b.partition; });
  size_t at = 0;
  for (size_t partition = 0; partition < touched_.size(); ++partition) {
    const size_t first = at;
    while (at < results_.size() && results_[at].partition == partition) ++at;
    MR_TRY(replace(partition, std::span(results_).subspan(first, at - first)));
  }
  touched_.clear();
  partitions_.release_empty();
  standing_.release_empty();
  return push_all(builder_, out, stats);
}

/// Emits the difference between the partition's rows in the output and these.
Status WindowGeneral::replace(size_t partition, std::span<const Result> results) {
  const Group group = touched_[partition];
  const bool is_well = !results.empty() || partitions_.rows(group) == 0;
  if (is_well && !failed_.empty() && failed_.erase(partitions_.hash_of(group), partitions_.key_of(group))) {
    MR_TRY(report(partitions_.key_of(group), -1, "the partition is well again"));
  }
  const Group standing = standing_.find_or_insert(partitions_.hash_of(group), partitions_.key_of(group));
  std::vector<std::pair<std::string, int64_t>> changes;
  standing_.for_each_row(standing, [&](std::string_view row, int64_t count) { changes.emplace_back(row, -count); });
  for (const Result& result : results) changes.emplace_back(result_bytes_.substr(result.start, result.length), 1);
  std::sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < changes.size();) {
    int64_t diff = 0;
    const size_t first = i;
    for (; i < changes.size() && changes[i].first == changes[first].first; ++i) diff += changes[i].second;
    if (diff == 0) continue;
    const std::string& row = changes[first].first;
    standing_.add(standing, hash_bytes(row), row, diff);
    MR_TRY(output_codec_.decode(row, builder_.current(), builder_.row()));
    builder_.finish_row(diff);
  }
  return {};
}

/// The partition's calls cannot be computed: its rows are absent from the output.
Status WindowGeneral::fail(Group group, std::string_view message) {
  if (failed_.find_or_insert(partitions_.hash_of(group), partitions_.key_of(group), 1).inserted) {
    ++stats.rows_failed;
    return report(partitions_.key_of(group), 1, message);
  }
  return {};
}

Status WindowGeneral::report(std::string_view key, int64_t diff, std::string_view message) {
  batch::Batch partition(keys_.types());
  partition.set_rows(1);
  MR_TRY(keys_.decode(key, partition, 0));
  partition.set_diffs({diff});
  context_.side->row_failed(node_.id, "window", partition, 0, 0, message);
  return {};
}

}  // namespace

Made make_window_general(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  return {std::make_unique<WindowGeneral>(node, std::get<plan::Window>(node.operation), *inputs[0], context)};
}

}  // namespace millrace::dataflow
