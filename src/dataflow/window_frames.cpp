// OVER (…) with frames of a bounded reach and calls without kernels: DuckDB computes the results of the rows that the
// step's changes reach, from the rows of their frames, in one query a step. Slot 0: the rows of each partition with
// their results, in order; a row without results belongs to a partition that failed. Slot 1: these partitions.
//
// A partition fails as a whole, as it does when all of it is computed anew: which stretches are computed depends on how
// rows are spread over steps, and must not show. So a stretch that fails is tried again as the whole partition, and a
// failed partition is computed whole until it is well.
#include <algorithm>

#include "dataflow/changed_results.h"
#include "dataflow/frame_reader.h"
#include "dataflow/frame_results.h"
#include "dataflow/operators.h"

namespace millrace::dataflow {
namespace {

/// Which columns of the input are where.
struct FrameColumns {
  std::vector<std::vector<uint32_t>> pieces;  // what the calls read, then each range's ends
  std::vector<uint32_t> output;               // places in: columns of piece 0, calls

  FrameColumns(const plan::FramedWindow& framed, const plan::Node& input) {
    std::vector<uint32_t> ends;
    for (const plan::FrameReach::Range& range : framed.reach.ranges) {
      for (int32_t column : {range.first_key, range.last_key}) {
        if (column >= 0) ends.push_back(static_cast<uint32_t>(column));
      }
    }
    pieces.emplace_back();
    std::vector<uint32_t> hidden;
    for (uint32_t column = 0; column < input.output.size(); ++column) {
      if (std::find(ends.begin(), ends.end(), column) != ends.end()) continue;
      const auto place = static_cast<uint32_t>(pieces[0].size());
      const auto number = static_cast<int32_t>(column);
      pieces[0].push_back(column);
      if (number != input.order_column && number != input.watermark_column) output.push_back(place);
      if (number == input.order_column) hidden.insert(hidden.begin(), place);
      if (number == input.watermark_column) hidden.push_back(place);
    }
    for (uint32_t call = 0; call < framed.window.calls.size(); ++call)
      output.push_back(static_cast<uint32_t>(pieces[0].size()) + call);
    output.insert(output.end(), hidden.begin(), hidden.end());
    for (uint32_t column : ends) pieces.push_back({column});
  }
};

std::vector<batch::Type> call_types(const plan::Window& window) {
  std::vector<batch::Type> types;
  for (const plan::WindowCall& call : window.calls) types.push_back(call.result);
  return types;
}

class WindowFrames final : public Operator {
 public:
  WindowFrames(const plan::Node& node, const plan::FramedWindow& framed, const plan::Node& input, FrameColumns columns,
               const OperatorContext& context)
      : Operator(node),
        context_(context),
        columns_(std::move(columns)),
        standing_(input, framed.window, columns_.pieces),
        reader_(standing_, framed.reach, 1),
        results_(*context.session, framed.window.general, standing_.rows().codec(0), call_types(framed.window)),
        changed_(standing_, results_.codec(), columns_.output) {}

  Status push(size_t, const batch::Batch& batch, Output&) override {
    standing_.note(batch);
    return {};
  }
  Status finish(Output& out) override;
  std::vector<state::TableRef> tables() override {
    return {{{node_.id, 0}, &standing_.table()}, {{node_.id, 1}, &failed_}};
  }

 private:
  using Group = state::BagTable::Group;

  bool is_failed(Group group) {
    return static_cast<bool>(failed_.find(standing_.table().hash_of(group), standing_.table().key_of(group)));
  }
  Status compute();
  Status compute_whole();
  Status replace(size_t stretch);
  void replace_row(Group group, const StandingItem& item);
  Status set_failed(Group group, const std::string* message);

  OperatorContext context_;
  const FrameColumns columns_;
  StandingRows standing_;
  FrameReader reader_;
  FrameResults results_;
  ChangedResults changed_;
  state::ValueTable failed_;
  // Of one step.
  std::vector<FrameStretch> stretches_;
  std::vector<std::pair<size_t, std::string>> failures_;  // stretches and why
  std::vector<std::string_view> of_row_;
};

Status WindowFrames::finish(Output& out) {
  stats.groups_touched += standing_.changes().touched().size();
  MR_TRY(compute());
  for (size_t stretch = 0; stretch < stretches_.size(); ++stretch) MR_TRY(replace(stretch));
  MR_TRY(changed_.emit(out, stats));
  standing_.apply();
  stretches_.clear();
  failures_.clear();
  reader_.clear();
  results_.clear();
  standing_.clear();
  return {};
}

/// Reads what the step reaches and computes it.
Status WindowFrames::compute() {
  for (const PartitionChanges::Touched& touched : standing_.changes().touched()) {
    const bool whole = !failed_.empty() && is_failed(touched.group);
    MR_TRY(reader_.read(touched.group, standing_.changes().of(touched), whole, stretches_));
  }
  MR_TRY(results_.compute(reader_, standing_.rows(), stretches_, 0, failures_));
  return failures_.empty() ? Status() : compute_whole();
}

/// The partitions of stretches that failed, as a whole.
Status WindowFrames::compute_whole() {
  std::vector<Group> groups;
  for (const auto& [stretch, message] : failures_) {
    if (!stretches_[stretch].is_whole) groups.push_back(stretches_[stretch].group);
  }
  std::sort(groups.begin(), groups.end());
  const auto is_tried_again = [&](Group group) { return std::binary_search(groups.begin(), groups.end(), group); };
  std::erase_if(failures_, [&](const auto& failure) { return !stretches_[failure.first].is_whole; });
  for (FrameStretch& stretch : stretches_) {
    if (is_tried_again(stretch.group)) stretch.last_reached = stretch.first_reached;
  }
  const size_t first = stretches_.size();
  for (const PartitionChanges::Touched& touched : standing_.changes().touched()) {
    if (!is_tried_again(touched.group)) continue;
    MR_TRY(reader_.read(touched.group, standing_.changes().of(touched), true, stretches_));
  }
  return results_.compute(reader_, standing_.rows(), stretches_, first, failures_);
}

/// Notes how the results of the stretch's reached rows differ from those that stand.
Status WindowFrames::replace(size_t stretch) {
  const FrameStretch& at = stretches_[stretch];
  const auto failure =
      std::find_if(failures_.begin(), failures_.end(), [&](const auto& each) { return each.first == stretch; });
  const std::string* message = failure == failures_.end() ? nullptr : &failure->second;
  if (at.is_whole) MR_TRY(set_failed(at.group, message));
  size_t place = 0;
  for (size_t index = at.first; index < at.last_reached; ++index) {
    const StandingItem& item = reader_.items[index];
    const auto copies = static_cast<size_t>(item.now);
    if (index >= at.first_reached) {
      of_row_.clear();
      for (size_t copy = 0; copy < copies; ++copy)
        of_row_.push_back(message ? std::string_view() : results_.of(stretch, place + copy));
      replace_row(at.group, item);
    }
    place += copies;
  }
  return {};
}

void WindowFrames::replace_row(Group group, const StandingItem& item) {
  changed_.begin(group, item.row);
  for (size_t entry = item.first_entry; entry < item.last_entry; ++entry) {
    const StandingReader::Entry& stands = reader_.entry(entry);
    changed_.add(standing_.results_of(stands.bytes), -stands.count);
  }
  for (const std::string_view results : of_row_) changed_.add(results, 1);
  changed_.end();
}

/// A partition that was computed whole has failed, or is well.
Status WindowFrames::set_failed(Group group, const std::string* message) {
  const uint64_t hash = standing_.table().hash_of(group);
  const std::string_view key = standing_.table().key_of(group);
  if (message) {
    if (!failed_.find_or_insert(hash, key, 1).inserted) return {};
    ++stats.rows_failed;
  } else if (!failed_.erase(hash, key)) {
    return {};
  }
  batch::Batch partition(standing_.keys().types());
  partition.set_rows(1);
  MR_TRY(standing_.keys().decode(key, partition, 0));
  partition.set_diffs({message ? 1 : -1});
  context_.side->row_failed(node_.id, "window", partition, 0, 0, message ? *message : "the partition is well again");
  return {};
}

}  // namespace

Made make_window_frames(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  const auto& framed = std::get<plan::FramedWindow>(node.operation);
  const plan::Node& input = *inputs[0];
  return {std::make_unique<WindowFrames>(node, framed, input, FrameColumns(framed, input), context)};
}

}  // namespace millrace::dataflow
