#include "simulation/destination.h"

namespace millrace::simulation {

using connectors::SinkMode;

std::string row_of(const batch::Batch& rows, size_t row, size_t first) {
  std::string text;
  for (size_t column = first; column < rows.columns(); ++column) {
    if (column > first) text += "|";
    text += rows.value_text(column, row);
  }
  return text;
}

class DestinationSink final : public connectors::Sink {
 public:
  DestinationSink(Destination& to, const connectors::SinkSetup& setup)
      : to_(to), env_(*setup.env), mode_(setup.mode), key_(setup.key) {}

  Result<int64_t> open() override {
    MR_TRY(reach());
    changes_.clear();
    return to_.forgets_position ? to_.position_before_ : to_.position_;
  }

  Status write(const batch::Batch& rows, int64_t next_offset) override {
    MR_TRY(reach());
    if (changes_.empty()) oldest_ = env_.clock().now();
    const bool has_op = mode_ != SinkMode::kAppend;
    for (size_t row = 0; row < rows.rows(); ++row) {
      Destination::Change change{has_op ? rows.value_text(0, row) : "+I", "", row_of(rows, row, has_op ? 2 : 0)};
      for (uint32_t column : key_) change.key += rows.value_text(column, row) + "|";
      changes_.push_back(std::move(change));
    }
    next_ = next_offset;
    return {};
  }

  Status commit() override {
    if (changes_.empty()) return {};
    MR_TRY(reach());
    const auto outcome = std::exchange(to_.next_commit, Destination::Commit::kFine);
    if (outcome == Destination::Commit::kFails) return unreachable("the commit was refused");
    for (const Destination::Change& change : changes_) to_.apply(mode_, change);
    changes_.clear();
    to_.position_before_ = std::exchange(to_.position_, next_);
    ++to_.commits_;
    if (outcome == Destination::Commit::kFailsAfterwards) return unreachable("the answer to the commit did not come");
    return {};
  }

  bool wants_commit(Timestamp now) const override {
    return changes_.size() >= 40 || (!changes_.empty() && now - oldest_ >= Duration::from_seconds(30));
  }

  Status replace(const connectors::SnapshotReader&, uint64_t) override {
    return user_error(sqlstate::kNotSupported, "this destination takes changes");
  }
  Result<uint64_t> snapshot_epoch() override { return uint64_t{0}; }

 private:
  static Error unreachable(const char* what) { return external_error(sqlstate::kUnavailable, what, Retry::kBackoff); }
  Status reach() const { return to_.down ? Status(unreachable("the destination is down")) : Status(); }

  Destination& to_;
  Env& env_;
  const SinkMode mode_;
  const std::vector<uint32_t> key_;
  std::vector<Destination::Change> changes_;
  int64_t next_ = 0;
  Timestamp oldest_;
};

std::unique_ptr<connectors::Sink> Destination::make_sink(const connectors::SinkSetup& setup) {
  return std::make_unique<DestinationSink>(*this, setup);
}

void Destination::apply(SinkMode mode, const Change& change) {
  const bool takes_back = change.op == "-D" || change.op == "-U";
  if (mode != SinkMode::kUpsert) {
    int64_t& count = bag_[change.row];
    count += takes_back ? -1 : 1;
    if (count < 0) problem_ = "took back a row that was not there: " + change.row;
    if (count == 0) bag_.erase(change.row);
    return;
  }
  const auto found = by_key_.find(change.key);
  const bool was_there = found != by_key_.end();
  if (change.op == "+I" && was_there) problem_ = "a row came as new whose key was there: " + change.row;
  if (change.op != "+I" && !was_there) problem_ = change.op + " of a row whose key was not there: " + change.row;
  if (takes_back && was_there && found->second != change.row) problem_ = "took back another row: " + change.row;
  if (change.op == "-D") by_key_.erase(change.key);
  if (!takes_back) by_key_[change.key] = change.row;
}

std::map<std::string, int64_t> Destination::rows() const {
  std::map<std::string, int64_t> all = bag_;
  for (const auto& [key, row] : by_key_) ++all[row];
  return all;
}

}  // namespace millrace::simulation
