// OVER (…) from the partition's first row on, for calls whose rows cannot be taken back: minimum, maximum, sums of
// floating numbers, the first or last value that is not NULL. Slot 0: the rows of each partition in order, each with
// the states of all calls after its last copy; of calls that go up to the last peer, after that.
//
// A change starts from the states of the row before it, as they stand, and goes on until the states of before and of
// now are the same, since later results follow from these: a maximum in the middle reads the rows whose results it changes, a row at the end one or two. Rows
// that come or go below the extreme of their peers, which can be all rows, change nothing and read one of them.
#include <algorithm>

#include "dataflow/operators.h"
#include "dataflow/standing_rows.h"
#include "dataflow/window_output.h"

namespace millrace::dataflow {
namespace {

/// When a call's result is what its state gives.
enum class Stage : uint8_t { kBeforePeers, kBeforeRow, kAfterRow };

Stage stage_of(const plan::WindowCall& call) {
  if (!call.ends_before) return Stage::kAfterRow;
  return call.to_peers ? Stage::kBeforePeers : Stage::kBeforeRow;
}

class WindowRunning final : public Operator {
 public:
  WindowRunning(const plan::Node& node, const plan::Window& window, const plan::Node& input, WindowLayout layout,
                std::vector<RunningCall> calls)
      : Operator(node),
        window_(window),
        layout_(std::move(layout)),
        calls_(std::move(calls)),
        has_peers_(
            std::any_of(window.calls.begin(), window.calls.end(), [](const auto& call) { return call.to_peers; })),
        only_extremes_(std::all_of(window.calls.begin(), window.calls.end(), [](const auto& call) {
          return call.to_peers && !call.ends_before && (call.kind == plan::WindowKind::kMin || call.kind == plan::WindowKind::kMax);
        })),
        standing_(input, window, layout_.pieces),
        reader_(standing_),
        output_(node, window, input, layout_, standing_.rows()),
        old_values_(calls_.size()),
        now_values_(calls_.size()) {}

  Status push(size_t, const batch::Batch& batch, Output&) override {
    standing_.note(batch);
    return {};
  }

  Status finish(Output& out) override {
    stats.groups_touched += standing_.changes().touched().size();
    for (const PartitionChanges::Touched& touched : standing_.changes().touched()) {
      std::span<const PartitionChanges::Change> changes = standing_.changes().of(touched);
      while (!changes.empty()) {
        reader_.seek(touched.group, changes, false);
        MR_ASSIGN(size_t done, change_below_extremes(touched.group, changes, out));
        if (done == 0) {
          MR_TRY(change(touched.group, changes, out));
          done = reader_.changes_given();
        }
        changes = changes.subspan(done);
      }
    }
    MR_TRY(output_.flush(out, stats));
    standing_.apply();
    reader_.clear();
    standing_.clear();
    return {};
  }

  std::vector<state::TableRef> tables() override { return {{{node_.id, 0}, &standing_.table()}}; }

 private:
  using Group = state::BagTable::Group;
  using States = std::vector<RunningValue>;  // by call
  struct Item {
    StandingItem at;
    int64_t before;
  };

  Result<size_t> change_below_extremes(Group group, std::span<const PartitionChanges::Change> changes, Output& out);
  bool below_extremes(const States& states, std::string_view row) const;
  Status change(Group group, std::span<const PartitionChanges::Change> changes, Output& out);
  void begin(std::string_view first_change);
  Result<bool> read_item();
  Result<bool> read_peers();
  Status go_through(Group group, Output& out);
  void add(States& states, std::string_view row, int64_t copies, bool to_peers) const;
  void add_row(States& states, std::string_view row, std::vector<CallValue>& values) const;
  void give(const States& states, Stage stage, std::vector<CallValue>& values) const;
  bool converged() const;
  int64_t count_before(const StandingItem& item) const;
  void replace_states(Group group, const Item& item);

  const plan::Window& window_;
  const WindowLayout layout_;
  const std::vector<RunningCall> calls_;
  const bool has_peers_;
  const bool only_extremes_;
  StandingRows standing_;
  StandingReader reader_;
  WindowOutput output_;
  // Of one stretch.
  States old_, now_;         // after the rows gone through
  std::vector<Item> items_;  // what is gone through next: one row, or all its peers
  std::optional<Item> ahead_;
  std::vector<CallValue> old_values_, now_values_;
  std::string states_;
};

/// The first changes, all of the same peers, when none of them changes what stands for these; how many they are.
Result<size_t> WindowRunning::change_below_extremes(Group group, std::span<const PartitionChanges::Change> changes,
                                                    Output& out) {
  if (!only_extremes_) return size_t{0};
  const std::string_view key = standing_.rows().sort_key(changes[0].row);
  const std::string_view peer = reader_.neighbour(key);
  if (peer.empty()) return size_t{0};
  const std::string_view stands = standing_.results_of(peer);
  std::string_view bytes = stands;
  old_.clear();
  for (const RunningCall& call : calls_) old_.push_back(call.take_own(bytes));
  give(old_, Stage::kAfterRow, old_values_);
  size_t peers = 0;
  for (; peers < changes.size() && standing_.rows().sort_key(changes[peers].row) == key; ++peers) {
    if (!below_extremes(old_, changes[peers].row)) return size_t{0};
  }
  for (const PartitionChanges::Change& change : changes.first(peers)) {
    if (standing_.count(group, change.row, stands) + change.diff < 0)
      return internal_error("OVER was asked to take away rows that it never got");
    standing_.change(group, change.row, stands, change.diff);
    output_.add(change.row, old_values_, change.diff);
    if (output_.is_full()) MR_TRY(output_.flush(out, stats));
  }
  return peers;
}

/// The row comes after the extremes of these states, so that they are the same with and without it.
bool WindowRunning::below_extremes(const States& states, std::string_view row) const {
  for (size_t call = 0; call < calls_.size(); ++call) {
    RunningValue own;
    calls_[call].add(own, standing_.rows().piece(row, static_cast<size_t>(layout_.calls[call].argument)), 1);
    if (own.best.empty()) continue;  // NULL
    const bool is_same = own.best == states[call].best;
    calls_[call].add(own, states[call].best, states[call].best.empty() ? 0 : 1);
    if (is_same || own.best != states[call].best) return false;
  }
  return true;
}

/// From the first change on until nothing differs any more.
Status WindowRunning::change(Group group, std::span<const PartitionChanges::Change> changes, Output& out) {
  begin(changes[0].row);
  for (;;) {
    MR_ASSIGN(const bool more, read_peers());
    if (!more) return {};
    MR_TRY(go_through(group, out));
    // A change that follows at once needs no new search.
    if (converged() && !reader_.next_is_change() && !(ahead_ && ahead_->before != ahead_->at.now)) return {};
  }
}

/// Sets the states of before the change, or of before its first peer, which is read then.
void WindowRunning::begin(std::string_view first_change) {
  items_.clear();
  ahead_.reset();
  old_.assign(calls_.size(), {});
  const std::string_view key = standing_.rows().sort_key(first_change);
  StandingItem item;
  while (reader_.previous(item)) {
    if (has_peers_ && standing_.rows().sort_key(item.row) == key) {
      items_.push_back({item, item.now});
      continue;
    }
    std::string_view states = standing_.results_of(reader_.entry(item.first_entry).bytes);
    for (size_t call = 0; call < calls_.size(); ++call) old_[call] = calls_[call].take_own(states);
    break;
  }
  std::reverse(items_.begin(), items_.end());
  now_ = old_;
}

int64_t WindowRunning::count_before(const StandingItem& item) const {
  int64_t before = 0;
  for (size_t entry = item.first_entry; entry < item.last_entry; ++entry) before += reader_.entry(entry).count;
  return before;
}

/// Puts the next row behind items_.
Result<bool> WindowRunning::read_item() {
  if (ahead_) {
    items_.push_back(*ahead_);
    ahead_.reset();
    return true;
  }
  StandingItem item;
  bool changed = false;
  MR_ASSIGN(const bool more, reader_.next(item, changed));
  if (more) items_.push_back({item, count_before(item)});
  return more;
}

/// Fills items_ with what is gone through together, behind what begin() put there.
Result<bool> WindowRunning::read_peers() {
  if (!has_peers_) return read_item();
  for (;;) {
    MR_ASSIGN(const bool more, read_item());
    if (!more) return !items_.empty();
    const bool is_peer = standing_.rows().sort_key(items_.back().at.row) == standing_.rows().sort_key(items_[0].at.row);
    if (is_peer) continue;
    ahead_ = items_.back();
    items_.pop_back();
    return true;
  }
}

/// Emits how the results of items_ differ, and keeps their states.
Status WindowRunning::go_through(Group group, Output& out) {
  if (has_peers_) {
    give(old_, Stage::kBeforePeers, old_values_);
    give(now_, Stage::kBeforePeers, now_values_);
    for (const Item& item : items_) {
      add(old_, item.at.row, item.before, true);
      add(now_, item.at.row, item.at.now, true);
    }
  }
  for (const Item& item : items_) {
    for (int64_t copy = 0; copy < std::max(item.before, item.at.now); ++copy) {
      const bool was = copy < item.before, is = copy < item.at.now;
      if (was) add_row(old_, item.at.row, old_values_);
      if (is) add_row(now_, item.at.row, now_values_);
      if (was && is && old_values_ == now_values_) continue;
      if (was) output_.add(item.at.row, old_values_, -1);
      if (is) output_.add(item.at.row, now_values_, 1);
      if (output_.is_full()) MR_TRY(output_.flush(out, stats));
    }
    replace_states(group, item);
  }
  items_.clear();
  return {};
}

/// Lets the calls that go up to the row itself, or up to its last peer, see copies of a row.
void WindowRunning::add(States& states, std::string_view row, int64_t copies, bool to_peers) const {
  for (size_t call = 0; call < calls_.size(); ++call) {
    if (window_.calls[call].to_peers != to_peers) continue;
    const int32_t piece = layout_.calls[call].argument;
    calls_[call].add(states[call],
                     piece < 0 ? std::string_view() : standing_.rows().piece(row, static_cast<size_t>(piece)), copies);
  }
}

/// One copy of a row: sets what it gives, but for calls that end before its peers.
void WindowRunning::add_row(States& states, std::string_view row, std::vector<CallValue>& values) const {
  give(states, Stage::kBeforeRow, values);
  add(states, row, 1, false);
  give(states, Stage::kAfterRow, values);
}

/// Sets the results of the calls whose stage this is.
void WindowRunning::give(const States& states, Stage stage, std::vector<CallValue>& values) const {
  for (size_t call = 0; call < calls_.size(); ++call) {
    if (stage_of(window_.calls[call]) == stage) values[call] = result_of_running(calls_[call], states[call]);
  }
}

bool WindowRunning::converged() const {
  for (size_t call = 0; call < calls_.size(); ++call) {
    if (!calls_[call].same(old_[call], now_[call])) return false;
  }
  return true;
}

/// What stands for the row from now on: one entry with the states after it.
void WindowRunning::replace_states(Group group, const Item& item) {
  states_.clear();
  for (size_t call = 0; call < calls_.size(); ++call) calls_[call].append_own(now_[call], states_);
  if (item.before > 0) {
    const StandingReader::Entry& entry = reader_.entry(item.at.first_entry);
    const std::string_view states = standing_.results_of(entry.bytes);
    if (states == states_ && item.before == item.at.now) return;
    standing_.change(group, item.at.row, states, -entry.count);
  }
  if (item.at.now > 0) standing_.change(group, item.at.row, states_, item.at.now);
}

}  // namespace

Made make_window_running(const plan::Node& node, const Inputs& inputs, const OperatorContext&) {
  const auto& window = std::get<plan::FramedWindow>(node.operation).window;
  std::vector<RunningCall> calls;
  for (const plan::WindowCall& call : window.calls) {
    if (call.kind < plan::WindowKind::kCountStar)
      return internal_error("a window call was planned as a running one but is not: " + call.text);
    MR_ASSIGN(RunningCall made, RunningCall::make(call, inputs[0]->output));
    calls.push_back(std::move(made));
  }
  WindowLayout layout(window, *inputs[0]);
  return {std::make_unique<WindowRunning>(node, window, *inputs[0], std::move(layout), std::move(calls))};
}

}  // namespace millrace::dataflow
